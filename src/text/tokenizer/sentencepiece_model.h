// Reads SentencePiece's tokenizer.model, a protocol buffer (sentencepiece_model.proto), by hand: of it the pieces, the
// normaliser and a few numbers of the trainer are needed. Pure; safe from any thread.

#pragma once

#include <cstddef>
#include <string_view>

#include "base/result.h"
#include "text/tokenizer/tokenizer_spec.h"

namespace loquat::text {

inline constexpr std::size_t kSentencePieceModelBytesMax = std::size_t{128} << 20;

// kInvalidArgument: not such a file, or a model of words or characters, which is not supported; says at which byte.
base::Result<TokenizerSpec> ReadSentencePieceModel(std::string_view bytes);

}  // namespace loquat::text
