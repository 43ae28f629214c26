// text::TokenizerSpec from a GGUF file's metadata: the vocabularies that files call gpt2 (byte-level BPE), llama
// (SentencePiece BPE), bert (WordPiece) and t5 (unigram), or a whole tokenizer.json under tokenizer.huggingface.json.
// Pure; any thread.

#pragma once

#include "base/result.h"
#include "model/formats/gguf_file.h"
#include "text/tokenizer/tokenizer_spec.h"

namespace loquat::model {

inline constexpr std::uint64_t kTokenizerTokensMax = std::uint64_t{1} << 22;
inline constexpr std::uint64_t kTokenizerMergesMax = std::uint64_t{1} << 23;

// Whether the file describes a tokenizer at all.
bool HasGgufTokenizer(const GgufFile& file);

// A whole tokenizer.json goes before the tables, unless it is of a kind that is not read and there are tables too.
// Names of pre-tokenizers are brought to those of TokenizerSpec where they mean the same, and else passed on.
// WordPiece is stored with ▁ before words in GGUF; the spec has ## before continuations.
// kUnimplemented: a kind of vocabulary that Loquat does not read; kDataLoss: arrays of unequal length, ids that are
// none of the tokens, tokens that are not UTF-8.
base::Result<text::TokenizerSpec> TokenizerFromGguf(const GgufFile& file);

}  // namespace loquat::model
