// What template text needs to know of characters, in Python's sense: white space, names, case, what a repr shows.
// Pure functions on UTF-8; ill-formed bytes count as U+FFFD. Offsets and lengths are bytes unless they say otherwise.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace loquat::text::jinja {

// str.isspace().
bool IsSpace(char32_t code_point);
// Bytes of white space at the start and at the end.
std::size_t LeadingSpace(std::string_view text);
std::size_t TrailingSpace(std::string_view text);

// Bytes of the name (a letter or underscore, then letters, digits and underscores) that `text` starts with; 0: none.
std::size_t NameLength(std::string_view text);

// The byte offset of the code point `index`, or text.size() past the end.
std::size_t OffsetOf(std::string_view text, std::size_t index);
// The bytes that the last code point takes. REQUIRES: text is not empty.
std::size_t LastLength(std::string_view text);

// Full case mappings of the Unicode Standard without a locale.
std::string ToUpper(std::string_view text);
std::string ToLower(std::string_view text);
// One character in title case, as many code points as it takes.
std::string ToTitle(char32_t code_point);

enum class CharTest : std::uint8_t { kAlpha, kDigit, kDecimal, kAlnum, kSpace };
bool Passes(char32_t code_point, CharTest test);
bool IsCased(char32_t code_point);
bool IsUpper(char32_t code_point);
bool IsLower(char32_t code_point);
// str.isprintable(): what a repr shows as it is.
bool IsPrintable(char32_t code_point);

}  // namespace loquat::text::jinja
