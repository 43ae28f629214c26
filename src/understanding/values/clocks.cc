#include "understanding/values/clocks.h"

#include <array>

#include "understanding/values/numerals.h"

namespace loquat::understanding {

namespace {

constexpr int kQuarter = 15;

bool AcceptHourMark(Cursor& cursor) {
  return cursor.AcceptAny({"点钟", "点", "时"});
}

std::optional<int> ParseHour(Cursor& cursor) {
  const auto hour = ParseCardinal(cursor);
  if (!hour || *hour > 24) return std::nullopt;
  return static_cast<int>(*hour);
}

std::optional<int> ParseMinute(Cursor& cursor) {
  const auto minute = ParseCardinal(cursor);
  if (!minute || *minute > 59) return std::nullopt;
  return static_cast<int>(*minute);
}

ClockReading Reading(int hour, int minute, int second = 0) {
  return {.hour = hour, .minute = minute, .second = second, .twelve_hour = hour >= 1 && hour <= 12};
}

// So many minutes before the hour: the clock shows the hour before.
ClockReading Before(int hour, int minutes) {
  const int earlier = hour == 1 ? 12 : hour == 0 ? 23 : hour - 1;
  return Reading(earlier, 60 - minutes);
}

// 一刻, 三刻, 十分, 五.
std::optional<int> ParseChineseMinutes(Cursor& cursor) {
  if (cursor.Accept("一刻")) return kQuarter;
  if (cursor.Accept("三刻")) return 3 * kQuarter;
  const auto minute = ParseMinute(cursor);
  if (!minute) return std::nullopt;
  cursor.AcceptAny({"分钟", "分"});
  return minute;
}

std::optional<ClockReading> ParseChineseClock(Cursor& cursor) {
  if (cursor.AcceptAny({"还差", "差"})) {
    const auto minutes = ParseChineseMinutes(cursor);
    if (!minutes || *minutes == 0) return std::nullopt;
    cursor.Accept("到");
    const auto hour = ParseHour(cursor);
    if (!hour || !AcceptHourMark(cursor)) return std::nullopt;
    return Before(*hour, *minutes);
  }
  const auto hour = ParseHour(cursor);
  if (!hour || !AcceptHourMark(cursor)) return std::nullopt;
  if (cursor.Accept("半")) return Reading(*hour, 30);
  if (cursor.Accept("整") || cursor.AtEnd()) return Reading(*hour, 0);
  if (cursor.Accept("差")) {
    const auto minutes = ParseChineseMinutes(cursor);
    if (!minutes || *minutes == 0) return std::nullopt;
    return Before(*hour, *minutes);
  }
  cursor.Accept("过");
  const auto minutes = cursor.Try(ParseChineseMinutes);
  if (!minutes) return Reading(*hour, 0);
  const auto seconds = cursor.Try([](Cursor& c) -> std::optional<int> {
    const auto second = ParseMinute(c);
    return second && c.Accept("秒") ? second : std::nullopt;
  });
  return Reading(*hour, *minutes, seconds.value_or(0));
}

// 7:30, 19:30:05, 7.30 pm, 1930 hours.
std::optional<ClockReading> ParseDigitalClock(Cursor& cursor) {
  const auto digits = cursor.AcceptDigits(4);
  if (!digits) return std::nullopt;
  if (digits->count == 4) {
    const auto hour = static_cast<int>(digits->value / 100), minute = static_cast<int>(digits->value % 100);
    if (hour > 24 || minute > 59 || !cursor.AcceptAny({"hours", "hrs"})) return std::nullopt;
    ClockReading clock = Reading(hour, minute);
    clock.twelve_hour = false;
    return clock;
  }
  if (digits->count > 2 || digits->value > 24) return std::nullopt;
  const bool point = !cursor.AcceptPrefix(":");
  if (point && !cursor.AcceptPrefix(".")) return std::nullopt;
  const auto minute = cursor.AcceptDigits(2);
  if (!minute || minute->count != 2 || minute->value > 59) return std::nullopt;
  ClockReading clock = Reading(static_cast<int>(digits->value), static_cast<int>(minute->value));
  if (!point && cursor.AcceptPrefix(":")) {
    const auto second = cursor.AcceptDigits(2);
    if (!second || second->count != 2 || second->value > 59) return std::nullopt;
    clock.second = static_cast<int>(second->value);
  }
  const Cursor ahead = cursor;
  const bool half_follows = ahead.rest().starts_with("am") || ahead.rest().starts_with("pm");
  if (point && !half_follows) return std::nullopt;                          // 7.30 alone is a number.
  if (digits->count == 2 && digits->value < 10) clock.twelve_hour = false;  // 07:30 is of 24 hours.
  return clock;
}

// Minutes said before "past" or "to": a quarter, ten, twenty five, 10 minutes.
struct SpokenMinutes {
  int minutes;
  bool words;  // Not digits alone.
};
std::optional<SpokenMinutes> ParseSpokenMinutes(Cursor& cursor) {
  if (cursor.AcceptAny({"a quarter", "quarter"})) return SpokenMinutes{kQuarter, true};
  const bool digits = base::IsAsciiDigit(cursor.rest().empty() ? ' ' : cursor.rest().front());
  const auto minute = ParseMinute(cursor);
  if (!minute || *minute == 0) return std::nullopt;
  const bool named = cursor.AcceptAny({"minutes", "minute", "mins", "min"});
  return SpokenMinutes{*minute, named || !digits};
}

std::optional<ClockReading> ParsePastOrTo(Cursor& cursor) {
  if (cursor.Accept("half")) {
    cursor.Accept("past");
    const auto hour = ParseHour(cursor);
    if (!hour || *hour == 0) return std::nullopt;
    return Reading(*hour, 30);
  }
  const auto minutes = ParseSpokenMinutes(cursor);
  if (!minutes) return std::nullopt;
  const bool past = cursor.AcceptAny({"past", "after"});
  const bool to = !past && cursor.AcceptAny({"to", "till", "til", "before", "of"});
  // "5 to 7" is two hours, "five to seven" is 6:55.
  if (!past && (!to || !minutes->words)) return std::nullopt;
  std::optional<ClockReading> hour;
  if (cursor.Accept("noon"))
    hour = ClockReading{.hour = 12};
  else if (cursor.Accept("midnight"))
    hour = ClockReading{.hour = 0};
  else if (const auto spoken = ParseHour(cursor); spoken && *spoken > 0)
    hour = Reading(*spoken, 0);
  if (!hour) return std::nullopt;
  if (past) {
    hour->minute = minutes->minutes;
    return hour;
  }
  ClockReading clock = Before(hour->hour, minutes->minutes);
  clock.twelve_hour = hour->twelve_hour;
  return clock;
}

// Seven, seven thirty, seven oh five, 7 o'clock.
std::optional<ClockReading> ParseSpokenClock(Cursor& cursor) {
  const bool digits = cursor.rest().empty() || base::IsAsciiDigit(cursor.rest().front());
  // "seven thirty" is no number, so reading a small one stops before the minutes; "twenty" alone is 20:00.
  const auto hour = ParseHour(cursor);
  if (!hour) return std::nullopt;
  if (cursor.AcceptAny({"oclock", "o clock"})) return Reading(*hour, 0);
  if (digits) return Reading(*hour, 0);
  const auto minute = cursor.Try([](Cursor& c) -> std::optional<int> {
    if (c.AcceptAny({"oh", "o"})) {
      const auto digit = ParseEnglishDigit(c);
      return digit && *digit > 0 ? std::optional(static_cast<int>(*digit)) : std::nullopt;
    }
    const auto spoken = ParseEnglishCardinal(c);
    return spoken && *spoken >= 10 && *spoken <= 59 ? std::optional(static_cast<int>(*spoken)) : std::nullopt;
  });
  return Reading(*hour, minute.value_or(0));
}

void ReadHalf(Cursor& cursor, ClockReading& clock) {
  const bool am = cursor.AcceptAny({"am", "a m"});
  if (!am && !cursor.AcceptAny({"pm", "p m"})) return;
  clock.part = am ? DayPart::kMorning : DayPart::kAfternoon;
  clock.half_named = true;
}

}  // namespace

std::optional<ClockReading> ParseClock(Cursor& cursor) {
  std::optional<ClockReading> clock;
  for (const auto parse : {ParseChineseClock, ParseDigitalClock, ParsePastOrTo, ParseSpokenClock}) {
    clock = cursor.Try(parse);
    if (clock) break;
  }
  if (!clock) return std::nullopt;
  cursor.AcceptAny({"sharp", "左右", "整"});
  ReadHalf(cursor, *clock);
  return clock;
}

std::optional<ResolvedClock> ResolveClock(const ClockReading& clock, DayPart part) {
  const int second = clock.minute * 60 + clock.second;
  if (clock.hour == 24 && second > 0) return std::nullopt;
  std::optional<ResolvedHour> hour;
  if (clock.half_named) {
    const bool am = clock.part == DayPart::kMorning;
    if (clock.hour == 0 || clock.hour > (am ? 12 : 23)) return std::nullopt;
    hour = ResolvedHour{clock.hour > 12 ? clock.hour : clock.hour % 12 + (am ? 0 : 12), false};
    // "12 am tonight" and "2 am tonight" are after midnight.
    const bool at_night = part == DayPart::kTonight || part == DayPart::kNight || part == DayPart::kLateNight;
    hour->next_day = am && at_night && hour->hour < 6;
  } else if (part == DayPart::kNone || clock.twelve_hour || clock.hour == 0) {
    hour = ResolveHour(part, clock.hour);
  } else {
    hour = ResolveHour(part, clock.hour);
    if (hour && hour->hour != clock.hour % 24) return std::nullopt;
  }
  if (!hour) return std::nullopt;
  return ResolvedClock{hour->hour * 3600 + second, hour->next_day};
}

}  // namespace loquat::understanding
