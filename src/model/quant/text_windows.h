// A text as the pieces that a model is run over to calibrate or to compare it: for decoders the whole text in windows
// one after the other, for encoders each line by itself. Pure functions; any thread.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/formats/model_files.h"
#include "text/tokenizer/tokenizer.h"

namespace loquat::model {

inline constexpr std::uint32_t kWindowTokensMax = 512;
inline constexpr std::size_t kSampleTextBytesMax = std::size_t{16} << 20;

using TokenWindows = std::vector<std::vector<std::int32_t>>;

// The tokenizer that the files describe. kFailedPrecondition: none.
base::Result<std::shared_ptr<const text::Tokenizer>> MakeTokenizer(const ModelFiles& files);

// Windows of at most kWindowTokensMax tokens, or the context where it is shorter, each with what the tokenizer puts
// before and after a text; none of fewer than two tokens. kInvalidArgument: nothing is left; kResourceExhausted: more
// than kSampleTextBytesMax.
base::Result<TokenWindows> CutText(const text::Tokenizer& tokenizer, const ModelConfig& config, std::string_view text);

// As many as they are together.
std::uint64_t TokensOf(const TokenWindows& windows);

}  // namespace loquat::model
