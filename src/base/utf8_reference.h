// A slow, obviously correct reading of UTF-8 for tests and fuzzers: tries every well-formed sequence of table 3-7 of
// the Unicode Standard literally, and finds maximal subparts by trying prefixes.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/utf8.h"

namespace loquat::base {

// The bytes of a scalar value, by the arithmetic of RFC 3629 section 3; empty for what is no scalar value.
inline std::string ReferenceEncode(char32_t c) {
  const auto byte = [](char32_t value) { return static_cast<char>(static_cast<unsigned char>(value)); };
  if (c < 0x80) return {byte(c)};
  if (c < 0x800) return {byte(0xC0 + c / 64), byte(0x80 + c % 64)};
  if (c >= 0xD800 && c < 0xE000) return {};
  if (c < 0x10000) return {byte(0xE0 + c / 4096), byte(0x80 + c / 64 % 64), byte(0x80 + c % 64)};
  if (c > 0x10FFFF) return {};
  return {byte(0xF0 + c / 262144), byte(0x80 + c / 4096 % 64), byte(0x80 + c / 64 % 64), byte(0x80 + c % 64)};
}

struct ReferenceRange {
  unsigned char low, high;
};
struct ReferenceRow {
  std::size_t length;
  ReferenceRange bytes[4];
};
// Table 3-7, row by row.
inline constexpr ReferenceRow kReferenceRows[] = {
    {1, {{0x00, 0x7F}}},
    {2, {{0xC2, 0xDF}, {0x80, 0xBF}}},
    {3, {{0xE0, 0xE0}, {0xA0, 0xBF}, {0x80, 0xBF}}},
    {3, {{0xE1, 0xEC}, {0x80, 0xBF}, {0x80, 0xBF}}},
    {3, {{0xED, 0xED}, {0x80, 0x9F}, {0x80, 0xBF}}},
    {3, {{0xEE, 0xEF}, {0x80, 0xBF}, {0x80, 0xBF}}},
    {4, {{0xF0, 0xF0}, {0x90, 0xBF}, {0x80, 0xBF}, {0x80, 0xBF}}},
    {4, {{0xF1, 0xF3}, {0x80, 0xBF}, {0x80, 0xBF}, {0x80, 0xBF}}},
    {4, {{0xF4, 0xF4}, {0x80, 0x8F}, {0x80, 0xBF}, {0x80, 0xBF}}},
};

// A whole row at the start of `text`, or the longest beginning of one (a maximal subpart), or one byte.
inline DecodedCodePoint ReferenceDecode(std::string_view text) {
  std::size_t longest = 1;
  for (const ReferenceRow& row : kReferenceRows) {
    std::size_t matched = 0;
    while (matched < row.length && matched < text.size()) {
      const auto byte = static_cast<unsigned char>(text[matched]);
      if (byte < row.bytes[matched].low || byte > row.bytes[matched].high) break;
      ++matched;
    }
    if (matched == row.length) {
      constexpr unsigned char kLeadMask[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
      char32_t code_point = static_cast<unsigned char>(text[0]) & kLeadMask[row.length];
      for (std::size_t i = 1; i < row.length; ++i) {
        code_point = code_point * 64 + static_cast<unsigned char>(text[i]) % 64;
      }
      return {.code_point = code_point, .length = static_cast<std::uint8_t>(row.length), .valid = true};
    }
    if (matched > longest) longest = matched;
  }
  return {.code_point = kReplacementCharacter, .length = static_cast<std::uint8_t>(longest), .valid = false};
}

// Reads a whole text; what it finds is compared with what utf8.h finds.
struct ReferenceReading {
  bool valid = true;
  std::size_t code_points = 0;
  std::size_t utf16_units = 0;
  std::string repaired;
};
inline ReferenceReading ReferenceRead(std::string_view text) {
  ReferenceReading reading;
  while (!text.empty()) {
    const DecodedCodePoint decoded = ReferenceDecode(text);
    reading.valid = reading.valid && decoded.valid;
    reading.code_points += 1;
    reading.utf16_units += decoded.code_point > 0xFFFF ? 2 : 1;
    reading.repaired += ReferenceEncode(decoded.code_point);
    text.remove_prefix(decoded.length);
  }
  return reading;
}

}  // namespace loquat::base
