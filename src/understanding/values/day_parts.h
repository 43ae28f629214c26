// Parts of the day (早上, evening): which hours they span, and what an hour said with one of them means.
// Pure functions and constant tables.

#pragma once

#include <cstdint>
#include <optional>

#include "understanding/values/cursor.h"

namespace loquat::understanding {

enum class DayPart : std::uint8_t {
  kNone,
  kSmallHours,     // 凌晨
  kDawn,           // 清晨, dawn, early morning
  kMorning,        // 早上, morning
  kForenoon,       // 上午, late morning
  kNoon,           // 中午, noon: 12:00 itself when said alone
  kLunchtime,      // lunchtime
  kAfternoon,      // 下午, afternoon
  kLateAfternoon,  // late afternoon
  kDusk,           // 傍晚, dusk
  kEvening,        // evening
  kTonight,        // 晚上, tonight
  kNight,          // night
  kLateNight,      // 深夜, 夜里
  kMiddleOfNight,  // 半夜
  kMidnight,       // 午夜, midnight: 00:00 itself when said alone
};

// From begin to end, in minutes since midnight; equal: that very minute.
struct DayPartSpan {
  std::uint16_t begin_minute;
  std::uint16_t end_minute;
};
DayPartSpan SpanOf(DayPart part);

// The hour of 24 that `hour` means with the part; next_day: past the midnight that the part leads to (晚上十二点).
// Nothing where they contradict each other (早上八点 is fine, 下午 with 上午's 23 is not: "23 in the morning").
struct ResolvedHour {
  int hour;
  bool next_day;
};
std::optional<ResolvedHour> ResolveHour(DayPart part, int hour);

std::optional<DayPart> ParseDayPart(Cursor& cursor);
// "in the morning", "at night", "this afternoon" after a clock time or a day.
std::optional<DayPart> ParseTrailingDayPart(Cursor& cursor);

}  // namespace loquat::understanding
