// Offsets of one place in a text in three units: UTF-8 bytes, code points, UTF-16 code units.
// Ill-formed text is counted as if each maximal ill-formed subpart (base/utf8.h) were one U+FFFD: one code point, one
// UTF-16 unit. So [begin, end) cut in any unit gives the same characters, for every sequence of bytes. Pure functions,
// and a cursor that is one thread's; a cursor must not outlive its text.

#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace loquat::text {

struct TextPosition {
  std::uint32_t byte = 0;
  std::uint32_t codepoint = 0;
  std::uint32_t utf16 = 0;

  bool operator==(const TextPosition&) const = default;
};

// Finds positions in ascending order in one pass over the text; a step back starts again from the front.
// Offsets inside a character move back to where it begins; offsets past the end give the end.
class PositionCursor {
 public:
  // REQUIRES: text.size() < 2^32.
  explicit PositionCursor(std::string_view text) : text_(text) {}

  TextPosition AtByte(std::uint32_t byte);
  TextPosition AtCodePoint(std::uint32_t codepoint);
  TextPosition AtUtf16(std::uint32_t utf16);

 private:
  template <std::uint32_t TextPosition::*kUnit>
  TextPosition MoveTo(std::uint32_t target);

  std::string_view text_;
  TextPosition at_;
};

// Positions of many byte offsets; one pass if they ascend. REQUIRES: positions.size() >= bytes.size() (checked).
void LocateBytes(std::string_view text, std::span<const std::uint32_t> bytes, std::span<TextPosition> positions);

// What stands between two offsets of one unit; empty if begin >= end.
std::string_view SliceByCodePoints(std::string_view text, std::uint32_t begin, std::uint32_t end);
std::string_view SliceByUtf16(std::string_view text, std::uint32_t begin, std::uint32_t end);

// The end of the text. base::CountCodePoints and base::CountUtf16Units are faster for one number.
TextPosition EndOf(std::string_view text);

}  // namespace loquat::text
