// A text as a token classifier of BERT's kind reads it: cut into words as BERT cuts them (Devlin et al. 2019,
// tokenization.py: at white space, around each punctuation mark and each Chinese character), each word into word
// pieces, and where each word stands in the text.
//
// Pure functions; safe from any thread.

#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/tokenizer/tokenizer.h"
#include "understanding/understander.h"

namespace loquat::understanding {

struct WordOfText {
  std::uint32_t byte_begin = 0, byte_end = 0;  // Half-open, over the text.
  std::uint32_t first_token = 0;               // In WordTokens::tokens: the piece that speaks for the word.
  bool after_cut = false;                      // Words before it were left out.

  bool operator==(const WordOfText&) const = default;
};

struct WordTokens {
  std::vector<text::TokenId> tokens;  // [CLS], the words' pieces, [SEP].
  std::vector<WordOfText> words;      // Those that have pieces.
  std::uint32_t tokens_left_out = 0;
};

// The words alone: byte ranges, first_token is zero.
std::vector<WordOfText> BertWords(std::string_view text);

// REQUIRES: the tokenizer has cls() and sep(). `tokens_max`, at least 2, counts them. Errors: invalid_argument
// "text_too_long" for a longer text under Truncation::kError; those of Tokenizer::Encode.
base::Result<WordTokens> TokenizeWords(std::string_view text, const text::Tokenizer& tokenizer,
                                       std::uint32_t tokens_max, Truncation truncation);

}  // namespace loquat::understanding
