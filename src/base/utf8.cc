#include "base/utf8.h"

#include <simdjson.h>

#include <algorithm>

namespace loquat::base {
namespace {

// What table 3-7 of the Unicode Standard allows after a lead byte.
struct LeadByte {
  std::uint8_t length;       // 0: cannot lead.
  unsigned char second_min;  // The second byte's range; later bytes are always 80..BF.
  unsigned char second_max;
};

constexpr LeadByte ClassifyLead(unsigned char byte) {
  if (byte < 0xC2) return {0, 0, 0};  // Continuations, and C0 and C1 which could only be overlong.
  if (byte < 0xE0) return {2, 0x80, 0xBF};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};  // Below: overlong.
  if (byte == 0xED) return {3, 0x80, 0x9F};  // Above: surrogates.
  if (byte < 0xF0) return {3, 0x80, 0xBF};
  if (byte == 0xF0) return {4, 0x90, 0xBF};  // Below: overlong.
  if (byte < 0xF4) return {4, 0x80, 0xBF};
  if (byte == 0xF4) return {4, 0x80, 0x8F};  // Above: past U+10FFFF.
  return {0, 0, 0};
}

constexpr DecodedCodePoint IllFormed(std::size_t length) {
  return {.code_point = kReplacementCharacter, .length = static_cast<std::uint8_t>(length), .valid = false};
}

// Counts `units(code_point)` over a text that may be ill-formed.
template <typename Units>
std::size_t CountSlowly(std::string_view text, Units units) {
  std::size_t count = 0;
  for (std::size_t offset = 0; offset < text.size();) {
    const DecodedCodePoint decoded = DecodeUtf8(text, offset);
    count += units(decoded.code_point);
    offset += decoded.length;
  }
  return count;
}

}  // namespace

DecodedCodePoint DecodeUtf8Multibyte(std::string_view text, std::size_t offset) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[offset + i]); };
  const std::size_t left = text.size() - offset;
  const unsigned char lead_byte = at(0);
  if (lead_byte < 0x80) return {.code_point = lead_byte, .length = 1, .valid = true};
  const LeadByte lead = ClassifyLead(lead_byte);
  if (lead.length == 0 || left < 2 || at(1) < lead.second_min || at(1) > lead.second_max) return IllFormed(1);

  char32_t code_point = lead_byte & (0x7Fu >> lead.length);
  code_point = code_point << 6 | (at(1) & 0x3Fu);
  for (std::size_t i = 2; i < lead.length; ++i) {
    if (i >= left || (at(i) & 0xC0u) != 0x80u) return IllFormed(i);
    code_point = code_point << 6 | (at(i) & 0x3Fu);
  }
  return {.code_point = code_point, .length = lead.length, .valid = true};
}

bool IsValidUtf8(std::string_view text) {
  return text.empty() || simdjson::validate_utf8(text.data(), text.size());
}

void AppendUtf8(char32_t code_point, std::string& out) {
  if (code_point > kMaxCodePoint || (code_point >= 0xD800 && code_point <= 0xDFFF)) code_point = kReplacementCharacter;
  const auto tail = [code_point](int shift) { return static_cast<char>(0x80u | (code_point >> shift & 0x3Fu)); };
  if (code_point < 0x80) {
    out.push_back(static_cast<char>(code_point));
  } else if (code_point < 0x800) {
    const char bytes[] = {static_cast<char>(0xC0u | code_point >> 6), tail(0)};
    out.append(bytes, 2);
  } else if (code_point < 0x10000) {
    const char bytes[] = {static_cast<char>(0xE0u | code_point >> 12), tail(6), tail(0)};
    out.append(bytes, 3);
  } else {
    const char bytes[] = {static_cast<char>(0xF0u | code_point >> 18), tail(12), tail(6), tail(0)};
    out.append(bytes, 4);
  }
}

void AppendUtf8Repaired(std::string_view text, std::string& out) {
  std::size_t good_from = 0;
  for (std::size_t offset = 0; offset < text.size();) {
    const DecodedCodePoint decoded = DecodeUtf8(text, offset);
    if (!decoded.valid) {
      out.append(text, good_from, offset - good_from);
      AppendUtf8(kReplacementCharacter, out);
      good_from = offset + decoded.length;
    }
    offset += decoded.length;
  }
  out.append(text, good_from);
}

std::size_t CountCodePoints(std::string_view text) {
  // In well-formed text each code point has one byte that is not a continuation.
  if (IsValidUtf8(text)) {
    return static_cast<std::size_t>(
        std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0u) != 0x80u; }));
  }
  return CountSlowly(text, [](char32_t) { return std::size_t{1}; });
}

std::size_t CountUtf16Units(std::string_view text) {
  if (!IsValidUtf8(text)) return CountSlowly(text, Utf16Units);
  // Each byte that is not a continuation starts one unit; a lead of four bytes starts two.
  std::size_t count = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    count += static_cast<std::size_t>((byte & 0xC0u) != 0x80u) + static_cast<std::size_t>(byte >= 0xF0u);
  }
  return count;
}

}  // namespace loquat::base
