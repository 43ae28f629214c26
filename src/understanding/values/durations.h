// Lengths of time: 一个半小时, 两小时四十分, an hour and a half, three nights. Pure functions.

#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "understanding/values/cursor.h"

namespace loquat::understanding {

// Calendar parts stay apart, as in ISO 8601-1:2019, 5.5.2: a month has no fixed number of days, a day none of seconds.
struct DurationValue {
  std::int64_t months = 0;
  std::int64_t days = 0;
  std::int64_t seconds = 0;
  bool whole_weeks = false;  // Said in weeks alone; `days` is a multiple of seven.
};

inline constexpr std::int64_t kDurationSecondsMax = 1'000'000'000;  // Larger lengths, in whatever unit, are refused.

std::optional<DurationValue> ParseDuration(Cursor& cursor);

// "PT2H30M", "P3D", "P2W", "P1Y6M": years carry from months, hours and minutes from seconds, nothing else.
void AppendDuration(const DurationValue& duration, std::string& out);

}  // namespace loquat::understanding
