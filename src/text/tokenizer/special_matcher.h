// Finds special and other added tokens in text: the leftmost, of those the longest, none over another (the way of
// Hugging Face's added tokens). Immutable after Create; safe from any thread.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "text/tokenizer/byte_trie.h"
#include "text/tokenizer/pattern.h"
#include "text/tokenizer/tokenizer_spec.h"

namespace loquat::text {

class SpecialMatcher {
 public:
  SpecialMatcher() = default;
  // `contents[i]` is what `tokens[i]` looks like in the text that is searched; empty ones are never found.
  SpecialMatcher(std::vector<SpecialToken> tokens, const std::vector<std::string>& contents);

  bool empty() const { return tokens_.empty(); }

  struct Part {
    Piece piece;
    TokenId id = -1;  // -1: text between tokens.
  };
  // Appends the parts of `text` in order, shifted by `offset`. Without `parse_special` tokens that are special are
  // text.
  void Split(std::string_view text, bool parse_special, std::uint32_t offset, std::vector<Part>& parts) const;

 private:
  std::vector<SpecialToken> tokens_;
  ByteTrie trie_;
  std::array<bool, 256> first_bytes_{};
};

}  // namespace loquat::text
