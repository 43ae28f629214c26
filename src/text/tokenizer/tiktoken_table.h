// Reads a tokenizer.model of the kind that GLM-4 comes with, tiktoken's: a line a token, its bytes in base64 and its
// rank, which is its id. Merges are found again by merging each token's bytes with the ranks below its own.
// Pure; safe from any thread.

#pragma once

#include <cstddef>
#include <string_view>

#include "base/result.h"
#include "text/tokenizer/tokenizer_spec.h"

namespace loquat::text {

inline constexpr std::size_t kTiktokenTokenBytesMax = 256;

// Whether the first line is one of such a table; no SentencePiece model is.
bool IsTiktokenTable(std::string_view text);

// Tokens and merges; how text is cut and special tokens are not in the file. kInvalidArgument names the line.
base::Result<TokenizerSpec> ReadTiktokenTable(std::string_view text);

}  // namespace loquat::text
