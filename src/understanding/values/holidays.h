// Named days of both languages, fixed and moving: 国庆节, Thanksgiving, 春节, Easter.
// Pure functions and constant tables.

#pragma once

#include <cstdint>
#include <optional>

#include "understanding/values/calendar.h"
#include "understanding/values/cursor.h"

namespace loquat::understanding {

struct Holiday {
  enum class Rule : std::uint8_t {
    kFixed,     // `month`, `day`.
    kNth,       // The `day`-th `weekday` (C encoding, Sunday 0) of `month`; 5: the last.
    kEaster,    // Easter Sunday.
    kFestival,  // `festival`.
  };
  Rule rule = Rule::kFixed;
  std::uint8_t month = 0;
  std::uint8_t day = 0;
  std::uint8_t weekday = 0;
  ChineseFestival festival = ChineseFestival::kSpring;
  std::int8_t offset = 0;     // Days to add to what the rule gives.
  std::uint8_t off_days = 1;  // Of the public holiday in China that starts on it (Regulation of 2024); 1: a single day.
};

std::optional<Holiday> ParseHoliday(Cursor& cursor);

// The holiday of that year; nothing where the table of festivals ends.
std::optional<Day> HolidayIn(const Holiday& holiday, int year);
// The first one whose last day off (`length` days) is on or after `from`.
std::optional<Day> NextHoliday(const Holiday& holiday, Day from, int length = 1);

}  // namespace loquat::understanding
