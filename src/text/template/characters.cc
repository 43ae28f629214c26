#include "text/template/characters.h"

#include <unicode/bytestream.h>
#include <unicode/casemap.h>
#include <unicode/stringoptions.h>
#include <unicode/uchar.h>

#include "base/strings.h"
#include "base/utf8.h"

namespace loquat::text::jinja {
namespace {

UChar32 Of(char32_t code_point) {
  return static_cast<UChar32>(code_point);
}

bool IsAscii(std::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) >= 0x80) return false;
  }
  return true;
}

icu::StringPiece Piece(std::string_view text) {
  return {text.data(), static_cast<std::int32_t>(text.size())};
}

}  // namespace

bool IsSpace(char32_t c) {
  if (c < 0x80) return c == ' ' || (c >= '\t' && c <= '\r') || (c >= 0x1C && c <= 0x1F);
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
         c == 0x202F || c == 0x205F || c == 0x3000;
}

std::size_t LeadingSpace(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const base::DecodedCodePoint decoded = base::DecodeUtf8(text, at);
    if (!IsSpace(decoded.code_point)) break;
    at += decoded.length;
  }
  return at;
}

std::size_t LastLength(std::string_view text) {
  std::size_t start = text.size() - 1;
  for (int back = 0; back < 3 && start > 0 && (static_cast<unsigned char>(text[start]) & 0xC0) == 0x80; ++back) --start;
  return base::DecodeUtf8(text, start).length == text.size() - start ? text.size() - start : 1;
}

std::size_t TrailingSpace(std::string_view text) {
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::size_t length = LastLength(rest);
    if (!IsSpace(base::DecodeUtf8(rest, rest.size() - length).code_point)) break;
    rest.remove_suffix(length);
  }
  return text.size() - rest.size();
}

std::size_t NameLength(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const base::DecodedCodePoint decoded = base::DecodeUtf8(text, at);
    const char32_t c = decoded.code_point;
    const bool start = c == '_' || (decoded.valid && u_hasBinaryProperty(Of(c), UCHAR_XID_START));
    if (!start && (at == 0 || !decoded.valid || !u_hasBinaryProperty(Of(c), UCHAR_XID_CONTINUE))) break;
    at += decoded.length;
  }
  return at;
}

std::size_t OffsetOf(std::string_view text, std::size_t index) {
  std::size_t at = 0;
  for (; index > 0 && at < text.size(); --index) at += base::DecodeUtf8(text, at).length;
  return at;
}

std::string ToUpper(std::string_view text) {
  std::string out;
  if (IsAscii(text)) {
    out = text;
    for (char& c : out) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - ('a' - 'A')) : c;
    return out;
  }
  icu::StringByteSink<std::string> sink(&out);
  UErrorCode status = U_ZERO_ERROR;
  icu::CaseMap::utf8ToUpper("", 0, Piece(text), sink, nullptr, status);
  return U_SUCCESS(status) != 0 ? out : std::string(text);
}

std::string ToLower(std::string_view text) {
  if (IsAscii(text)) return base::ToLowerAscii(text);
  std::string out;
  icu::StringByteSink<std::string> sink(&out);
  UErrorCode status = U_ZERO_ERROR;
  icu::CaseMap::utf8ToLower("", 0, Piece(text), sink, nullptr, status);
  return U_SUCCESS(status) != 0 ? out : std::string(text);
}

std::string ToTitle(char32_t code_point) {
  std::string text;
  base::AppendUtf8(code_point, text);
  std::string out;
  icu::StringByteSink<std::string> sink(&out);
  UErrorCode status = U_ZERO_ERROR;
  icu::CaseMap::utf8ToTitle("", U_TITLECASE_WHOLE_STRING | U_TITLECASE_NO_BREAK_ADJUSTMENT, nullptr, Piece(text), sink,
                            nullptr, status);
  return U_SUCCESS(status) != 0 ? out : text;
}

bool Passes(char32_t c, CharTest test) {
  const auto numeric = static_cast<UNumericType>(u_getIntPropertyValue(Of(c), UCHAR_NUMERIC_TYPE));
  switch (test) {
    case CharTest::kAlpha:
      return (U_GET_GC_MASK(Of(c)) & U_GC_L_MASK) != 0;
    case CharTest::kDecimal:
      return numeric == U_NT_DECIMAL;
    case CharTest::kDigit:
      return numeric == U_NT_DECIMAL || numeric == U_NT_DIGIT;
    case CharTest::kAlnum:
      return (U_GET_GC_MASK(Of(c)) & U_GC_L_MASK) != 0 || numeric != U_NT_NONE;
    case CharTest::kSpace:
      return IsSpace(c);
  }
  return false;
}

bool IsCased(char32_t c) {
  return u_hasBinaryProperty(Of(c), UCHAR_CASED) != 0;
}
bool IsUpper(char32_t c) {
  return u_hasBinaryProperty(Of(c), UCHAR_UPPERCASE) != 0;
}
bool IsLower(char32_t c) {
  return u_hasBinaryProperty(Of(c), UCHAR_LOWERCASE) != 0;
}

bool IsPrintable(char32_t c) {
  if (c < 0x7F) return c >= 0x20;
  return (U_GET_GC_MASK(Of(c)) & (U_GC_C_MASK | U_GC_Z_MASK)) == 0;
}

}  // namespace loquat::text::jinja
