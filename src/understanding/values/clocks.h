// Clock times as they are said, before a part of the day decides their half: 七点半, 差五分八点, half past six, 7:30
// pm. Pure functions.

#pragma once

#include <optional>

#include "understanding/values/cursor.h"
#include "understanding/values/day_parts.h"

namespace loquat::understanding {

struct ClockReading {
  int hour = 0, minute = 0, second = 0;  // 0 to 24, 0 to 59, 0 to 59; below zero minutes never leave ReadClock.
  bool twelve_hour = false;              // 1 to 12 with nothing said about the half: eight o'clock.
  DayPart part = DayPart::kNone;         // am is kMorning, pm is kAfternoon.
  bool half_named = false;               // am or pm, which bind more than a part of the day does.
};

std::optional<ClockReading> ParseClock(Cursor& cursor);

// The second of the day, and whether the day is over by then. Nothing where part and hour contradict each other.
struct ResolvedClock {
  int second = 0;
  bool next_day = false;
};
std::optional<ResolvedClock> ResolveClock(const ClockReading& clock, DayPart part);

}  // namespace loquat::understanding
