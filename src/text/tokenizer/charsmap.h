// The normalisation rules of a SentencePiece model: a double array in Darts' layout from byte strings to their
// replacements (format: sentencepiece's normalizer.cc and darts-clone's unit layout). Immutable; safe from any thread.
//
// Nothing in the bytes is trusted: each step of a walk and each replacement is checked against the size.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace loquat::text {

class Charsmap {
 public:
  static constexpr std::size_t kBytesMax = std::size_t{16} << 20;

  Charsmap() = default;  // No rules.

  // Of u32 size of the array in bytes, the array, then replacements that end with a zero byte. Little-endian.
  static base::Result<Charsmap> Read(std::string_view blob);

  bool empty() const { return units_.empty(); }

  struct Rule {
    std::size_t length = 0;  // Bytes of the text that are replaced; 0: no rule begins here.
    std::string_view replacement;
  };
  // The rule of the longest beginning of `text`.
  Rule Longest(std::string_view text) const;

 private:
  std::vector<std::uint32_t> units_;
  std::string replacements_;
};

}  // namespace loquat::text
