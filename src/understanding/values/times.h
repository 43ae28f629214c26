// Times of day: a clock time, a part of the day, a range of either, or a moment counted from now; with the day, where
// the surface names it. Pure functions.

#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "understanding/values/clocks.h"
#include "understanding/values/dates.h"

namespace loquat::understanding {

struct TimeValue {
  enum class Form : std::uint8_t {
    kClock,  // `begin`.
    kSpan,   // From `begin` to `end`: a part of the day, or two clock times.
  };
  Form form = Form::kClock;
  int begin = 0, end = 0;         // Seconds since midnight; `end` up to 86,400.
  bool next_day = false;          // `begin` lies past the midnight that ends `day`.
  std::optional<Day> day;         // Named in the surface, or fixed by counting from now.
  ClockReading clock;             // Of kClock and of the begin of a span: what was said.
  DayPart part = DayPart::kNone;  // What decided, or would decide, the half of the day.
  bool part_alone = false;        // No clock time was said.
  bool open() const { return form == Form::kClock && clock.twelve_hour && part == DayPart::kNone; }
};

struct TimeContext {
  DateContext date;
  std::optional<std::int64_t> now_second;  // Of the day, in the user's time zone; nothing: no reference.
};

// The whole surface, or nothing.
std::optional<TimeValue> ParseWholeTime(Cursor cursor, const TimeContext& context);

// The clock time again with this part of the day; nothing where they contradict each other.
std::optional<TimeValue> WithDayPart(const TimeValue& time, DayPart part);

// "08:00", "06:00/12:00", "2026-11-22T08:00"; seconds only where there are any. The day is left out where it is `today`
// or where `with_day` is false.
void AppendTime(const TimeValue& time, std::optional<Day> today, bool with_day, std::string& out);

}  // namespace loquat::understanding
