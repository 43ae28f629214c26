// The character classes and small comparisons of HTTP (RFC 9110 section 5.6, RFC 9112 section 3.2), as tables.
// Pure functions.

#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace loquat::net {

// For each byte: its lower case where it may stand in a token, else 0.
inline constexpr std::array<char, 256> kTokenLower = [] {
  std::array<char, 256> table{};
  for (int c = '0'; c <= '9'; ++c) table[static_cast<std::size_t>(c)] = static_cast<char>(c);
  for (int c = 'a'; c <= 'z'; ++c) table[static_cast<std::size_t>(c)] = static_cast<char>(c);
  for (int c = 'A'; c <= 'Z'; ++c) table[static_cast<std::size_t>(c)] = static_cast<char>(c - 'A' + 'a');
  for (const char c : std::string_view("!#$%&'*+-.^_`|~")) table[static_cast<unsigned char>(c)] = c;
  return table;
}();

constexpr bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}
constexpr bool IsTokenChar(char c) {
  return kTokenLower[static_cast<unsigned char>(c)] != 0;
}
// Printable ASCII without space and without the fragment mark.
constexpr bool IsTargetChar(char c) {
  return c > ' ' && c < 0x7f && c != '#';
}
// field-vchar, obs-text, space and tab: all but controls and DEL.
constexpr bool IsFieldChar(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte >= 0x20 && byte != 0x7f) || byte == '\t';
}

// What may stand in a Host header: reg-name, IPv4, bracketed IPv6, port. An empty value is legal.
constexpr bool IsValidHost(std::string_view host) {
  return std::ranges::all_of(host, [](char c) {
    return IsDigit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view("-._~%!$&'()*+;=:[]").find(c) != std::string_view::npos;
  });
}

constexpr char LowerAscii(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

constexpr bool EqualNoCase(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::ranges::equal(a, b, {}, LowerAscii, LowerAscii);
}

constexpr bool StartsWithNoCase(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() && EqualNoCase(text.substr(0, prefix.size()), prefix);
}

constexpr std::string_view TrimBlanks(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Calls `take` with each item of a comma-separated list, blanks trimmed.
template <typename F>
constexpr void ForEachListItem(std::string_view list, F take) {
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    take(TrimBlanks(list.substr(0, comma)));
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
}

}  // namespace loquat::net
