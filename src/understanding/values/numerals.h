// The numerals of Chinese, English and digits, read from folded text: 三十五, 两万五, 零点八, twenty-five, two hundred
// and five, 1,000.5, 3万, half a dozen. Pure functions over a Cursor: each reads the longest numeral that stands at the
// cursor and steps over it, or gives nothing; the cursor's place is then unspecified (Cursor::Try goes back).
//
// Approximate numbers (几, 三四个, 十来, 一百多, a few) are refused, not guessed.

#pragma once

#include <cstdint>
#include <optional>

#include "understanding/values/cursor.h"
#include "understanding/values/decimal.h"

namespace loquat::understanding {

// Any number: with sign, point, fraction, multiplier words, halves ("two and a half", 半). A proportion of a hundred
// (百分之三十, 30%) is no number here: see ParsePercent.
std::optional<Decimal> ParseNumber(Cursor& cursor);

// A whole number of no sign: what clocks, calendars and counts of units are said with. Neither "a" nor 半 is read.
std::optional<std::int64_t> ParseCardinal(Cursor& cursor);

// "30%", 百分之三十, "thirty percent", 三成, 两成半 as the number before the sign: 30, 25.
std::optional<Decimal> ParsePercent(Cursor& cursor);

// 1 to 99: "3rd", "third", "twenty first".
std::optional<std::int64_t> ParseOrdinal(Cursor& cursor);

// A calendar year from kYearMin to kYearMax: "2026", 二零二六, "twenty twenty six", "two thousand and five".
inline constexpr int kYearMin = 1900;
inline constexpr int kYearMax = 2199;
std::optional<int> ParseYear(Cursor& cursor);

// One language's whole numbers: without digits, sign or fraction.
std::optional<std::int64_t> ParseChineseCardinal(Cursor& cursor);
std::optional<std::int64_t> ParseEnglishCardinal(Cursor& cursor);

// 0 to 9: 零 to 九, and 两.
std::optional<std::int64_t> ParseChineseDigit(Cursor& cursor);
// 0 to 9: "zero" to "nine", and "oh".
std::optional<std::int64_t> ParseEnglishDigit(Cursor& cursor);

// What follows 一百 in 一百二, 3 in 3万2: the rest of a number after `unit` (a power of ten) has been read. A lone
// digit counts tenths of the unit. Zero where nothing follows; nothing where what follows fits no number.
std::optional<std::int64_t> ParseChineseRest(Cursor& cursor, std::int64_t unit);

}  // namespace loquat::understanding
