// UTF-8 as RFC 3629 and the Unicode Standard define it: decode with replacement, validate, append, count.
// Pure functions; safe from any thread. No function reads outside the text it is given, whatever the bytes.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace loquat::base {

inline constexpr char32_t kReplacementCharacter = 0xFFFD;
inline constexpr char32_t kMaxCodePoint = 0x10FFFF;

struct DecodedCodePoint {
  char32_t code_point = kReplacementCharacter;
  std::uint8_t length = 0;  // Bytes to step over, 1 to 4; 0 at the end of the text.
  bool valid = false;
};

// The slow half of DecodeUtf8. REQUIRES: offset < text.size().
DecodedCodePoint DecodeUtf8Multibyte(std::string_view text, std::size_t offset);

// The code point that starts at `offset` (in bytes). Ill-formed bytes give U+FFFD, one for each maximal subpart
// (Unicode 15, section 3.9, "U+FFFD Substitution of Maximal Subparts", table 3-7), as browsers do.
inline DecodedCodePoint DecodeUtf8(std::string_view text, std::size_t offset) {
  if (offset >= text.size()) return {};
  const auto byte = static_cast<unsigned char>(text[offset]);
  if (byte < 0x80) return {.code_point = byte, .length = 1, .valid = true};
  return DecodeUtf8Multibyte(text, offset);
}

bool IsValidUtf8(std::string_view text);

// Appends the 1 to 4 bytes of `code_point`; a surrogate or a number past U+10FFFF appends U+FFFD.
void AppendUtf8(char32_t code_point, std::string& out);

// Appends `text` with each ill-formed maximal subpart replaced by U+FFFD.
void AppendUtf8Repaired(std::string_view text, std::string& out);

// How many code points DecodeUtf8 finds from the start to the end of `text`.
std::size_t CountCodePoints(std::string_view text);

// How many UTF-16 code units those code points take (2 from U+10000 on).
std::size_t CountUtf16Units(std::string_view text);

constexpr std::size_t Utf16Units(char32_t code_point) {
  return code_point >= 0x10000 ? 2 : 1;
}

}  // namespace loquat::base
