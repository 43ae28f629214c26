#include "understanding/values/times.h"

#include "understanding/values/durations.h"

namespace loquat::understanding {

namespace {

constexpr int kDaySeconds = 86'400;

// A point of time as said: each of its parts may be missing.
struct Point {
  std::optional<Day> day;
  DayPart part = DayPart::kNone;
  std::optional<ClockReading> clock;
};

std::optional<DateValue> ParseOneDay(Cursor& cursor, const DateContext& context) {
  auto date = ParseDate(cursor, context);
  return date && date->form == DateValue::Form::kDay ? date : std::nullopt;
}

// [day] [part] [clock] [part] [day], in either language's order.
std::optional<Point> ParsePoint(Cursor& cursor, const TimeContext& context) {
  Point point;
  const auto read_day = [&](Cursor& c) { return ParseOneDay(c, context.date); };
  const auto take_day = [&] {
    const auto date = cursor.Try(read_day);
    if (!date) return;
    point.day = date->first;
    if (date->part != DayPart::kNone) point.part = date->part;
  };
  cursor.AcceptAny({"around", "about", "by", "大约", "大概"});
  take_day();
  cursor.Accept("的");
  if (point.part == DayPart::kNone) {
    point.part = cursor
                     .Try([](Cursor& c) {
                       c.AcceptAny({"in the", "this", "during the", "the", "at"});
                       return ParseDayPart(c);
                     })
                     .value_or(DayPart::kNone);
  }
  cursor.AcceptAny({"的", "at", "around", "about", "by", "大约", "大概"});
  // "12 noon" is a clock time with its part.
  point.clock = cursor.Try(ParseClock);
  if (!point.day) take_day();
  if (point.clock && point.part == DayPart::kNone) {
    point.part = cursor.Try(ParseTrailingDayPart).value_or(DayPart::kNone);
    if (!point.day) take_day();
  }
  if (!point.clock && point.part == DayPart::kNone) return std::nullopt;
  return point;
}

std::optional<TimeValue> Resolve(const Point& point) {
  TimeValue time{.day = point.day, .part = point.part};
  if (!point.clock) {
    const DayPartSpan span = SpanOf(point.part);
    time.begin = span.begin_minute * 60;
    time.end = span.end_minute * 60;
    time.form = time.begin == time.end ? TimeValue::Form::kClock : TimeValue::Form::kSpan;
    time.next_day = point.part == DayPart::kMidnight;  // Midnight of a day ends it.
    time.part_alone = true;
    return time;
  }
  time.clock = *point.clock;
  if (time.part == DayPart::kNone) time.part = point.clock->part;
  const auto resolved = ResolveClock(*point.clock, point.part);
  if (!resolved) return std::nullopt;
  time.begin = resolved->second;
  time.next_day = resolved->next_day;
  return time;
}

// The end of a range takes the half of the day of its begin, and the begin that of its end: 下午三点到五点, 3 to 5 pm.
std::optional<TimeValue> Span(Point first, Point second) {
  const bool first_open = first.part == DayPart::kNone && !first.clock->half_named && first.clock->twelve_hour;
  const bool second_open = second.part == DayPart::kNone && !second.clock->half_named && second.clock->twelve_hour;
  const auto take_half = [](Point& to, const Point& from) {
    to.part = from.part;
    if (from.clock->half_named) {
      to.clock->half_named = true;
      to.clock->part = from.clock->part;
    }
  };
  auto begin = Resolve(first), end = Resolve(second);
  if (first_open && !second_open) {
    Point same = first;
    take_half(same, second);
    const auto taken = Resolve(same);
    if (taken && end && (taken->begin < end->begin || end->next_day)) begin = taken;
  }
  if (!begin) return std::nullopt;
  if (second_open) {
    Point same = second;
    if (!first_open) take_half(same, first);
    const auto taken = Resolve(same);
    if (taken && (taken->begin > begin->begin || taken->next_day)) end = taken;
    if (end && !end->next_day && end->begin <= begin->begin && end->begin + kDaySeconds / 2 > begin->begin &&
        second.clock->hour < 12) {
      end->begin += kDaySeconds / 2;  // 上午十点到三点.
    }
  }
  if (!end || begin->form != TimeValue::Form::kClock || end->form != TimeValue::Form::kClock) return std::nullopt;
  if (end->begin == 0 && !begin->next_day) end->begin = kDaySeconds;
  begin->form = TimeValue::Form::kSpan;
  begin->end = end->begin;
  if (!begin->day) begin->day = end->day;
  return begin;
}

bool AcceptTo(Cursor& cursor, bool between) {
  if (between && cursor.Accept("and")) return true;
  return cursor.AcceptAny({"到", "至", "to", "until", "till", "through"}) || cursor.AcceptPrefix("-");
}

// in 20 minutes, 二十分钟后, half an hour ago, now: to the minute.
std::optional<TimeValue> ParseFromNow(Cursor& cursor, const TimeContext& context) {
  if (!context.now_second || !context.date.today) return std::nullopt;
  std::int64_t shift = 0;
  if (!cursor.AcceptAny({"right now", "now", "现在", "此刻", "立刻", "马上"})) {
    const bool in = cursor.AcceptAny({"in", "after", "within", "再过", "过"});
    const auto duration = ParseDuration(cursor);
    if (!duration || duration->seconds == 0 || duration->months > 0) return std::nullopt;
    const bool later = cursor.AcceptAny({"from now", "later", "之后", "以后", "后", "hence"});
    const bool ago = !later && !in && cursor.AcceptAny({"ago", "earlier", "之前", "以前", "前"});
    if (!in && !later && !ago) return std::nullopt;
    const std::int64_t length = duration->days * kDaySeconds + duration->seconds;
    if (length > kDurationSecondsMax) return std::nullopt;
    shift = ago ? -length : length;
  }
  std::int64_t second = *context.now_second + shift;
  std::int64_t days = second / kDaySeconds;
  if (second % kDaySeconds < 0) --days;
  second -= days * kDaySeconds;
  TimeValue time{.day = *context.date.today + std::chrono::days(days)};
  time.begin = static_cast<int>(second - second % 60);
  return time;
}

void AppendClock(int second, std::string& out) {
  AppendTwoDigits(static_cast<unsigned>(second / 3600), out);
  out += ':';
  AppendTwoDigits(static_cast<unsigned>(second % 3600 / 60), out);
  if (second % 60 == 0) return;
  out += ':';
  AppendTwoDigits(static_cast<unsigned>(second % 60), out);
}

}  // namespace

std::optional<TimeValue> ParseWholeTime(Cursor cursor, const TimeContext& context) {
  const auto from_now = cursor.Try([&](Cursor& c) {
    const auto time = ParseFromNow(c, context);
    return time && c.AtEnd() ? time : std::nullopt;
  });
  if (from_now) return from_now;
  const bool between = cursor.Accept("between");
  const bool range = cursor.AcceptAny({"from", "从"}) || between;
  const auto first = ParsePoint(cursor, context);
  if (!first) return std::nullopt;
  if (cursor.AtEnd()) return between ? std::nullopt : Resolve(*first);
  if (!AcceptTo(cursor, range)) return std::nullopt;
  const auto second = ParsePoint(cursor, context);
  if (!second || !cursor.AtEnd() || !first->clock || !second->clock) return std::nullopt;
  return Span(*first, *second);
}

std::optional<TimeValue> WithDayPart(const TimeValue& time, DayPart part) {
  TimeValue result = time;
  const auto resolved = ResolveClock(time.clock, part);
  if (!resolved) return std::nullopt;
  result.part = part;
  result.begin = resolved->second;
  result.next_day = resolved->next_day;
  return result;
}

void AppendTime(const TimeValue& time, std::optional<Day> today, bool with_day, std::string& out) {
  if (time.day && with_day) {
    const Day day = *time.day + std::chrono::days(time.next_day ? 1 : 0);
    if (!today || day != *today) {
      AppendDay(day, out);
      out += 'T';
    }
  }
  AppendClock(time.begin, out);
  if (time.form == TimeValue::Form::kClock) return;
  out += '/';
  AppendClock(time.end, out);
}

}  // namespace loquat::understanding
