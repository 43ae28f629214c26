// A tokenizer in a binary form with its tables built: hash tables and tries lie in it as they are used, so that reading
// costs a look over them and no parsing. For files that are mapped; not for exchange. The chat template is not in it.
// Pure functions; any thread.

#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "base/result.h"
#include "text/tokenizer/tokenizer.h"
#include "text/tokenizer/tokenizer_spec.h"

namespace loquat::text {

// Of what is inside, for people.
struct TokenizerSummary {
  TokenizerKind kind = TokenizerKind::kByteLevelBpe;
  std::string pre_tokenizer;
  std::uint64_t tokens = 0, merges = 0, specials = 0;
  bool add_bos = false, add_eos = false;
};
TokenizerSummary SummaryOf(const TokenizerSpec& spec);

// kInvalidArgument: as Tokenizer::Create, or a list or string that is longer than the form allows.
base::Result<std::string> WriteTokenizerTables(const TokenizerSpec& spec);

struct TableTokenizer {
  std::shared_ptr<const Tokenizer> tokenizer;
  TokenizerSummary summary;
};

// The bytes live as long as `owner`, which the tokenizer keeps. Nothing in them is trusted: kInvalidArgument says what
// is wrong; what is accepted may give wrong tokens, but never reads outside. REQUIRES: 64-aligned.
base::Result<TableTokenizer> ReadTokenizerTables(std::span<const std::byte> bytes, std::shared_ptr<const void> owner);

}  // namespace loquat::text
