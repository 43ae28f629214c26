#include "base/json_writer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/utf8.h"

namespace loquat::base {
namespace {

constexpr std::array<bool, 256> MakeEscapeTable() {
  std::array<bool, 256> needs_escape{};
  for (std::size_t byte = 0; byte < 0x20; ++byte) needs_escape[byte] = true;
  needs_escape['"'] = true;
  needs_escape['\\'] = true;
  return needs_escape;
}
constexpr std::array<bool, 256> kNeedsEscape = MakeEscapeTable();

void AppendEscape(unsigned char byte, std::string& out) {
  constexpr std::string_view kHex = "0123456789abcdef";
  constexpr std::string_view kNamed = "\"\\\b\f\n\r\t";
  constexpr std::string_view kLetters = "\"\\bfnrt";
  if (const std::size_t named = kNamed.find(static_cast<char>(byte)); named != std::string_view::npos) {
    const char escape[] = {'\\', kLetters[named]};
    out.append(escape, sizeof escape);
  } else {
    const char escape[] = {'\\', 'u', '0', '0', kHex[byte >> 4], kHex[byte & 15]};
    out.append(escape, sizeof escape);
  }
}

// Appends the inside of a JSON string. REQUIRES: the text is UTF-8.
void AppendEscaped(std::string_view text, std::string& out) {
  std::size_t plain_from = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (!kNeedsEscape[byte]) continue;
    out.append(text, plain_from, i - plain_from);
    AppendEscape(byte, out);
    plain_from = i + 1;
  }
  out.append(text, plain_from);
}

void AppendRepairedAndEscaped(std::string_view text, std::string& out) {
  for (std::size_t offset = 0; offset < text.size();) {
    const DecodedCodePoint decoded = DecodeUtf8(text, offset);
    if (decoded.valid) {
      AppendEscaped(text.substr(offset, decoded.length), out);
    } else {
      AppendUtf8(kReplacementCharacter, out);
    }
    offset += decoded.length;
  }
}

template <typename... Args>
void AppendNumber(std::string& out, Args... args) {
  // The longest: just below kExponentFrom with kMaxFixedDigits: a sign, 16 digits, a point, 17 digits.
  std::array<char, 48> buffer;
  const auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), args...);
  out.append(buffer.data(), end);
}

// From here on numbers are written with an exponent: without one, readers take them for integers, which overflow.
constexpr double kExponentFrom = 1e16;

template <typename Real>
void AppendReal(std::string& out, Real value) {
  if (value == 0 && std::signbit(value)) {
    out.append("-0.0");  // Readers take "-0" for the integer 0 and lose the sign.
  } else if (std::abs(value) >= static_cast<Real>(kExponentFrom)) {
    AppendNumber(out, value, std::chars_format::scientific);
  } else {
    AppendNumber(out, value);
  }
}

}  // namespace

void AppendJsonString(std::string_view text, std::string& out) {
  out.push_back('"');
  const bool ascii = std::ranges::none_of(text, [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
  if (ascii || IsValidUtf8(text)) {
    AppendEscaped(text, out);
  } else {
    AppendRepairedAndEscaped(text, out);
  }
  out.push_back('"');
}

void JsonWriter::Key(std::string_view key) {
  Separate();
  AppendJsonString(key, out_);
  out_.push_back(':');
  comma_due_ = false;
}

void JsonWriter::String(std::string_view value) {
  Separate();
  AppendJsonString(value, out_);
}

void JsonWriter::Int(std::int64_t value) {
  Separate();
  AppendNumber(out_, value);
}

void JsonWriter::Uint(std::uint64_t value) {
  Separate();
  AppendNumber(out_, value);
}

void JsonWriter::Double(double value) {
  if (!std::isfinite(value)) return Null();
  Separate();
  AppendReal(out_, value);
}

void JsonWriter::Float(float value) {
  if (!std::isfinite(value)) return Null();
  Separate();
  AppendReal(out_, value);
}

void JsonWriter::Fixed(double value, int digits) {
  if (!std::isfinite(value)) return Null();
  if (std::abs(value) >= kExponentFrom) return Double(value);
  Separate();
  AppendNumber(out_, value, std::chars_format::fixed, std::clamp(digits, 0, kMaxFixedDigits));
}

void JsonWriter::Bool(bool value) {
  Separate();
  out_.append(value ? "true" : "false");
}

void JsonWriter::Null() {
  Separate();
  out_.append("null");
}

void JsonWriter::Raw(std::string_view json) {
  Separate();
  out_.append(json);
}

}  // namespace loquat::base
