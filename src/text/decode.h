// base::DecodeUtf8 with its commonest case, a well-formed three-byte character of Chinese text, inlined.
// Pure function; safe from any thread. Not for use outside this folder.

#pragma once

#include <cstddef>
#include <string_view>

#include "base/utf8.h"

namespace loquat::text {

// The same as base::DecodeUtf8.
inline base::DecodedCodePoint Decode(std::string_view text, std::size_t offset) {
  if (text.size() - offset >= 3) {
    const auto b0 = static_cast<unsigned char>(text[offset]);
    const auto b1 = static_cast<unsigned char>(text[offset + 1]);
    const auto b2 = static_cast<unsigned char>(text[offset + 2]);
    // E1 to EC: any two continuation bytes may follow (table 3-7 of the Unicode Standard).
    if (b0 >= 0xE1 && b0 <= 0xEC && (b1 & 0xC0) == 0x80 && (b2 & 0xC0) == 0x80) {
      return {.code_point = static_cast<char32_t>((b0 & 0x0F) << 12 | (b1 & 0x3F) << 6 | (b2 & 0x3F)),
              .length = 3,
              .valid = true};
    }
  }
  return base::DecodeUtf8(text, offset);
}

}  // namespace loquat::text
