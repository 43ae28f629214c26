// Small ASCII-only helpers for text of ours: config values, headers, file formats. Pure; views into their argument.

#pragma once

#include <charconv>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace loquat::base {

constexpr bool IsAsciiSpace(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}
constexpr bool IsAsciiDigit(char c) {
  return c >= '0' && c <= '9';
}
constexpr char ToLowerAscii(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

std::string ToLowerAscii(std::string_view text);
bool EqualsIgnoringAsciiCase(std::string_view a, std::string_view b);

// Without the ASCII white space at both ends.
std::string_view TrimAscii(std::string_view text);

// The pieces between separators; n separators give n + 1 pieces, empty ones included; an empty text gives one.
std::vector<std::string_view> Split(std::string_view text, char separator);
// The pieces between runs of ASCII white space, none empty.
std::vector<std::string_view> SplitOnSpace(std::string_view text);
// What stands before and after the first separator; nothing if there is none.
struct Halves {
  std::string_view before;
  std::string_view after;
};
std::optional<Halves> SplitOnce(std::string_view text, char separator);

// The whole text as a decimal integer that fits T: no space, no plus sign, nothing after it.
template <std::integral T>
std::optional<T> ParseInt(std::string_view text) {
  T number{};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{} || stop != end) return std::nullopt;
  return number;
}

// The whole text as a finite number in decimal or scientific notation; "inf" and "nan" are refused.
std::optional<double> ParseDouble(std::string_view text);

}  // namespace loquat::base
