// Dates as Chinese says them.

#include <array>

#include "understanding/values/date_reader.h"
#include "understanding/values/numerals.h"

namespace loquat::understanding {

namespace chr = std::chrono;

namespace {

constexpr int kCountMax = 1000;  // 三天后: more than so many units is refused.

constexpr auto kWhich = std::to_array<Word<int>>({{"这", 0},
                                                  {"这个", 0},
                                                  {"本", 0},
                                                  {"当", 0},
                                                  {"今", 0},
                                                  {"下", 1},
                                                  {"下个", 1},
                                                  {"下一个", 1},
                                                  {"下下", 2},
                                                  {"下下个", 2},
                                                  {"上", -1},
                                                  {"上个", -1},
                                                  {"上一个", -1},
                                                  {"上上", -2},
                                                  {"上上个", -2}});

constexpr auto kYears = std::to_array<Word<int>>(
    {{"今年", 0}, {"本年", 0}, {"明年", 1}, {"来年", 1}, {"后年", 2}, {"大后年", 3}, {"去年", -1}, {"前年", -2}});

constexpr auto kWeekdays = std::to_array<Word<unsigned>>({{"一", 1},
                                                          {"二", 2},
                                                          {"三", 3},
                                                          {"四", 4},
                                                          {"五", 5},
                                                          {"六", 6},
                                                          {"日", 7},
                                                          {"天", 7},
                                                          {"1", 1},
                                                          {"2", 2},
                                                          {"3", 3},
                                                          {"4", 4},
                                                          {"5", 5},
                                                          {"6", 6},
                                                          {"7", 7}});

// First and last day of a part of a month; 0: its last day.
struct MonthPart {
  unsigned first, last;
};
constexpr auto kMonthParts = std::to_array<Word<MonthPart>>({{"初", {1, 1}},
                                                             {"月初", {1, 1}},
                                                             {"第一天", {1, 1}},
                                                             {"中", {15, 15}},
                                                             {"月中", {15, 15}},
                                                             {"底", {0, 0}},
                                                             {"末", {0, 0}},
                                                             {"月底", {0, 0}},
                                                             {"月末", {0, 0}},
                                                             {"最后一天", {0, 0}},
                                                             {"上旬", {1, 10}},
                                                             {"中旬", {11, 20}},
                                                             {"下旬", {21, 0}}});

enum class Unit : std::uint8_t { kDay, kWeek, kMonth, kYear };
constexpr auto kUnits = std::to_array<Word<Unit>>({{"天", Unit::kDay},
                                                   {"日", Unit::kDay},
                                                   {"周", Unit::kWeek},
                                                   {"个星期", Unit::kWeek},
                                                   {"星期", Unit::kWeek},
                                                   {"个礼拜", Unit::kWeek},
                                                   {"礼拜", Unit::kWeek},
                                                   {"个月", Unit::kMonth},
                                                   {"年", Unit::kYear}});

bool AcceptWeek(Cursor& cursor) {
  return cursor.AcceptAny({"周", "星期", "礼拜"});
}

Day Moved(Day day, Unit unit, int count) {
  switch (unit) {
    case Unit::kDay:
      return day + chr::days(count);
    case Unit::kWeek:
      return day + chr::days(7 * count);
    case Unit::kMonth:
      return AddMonths(day, count);
    case Unit::kYear:
      return AddMonths(day, 12 * count);
  }
  return day;
}

// 5号, 五日.
std::optional<unsigned> ReadDayNumber(Cursor& cursor, bool mark_required) {
  const auto number = ParseCardinal(cursor);
  if (!number || *number < 1 || *number > 31) return std::nullopt;
  if (!cursor.AcceptAny({"号", "日"}) && mark_required) return std::nullopt;
  return static_cast<unsigned>(*number);
}

}  // namespace

std::optional<std::chrono::weekday> ParseChineseWeekday(Cursor& cursor) {
  if (!AcceptWeek(cursor)) return std::nullopt;
  const auto number = cursor.AcceptOneOf(kWeekdays);
  if (!number) return std::nullopt;
  return std::chrono::weekday(*number);
}

std::optional<DateValue> DateReader::ReadChinese(Cursor& cursor) const {
  for (const auto reader :
       {&DateReader::ReadChineseWeek, &DateReader::ReadChineseRelative, &DateReader::ReadChineseCalendar}) {
    if (auto date = cursor.Try([this, reader](Cursor& c) { return (this->*reader)(c); })) return date;
  }
  return std::nullopt;
}

std::optional<DateValue> DateReader::ReadChineseWeek(Cursor& cursor) const {
  const auto which = cursor.AcceptOneOf(kWhich);
  if (!AcceptWeek(cursor)) return std::nullopt;
  if (cursor.Accept("末") || cursor.Accept("六日")) return Weekend(which.value_or(0));
  const auto number = cursor.AcceptOneOf(kWeekdays);
  if (!number) return which ? Week(*which) : std::nullopt;
  if (!which) return NextNamedDay(Weekday(*number));
  const auto week = Week(*which);
  if (!week) return std::nullopt;
  return OneDay(week->first + chr::days(*number - 1));
}

// 三天后, 两周前, 过三天, 未来三天.
std::optional<DateValue> DateReader::ReadChineseRelative(Cursor& cursor) const {
  const bool coming = cursor.AcceptAny({"未来", "接下来", "今后"});
  if (coming) cursor.Accept("的");
  const bool passed = !coming && cursor.AcceptAny({"再过", "过"});
  const bool half = cursor.Accept("半");
  const auto count = half ? std::optional<std::int64_t>(1) : ParseCardinal(cursor);
  if (!count || *count < 1 || *count > kCountMax) return std::nullopt;
  const auto unit = cursor.AcceptOneOf(kUnits);
  if (!unit || !context_.today) return std::nullopt;
  if (half && *unit != Unit::kMonth && *unit != Unit::kYear) return std::nullopt;
  const auto moved = [&](int sign) {
    constexpr int kHalfMonth = 15;
    if (half)
      return *unit == Unit::kMonth ? *context_.today + chr::days(sign * kHalfMonth)
                                   : AddMonths(*context_.today, sign * 6);
    return Moved(*context_.today, *unit, sign * static_cast<int>(*count));
  };
  if (coming) return Range(*context_.today, moved(1) - chr::days(1));
  if (cursor.AcceptAny({"之后", "以后", "后"}) || passed) return OneDay(moved(1));
  if (cursor.AcceptAny({"之前", "以前", "前"})) return OneDay(moved(-1));
  return std::nullopt;
}

std::optional<int> DateReader::ReadChineseYear(Cursor& cursor) const {
  if (const auto years = cursor.AcceptOneOf(kYears)) {
    cursor.Accept("的");
    return YearFromNow(*years);
  }
  // 26年 and 二六年 are years of this century; a year of four digits is read as such.
  const auto two = cursor.Try([](Cursor& c) -> std::optional<int> {
    if (const auto digits = c.AcceptDigits(2)) {
      if (digits->count != 2 || !c.Accept("年")) return std::nullopt;
      return static_cast<int>(2000 + digits->value);
    }
    const auto tens = ParseChineseDigit(c);
    const auto ones = tens ? ParseChineseDigit(c) : std::nullopt;
    if (!ones || !c.Accept("年")) return std::nullopt;
    return static_cast<int>(2000 + *tens * 10 + *ones);
  });
  if (two) return two;
  const auto year = ParseYear(cursor);
  if (!year || !cursor.Accept("年")) return std::nullopt;
  return year;
}

// 5月1号, 明年三月, 下个月3号, 月底, 5号.
std::optional<DateValue> DateReader::ReadChineseCalendar(Cursor& cursor) const {
  const auto year = cursor.Try([this](Cursor& c) { return ReadChineseYear(c); });
  if (cursor.AcceptAny({"年底", "年末"})) return MonthDay(year ? year : YearFromNow(0), 12, 31);
  if (cursor.Accept("年初")) return year ? MonthDay(year, 1, 1) : std::nullopt;
  if (year && cursor.AcceptAny({"底", "末"})) return MonthDay(year, 12, 31);
  if (year && cursor.Accept("初")) return MonthDay(year, 1, 1);

  const auto named = cursor.Try([](Cursor& c) -> std::optional<unsigned> {
    const auto number = ParseCardinal(c);
    if (!number || *number < 1 || *number > 12 || !c.Accept("月")) return std::nullopt;
    c.Accept("份");
    return static_cast<unsigned>(*number);
  });
  const auto which = named || year ? std::nullopt : cursor.Try([](Cursor& c) -> std::optional<int> {
    const auto shift = c.AcceptOneOf(kWhich);
    if (!shift || !c.Accept("月")) return std::nullopt;
    return shift;
  });
  cursor.Accept("的");
  if (!named && !which) {
    if (year) return WholeYear(*year);
    if (context_.today && (cursor.rest().starts_with("月") || cursor.rest().starts_with("本月"))) {
      const chr::year_month_day date = CalendarDate(*from());
      return ReadChineseMonthPart(cursor, {static_cast<int>(date.year()), static_cast<unsigned>(date.month())}, true);
    }
    const auto day = ReadDayNumber(cursor, true);
    const auto base = from();
    const auto found = day && base ? NextDayOfMonth(*base, *day) : std::nullopt;
    return found ? std::optional(OneDay(*found)) : std::nullopt;
  }
  const auto month = named ? WholeMonth(year, *named) : MonthFromNow(*which);
  if (!month) return std::nullopt;
  const chr::year_month_day first = CalendarDate(month->first);
  const YearMonth year_month{static_cast<int>(first.year()), static_cast<unsigned>(first.month())};
  if (const auto part = cursor.Try([&](Cursor& c) { return ReadChineseMonthPart(c, year_month, false); })) return part;
  const auto day = cursor.Try([](Cursor& c) { return ReadDayNumber(c, false); });
  if (!day) return month;
  auto date = named ? MonthDay(year, *named, *day) : MonthDay(year_month.year, year_month.month, *day);
  const auto weekday = cursor.Try(ParseChineseWeekday);
  if (date && weekday && Weekday(date->first) != *weekday) return std::nullopt;  // It contradicts itself.
  return date;
}

// 月底, 上旬, 第一天; `rolls`: a part that is over means that of the next month.
std::optional<DateValue> DateReader::ReadChineseMonthPart(Cursor& cursor, YearMonth month, bool rolls) const {
  const auto part = cursor.AcceptOneOf(kMonthParts);
  if (!part) return std::nullopt;
  Day start = *MakeDay(month.year, month.month, 1);
  const auto last_of = [&part](Day month_start) {
    return part->last == 0 ? EndOfMonth(month_start) : month_start + chr::days(part->last - 1);
  };
  if (rolls && last_of(start) < *from()) start = AddMonths(start, 1);
  const Day last = last_of(start);
  if (part->first == part->last) return OneDay(last);
  return Range(start + chr::days(part->first - 1), last);
}

}  // namespace loquat::understanding
