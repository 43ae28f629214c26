// English numerals: ones, tens, hundreds, scales; ordinals; years in pairs.

#include <array>

#include "understanding/values/numerals.h"

namespace loquat::understanding {

namespace {

constexpr auto kSmallWords = std::to_array<Word<std::int64_t>>(
    {{"zero", 0},      {"one", 1},       {"two", 2},       {"three", 3},    {"four", 4},     {"five", 5},
     {"six", 6},       {"seven", 7},     {"eight", 8},     {"nine", 9},     {"ten", 10},     {"eleven", 11},
     {"twelve", 12},   {"thirteen", 13}, {"fourteen", 14}, {"fifteen", 15}, {"sixteen", 16}, {"seventeen", 17},
     {"eighteen", 18}, {"nineteen", 19}, {"twenty", 20},   {"thirty", 30},  {"forty", 40},   {"fourty", 40},
     {"fifty", 50},    {"sixty", 60},    {"seventy", 70},  {"eighty", 80},  {"ninety", 90}});

constexpr auto kScales = std::to_array<Word<std::int64_t>>(
    {{"thousand", 1'000}, {"million", 1'000'000}, {"billion", 1'000'000'000}, {"trillion", 1'000'000'000'000}});

constexpr auto kOrdinals = std::to_array<Word<std::int64_t>>(
    {{"first", 1},      {"second", 2},       {"third", 3},       {"fourth", 4},      {"fifth", 5},
     {"sixth", 6},      {"seventh", 7},      {"eighth", 8},      {"ninth", 9},       {"tenth", 10},
     {"eleventh", 11},  {"twelfth", 12},     {"thirteenth", 13}, {"fourteenth", 14}, {"fifteenth", 15},
     {"sixteenth", 16}, {"seventeenth", 17}, {"eighteenth", 18}, {"nineteenth", 19}, {"twentieth", 20},
     {"thirtieth", 30}, {"fortieth", 40},    {"fiftieth", 50},   {"sixtieth", 60},   {"seventieth", 70},
     {"eightieth", 80}, {"ninetieth", 90}});

// A number while it is being read. `room` bounds what small word may come next: 100 anything below a hundred, 10 a
// digit after the tens, 0 nothing.
struct Reading {
  std::int64_t total = 0, current = 0, room = 100, limit = Decimal::kUnitsMax;
  bool any = false, has_hundred = false;

  bool Small(std::int64_t value) {
    if (value == 0 || value >= room) return false;
    if (room == 10 && value >= 10) return false;
    current += value;
    room = value >= 20 && value % 10 == 0 ? 10 : 0;
    return any = true;
  }
  bool Hundred() {
    if (current == 0 || current >= 100 || has_hundred) return false;
    current *= 100;
    room = 100;
    return has_hundred = true;
  }
  bool Scale(std::int64_t scale) {
    if (current == 0 || scale >= limit) return false;
    total += current * scale;
    current = 0;
    room = 100;
    limit = scale;
    has_hundred = false;
    return true;
  }
};

// One more word, with "and" before it where one may stand.
bool ParseNext(Cursor& cursor, Reading& reading) {
  if (cursor.Accept("hundred")) return reading.Hundred();
  if (const auto scale = cursor.AcceptOneOf(kScales)) return reading.Scale(*scale);
  if (reading.any && reading.room == 100) cursor.Accept("and");
  const auto small = cursor.AcceptOneOf(kSmallWords);
  return small && reading.Small(*small);
}

}  // namespace

std::optional<std::int64_t> ParseEnglishDigit(Cursor& cursor) {
  if (cursor.Accept("oh") || cursor.Accept("o")) return 0;
  const auto small = cursor.AcceptOneOf(kSmallWords);
  if (!small || *small > 9) return std::nullopt;
  return small;
}

std::optional<std::int64_t> ParseEnglishCardinal(Cursor& cursor) {
  if (cursor.Accept("zero")) return 0;
  Reading reading;
  if (cursor.Accept("a")) {  // "a hundred", "a million": the unit must follow.
    reading.current = 1;
    reading.room = 0;
    if (!cursor.Accept("hundred")) {
      const auto scale = cursor.AcceptOneOf(kScales);
      if (!scale) return std::nullopt;
      reading.Scale(*scale);
    } else {
      reading.Hundred();
    }
    reading.any = true;
  }
  for (;;) {
    const Cursor start = cursor;
    if (!ParseNext(cursor, reading)) {
      cursor = start;
      break;
    }
  }
  if (!reading.any) return std::nullopt;
  return reading.total + reading.current;
}

std::optional<std::int64_t> ParseOrdinal(Cursor& cursor) {
  if (const auto digits = cursor.AcceptDigits(2)) {
    for (const std::string_view suffix : {"st", "nd", "rd", "th"}) {
      if (cursor.rest().starts_with(suffix) && cursor.Accept(suffix) && digits->value > 0) return digits->value;
    }
    return std::nullopt;
  }
  if (const auto ordinal = cursor.AcceptOneOf(kOrdinals)) return ordinal;
  const auto tens = cursor.AcceptOneOf(kSmallWords);
  if (!tens || *tens < 20) return std::nullopt;
  const auto ones = cursor.AcceptOneOf(kOrdinals);
  if (!ones || *ones > 9) return std::nullopt;
  return *tens + *ones;
}

std::optional<int> ParseYear(Cursor& cursor) {
  const auto in_range = [](std::int64_t year) -> std::optional<int> {
    if (year < kYearMin || year > kYearMax) return std::nullopt;
    return static_cast<int>(year);
  };
  const Cursor start = cursor;
  if (const auto digits = cursor.AcceptDigits(4)) {
    if (digits->count != 4) return std::nullopt;
    return in_range(digits->value);
  }
  if (const auto century = cursor.AcceptOneOf(kSmallWords); century && (*century == 19 || *century == 20)) {
    if (cursor.Accept("oh")) {
      const auto digit = ParseEnglishDigit(cursor);
      return digit ? in_range(*century * 100 + *digit) : std::nullopt;
    }
    const auto rest = ParseEnglishCardinal(cursor);
    if (rest && *rest >= 10 && *rest <= 99) return in_range(*century * 100 + *rest);
    return std::nullopt;
  }
  cursor = start;
  if (const auto chinese = cursor.Try(ParseChineseCardinal)) return in_range(*chinese);
  const auto english = ParseEnglishCardinal(cursor);
  return english ? in_range(*english) : std::nullopt;
}

}  // namespace loquat::understanding
