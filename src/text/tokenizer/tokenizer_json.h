// Reads Hugging Face's tokenizer.json (the format of the `tokenizers` library) and the files that stand beside it into
// a TokenizerSpec. What the format has and this reader does not support is an error that names it and where it stands
// (a JSON pointer), never left out. Pure; safe from any thread.
//
// `truncation` and `padding` are read over: cutting is the caller's choice (Tokenizer::EncodeTruncated).

#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"
#include "text/tokenizer/tokenizer_spec.h"

namespace loquat::text {

inline constexpr std::size_t kTokenizerJsonBytesMax = std::size_t{128} << 20;
inline constexpr std::size_t kTokenizerConfigBytesMax = std::size_t{4} << 20;

// Texts, not paths; an empty text is a file that is not there.
struct TokenizerFiles {
  std::string_view tokenizer_json;
  std::string_view tokenizer_config_json;    // Names bos, eos and so on; holds the chat template.
  std::string_view special_tokens_map_json;  // The same names, where the former lacks them.
};

// kInvalidArgument with param = JSON pointer within the file that the message names; kResourceExhausted past a bound.
base::Result<TokenizerSpec> ReadTokenizerJson(const TokenizerFiles& files);

// GPT-2's own files: vocab.json, merges.txt, and added_tokens.json (empty: none). The config's tokenizer_class says how
// text is cut (GPT2Tokenizer, Qwen2Tokenizer); another class, or none, is an error.
base::Result<TokenizerSpec> ReadVocabAndMerges(std::string_view vocab_json, std::string_view merges_txt,
                                               std::string_view added_tokens_json, const TokenizerFiles& files);

// A tokenizer.json, a *.model of SentencePiece, or a folder with one of them or with vocab.json and merges.txt,
// together with what stands beside it. kNotFound: nothing of the kind.
base::Result<TokenizerSpec> ReadTokenizerPath(const std::string& path);

}  // namespace loquat::text
