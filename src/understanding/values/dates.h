// Days and ranges of days as people name them, in Chinese and English, read from folded text.
// Pure; a DateReader is a value for one surface. docs/values.md states the rules (weeks, "next Friday", rolling
// forward).

#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "understanding/values/calendar.h"
#include "understanding/values/cursor.h"
#include "understanding/values/day_parts.h"

namespace loquat::understanding {

struct DateValue {
  enum class Form : std::uint8_t { kDay, kRange, kMonth, kYear };
  Form form = Form::kDay;
  Day first, last;                // Both included.
  DayPart part = DayPart::kNone;  // 明晚: said with the day; the value of the date leaves it out.
  bool month_given = false;       // Not the next month that has such a day.
};

struct DateContext {
  std::optional<Day> today;  // Nothing: what counts from today has no value.
  std::optional<Day> from;   // Where unspecified years, months and weeks roll forward from; nothing: today.
  bool chinese = false;      // Decides what both languages write but read differently.
};

// One day, range, month or year, without 到 or "to".
std::optional<DateValue> ParseDate(Cursor& cursor, const DateContext& context);

// The whole surface: a date, or two with "from … to" between them. Leaves nothing unread, or gives nothing.
std::optional<DateValue> ParseWholeDate(Cursor cursor, const DateContext& context);

// ISO 8601: "2026-11-22", "2026-11-21/2026-11-22", "2026-05", "2026".
void AppendDate(const DateValue& date, std::string& out);

}  // namespace loquat::understanding
