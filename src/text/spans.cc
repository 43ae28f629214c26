#include "text/spans.h"

#include <cstring>
#include <limits>

#include "base/check.h"
#include "base/utf8.h"
#include "text/decode.h"

namespace loquat::text {

template <std::uint32_t TextPosition::*kUnit>
TextPosition PositionCursor::MoveTo(std::uint32_t target) {
  constexpr std::uint64_t kHighBits = 0x8080808080808080u;
  if (target < at_.*kUnit) at_ = {};
  while (at_.*kUnit < target && at_.byte < text_.size()) {
    // Eight ASCII bytes are eight of every unit.
    std::uint64_t word = 0;
    if (target - at_.*kUnit >= sizeof word && text_.size() - at_.byte >= sizeof word) {
      std::memcpy(&word, text_.data() + at_.byte, sizeof word);
      if ((word & kHighBits) == 0) {
        at_.byte += sizeof word;
        at_.codepoint += sizeof word;
        at_.utf16 += sizeof word;
        continue;
      }
    }
    const base::DecodedCodePoint c = Decode(text_, at_.byte);
    TextPosition next = at_;
    next.byte += c.length;
    next.codepoint += 1;
    next.utf16 += static_cast<std::uint32_t>(base::Utf16Units(c.code_point));
    if (next.*kUnit > target) break;
    at_ = next;
  }
  return at_;
}

TextPosition PositionCursor::AtByte(std::uint32_t byte) {
  return MoveTo<&TextPosition::byte>(byte);
}

TextPosition PositionCursor::AtCodePoint(std::uint32_t codepoint) {
  return MoveTo<&TextPosition::codepoint>(codepoint);
}

TextPosition PositionCursor::AtUtf16(std::uint32_t utf16) {
  return MoveTo<&TextPosition::utf16>(utf16);
}

void LocateBytes(std::string_view text, std::span<const std::uint32_t> bytes, std::span<TextPosition> positions) {
  LOQUAT_CHECK(positions.size() >= bytes.size(), "each offset needs a place for its position");
  PositionCursor cursor(text);
  for (std::size_t i = 0; i < bytes.size(); ++i) positions[i] = cursor.AtByte(bytes[i]);
}

std::string_view SliceByCodePoints(std::string_view text, std::uint32_t begin, std::uint32_t end) {
  if (begin >= end) return {};
  PositionCursor cursor(text);
  const std::uint32_t from = cursor.AtCodePoint(begin).byte;
  return text.substr(from, cursor.AtCodePoint(end).byte - from);
}

std::string_view SliceByUtf16(std::string_view text, std::uint32_t begin, std::uint32_t end) {
  if (begin >= end) return {};
  PositionCursor cursor(text);
  const std::uint32_t from = cursor.AtUtf16(begin).byte;
  return text.substr(from, cursor.AtUtf16(end).byte - from);
}

TextPosition EndOf(std::string_view text) {
  return PositionCursor(text).AtByte(std::numeric_limits<std::uint32_t>::max());
}

}  // namespace loquat::text
