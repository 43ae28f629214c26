// Dates as English says them.

#include <array>

#include "understanding/values/date_reader.h"
#include "understanding/values/numerals.h"

namespace loquat::understanding {

namespace chr = std::chrono;

namespace {

constexpr int kCountMax = 1000;

constexpr auto kMonths = std::to_array<Word<unsigned>>(
    {{"january", 1},  {"jan", 1},    {"february", 2},  {"feb", 2},       {"march", 3},     {"mar", 3},
     {"april", 4},    {"apr", 4},    {"may", 5},       {"june", 6},      {"jun", 6},       {"july", 7},
     {"jul", 7},      {"august", 8}, {"aug", 8},       {"september", 9}, {"sept", 9},      {"sep", 9},
     {"october", 10}, {"oct", 10},   {"november", 11}, {"nov", 11},      {"december", 12}, {"dec", 12}});

constexpr auto kWeekdays = std::to_array<Word<unsigned>>({{"monday", 1},
                                                          {"mon", 1},
                                                          {"tuesday", 2},
                                                          {"tue", 2},
                                                          {"tues", 2},
                                                          {"wednesday", 3},
                                                          {"wed", 3},
                                                          {"weds", 3},
                                                          {"thursday", 4},
                                                          {"thu", 4},
                                                          {"thur", 4},
                                                          {"thurs", 4},
                                                          {"friday", 5},
                                                          {"fri", 5},
                                                          {"saturday", 6},
                                                          {"sat", 6},
                                                          {"sunday", 7},
                                                          {"sun", 7}});

enum class Which : std::uint8_t { kBare, kThis, kNext, kLast, kFollowing };
constexpr auto kWhich = std::to_array<Word<Which>>({{"the", Which::kBare},
                                                    {"over the", Which::kBare},
                                                    {"this", Which::kThis},
                                                    {"this coming", Which::kThis},
                                                    {"the coming", Which::kThis},
                                                    {"coming", Which::kThis},
                                                    {"upcoming", Which::kThis},
                                                    {"the upcoming", Which::kThis},
                                                    {"next", Which::kNext},
                                                    {"the next", Which::kNext},
                                                    {"the following", Which::kFollowing},
                                                    {"following", Which::kFollowing},
                                                    {"last", Which::kLast},
                                                    {"the last", Which::kLast},
                                                    {"past", Which::kLast},
                                                    {"this past", Which::kLast},
                                                    {"the past", Which::kLast},
                                                    {"previous", Which::kLast}});

int Shift(Which which) {
  switch (which) {
    case Which::kNext:
    case Which::kFollowing:
      return 1;
    case Which::kLast:
      return -1;
    case Which::kBare:
    case Which::kThis:
      return 0;
  }
  return 0;
}

struct Step {
  int days = 0, months = 0;
};
constexpr auto kSteps = std::to_array<Word<Step>>({{"day", {.days = 1}},
                                                   {"days", {.days = 1}},
                                                   {"week", {.days = 7}},
                                                   {"weeks", {.days = 7}},
                                                   {"fortnight", {.days = 14}},
                                                   {"fortnights", {.days = 14}},
                                                   {"month", {.months = 1}},
                                                   {"months", {.months = 1}},
                                                   {"year", {.months = 12}},
                                                   {"years", {.months = 12}}});

// "three days", "a week", "a couple of months".
std::optional<Step> ReadStep(Cursor& cursor) {
  std::int64_t count = 1;
  if (const auto number = cursor.Try(ParseNumber)) {
    const auto whole = number->AsInteger();
    if (!whole || *whole < 1 || *whole > kCountMax) return std::nullopt;
    count = *whole;
  } else if (!cursor.AcceptAny({"a", "an", "the"})) {
    return std::nullopt;
  }
  auto step = cursor.AcceptOneOf(kSteps);
  if (!step) return std::nullopt;
  step->days *= static_cast<int>(count);
  step->months *= static_cast<int>(count);
  return step;
}

Day Moved(Day day, const Step& step, int sign) {
  return AddMonths(day, sign * step.months) + chr::days(sign * step.days);
}

}  // namespace

std::optional<unsigned> ParseEnglishMonth(Cursor& cursor) {
  return cursor.AcceptOneOf(kMonths);
}

std::optional<DateValue> DateReader::ReadEnglish(Cursor& cursor) const {
  for (const auto reader : {&DateReader::ReadEnglishEdge, &DateReader::ReadEnglishWeekday, &DateReader::ReadEnglishUnit,
                            &DateReader::ReadEnglishCalendar}) {
    if (auto date = cursor.Try([this, reader](Cursor& c) { return (this->*reader)(c); })) return date;
  }
  return std::nullopt;
}

// in three days, two weeks ago, a week from Friday, the day after Christmas, the next three days.
std::optional<DateValue> DateReader::ReadEnglishRelative(Cursor& cursor) const {
  if (!context_.today) return std::nullopt;
  if (cursor.AcceptAny({"the next", "next", "the coming"})) {
    const auto number = ParseNumber(cursor);
    const auto count = number ? number->AsInteger() : std::nullopt;
    const auto step = cursor.AcceptOneOf(kSteps);
    if (!count || *count < 1 || *count > kCountMax || !step || step->days == 0) return std::nullopt;
    return Range(*context_.today + chr::days(1), *context_.today + chr::days(*count * step->days));
  }
  const bool in = cursor.AcceptAny({"in", "within"});
  const auto step = ReadStep(cursor);
  if (!step) return std::nullopt;
  if (in) return OneDay(Moved(*context_.today, *step, 1));
  if (cursor.Accept("ago")) return OneDay(Moved(*context_.today, *step, -1));
  if (cursor.AcceptAny({"from now", "later", "hence"})) return OneDay(Moved(*context_.today, *step, 1));
  const int sign = cursor.AcceptAny({"from", "after"}) ? 1 : cursor.Accept("before") ? -1 : 0;
  if (sign == 0) return std::nullopt;
  // What it counts from is a plain date: this cannot nest.
  for (const auto reader : {&DateReader::ReadOffsetWord, &DateReader::ReadHoliday, &DateReader::ReadEnglishWeekday,
                            &DateReader::ReadEnglishCalendar}) {
    const auto base = cursor.Try([this, reader](Cursor& c) { return (this->*reader)(c); });
    if (base && base->form == DateValue::Form::kDay) return OneDay(Moved(base->first, *step, sign));
  }
  return std::nullopt;
}

// Friday, next Friday, Friday next week, Friday the 5th, Friday November 27th.
std::optional<DateValue> DateReader::ReadEnglishWeekday(Cursor& cursor) const {
  auto which = cursor.AcceptOneOf(kWhich).value_or(Which::kBare);
  if (which == Which::kNext && cursor.Accept("week")) cursor.Accept("on");
  const auto number = cursor.AcceptOneOf(kWeekdays);
  if (!number || !context_.today) return std::nullopt;
  const Weekday weekday(*number);
  if (which == Which::kBare) {
    if (cursor.Accept("next week"))
      which = Which::kNext;
    else if (cursor.Accept("this week"))
      return OneDay(StartOfWeek(*context_.today) + chr::days(*number - 1));
  }
  if (which == Which::kNext) return OneDay(Week(1)->first + chr::days(*number - 1));
  if (which == Which::kLast) return OneDay(OnOrAfter(*context_.today - chr::days(7), weekday));
  if (which == Which::kFollowing) return OneDay(OnOrAfter(*context_.today + chr::days(1), weekday));
  if (which == Which::kThis) return OneDay(OnOrAfter(*context_.today, weekday));

  const auto date = cursor.Try([this](Cursor& c) { return ReadEnglishCalendar(c); });
  if (!date) return NextNamedDay(weekday);
  if (date->form != DateValue::Form::kDay) return std::nullopt;
  // A day of the month that is no such weekday may be one in a later month; another year's would be a guess.
  constexpr int kMonthsAhead = 11;
  for (int months = 0; months <= kMonthsAhead; ++months) {
    const Day candidate = AddMonths(date->first, months);
    const bool same_number = CalendarDate(candidate).day() == CalendarDate(date->first).day();
    if (same_number && Weekday(candidate) == weekday) return OneDay(candidate);
    if (date->month_given) break;
  }
  return std::nullopt;
}

// this weekend, next week, last month, next year.
std::optional<DateValue> DateReader::ReadEnglishUnit(Cursor& cursor) const {
  const auto which = cursor.AcceptOneOf(kWhich);
  const int shift = Shift(which.value_or(Which::kBare));
  if (cursor.Accept("weekend")) return cursor.Accept("after next") ? Weekend(2) : Weekend(shift);
  if (!which) return std::nullopt;
  if (which == Which::kBare) return cursor.Accept("week after next") ? Week(2) : std::nullopt;
  if (cursor.Accept("week")) return Week(shift);
  if (cursor.Accept("month")) return MonthFromNow(shift);
  if (!cursor.Accept("year") || !context_.today) return std::nullopt;
  return WholeYear(*YearFromNow(shift));
}

// the end of the month, the beginning of May, end of next year.
std::optional<DateValue> DateReader::ReadEnglishEdge(Cursor& cursor) const {
  cursor.AcceptAny({"by the", "at the", "the"});
  const bool start = cursor.AcceptAny({"beginning of", "start of", "first day of"});
  const bool middle = !start && cursor.AcceptAny({"middle of", "mid"});
  if (!start && !middle && !cursor.AcceptAny({"end of", "last day of"})) return std::nullopt;
  std::optional<DateValue> whole;
  if (cursor.AcceptAny({"the month", "month"}))
    whole = MonthFromNow(0);
  else if (cursor.AcceptAny({"the week", "week"}))
    whole = Week(0);
  else if (cursor.AcceptAny({"the year", "year"}) && context_.today)
    whole = WholeYear(*YearFromNow(0));
  if (!whole) whole = cursor.Try([this](Cursor& c) { return ReadEnglishUnit(c); });
  if (!whole) whole = cursor.Try([this](Cursor& c) { return ReadEnglishCalendar(c); });
  if (!whole || whole->form == DateValue::Form::kDay) return std::nullopt;
  if (middle && whole->form != DateValue::Form::kMonth) return std::nullopt;
  constexpr int kToMiddle = 14;
  if (middle) return OneDay(whole->first + chr::days(kToMiddle));
  return OneDay(start ? whole->first : whole->last);
}

// Nov 3rd, 3 November 2027, the third of May, the 5th, May 2027, the 5th of next month.
std::optional<DateValue> DateReader::ReadEnglishCalendar(Cursor& cursor) const {
  cursor.Accept("in");
  if (const auto month = cursor.Try(ParseEnglishMonth)) {
    cursor.Accept("the");
    const auto day = cursor.Try([this](Cursor& c) { return ReadEnglishDayNumber(c, true); });
    const auto year = cursor.Try([this](Cursor& c) { return ReadEnglishYear(c); });
    if (!day) return WholeMonth(year, *month);
    auto date = MonthDay(year, *month, *day);
    if (date) date->month_given = true;
    return date;
  }
  const bool the = cursor.Accept("the");
  const auto day = ReadEnglishDayNumber(cursor, false);
  const auto bare = day ? std::nullopt : ReadEnglishDayNumber(cursor, true);
  if (!day && !bare) return std::nullopt;
  const bool of = cursor.Accept("of");
  if (const auto month = cursor.Try(ParseEnglishMonth)) {
    const auto year = cursor.Try([this](Cursor& c) { return ReadEnglishYear(c); });
    auto date = MonthDay(year, *month, day ? *day : *bare);
    if (date) date->month_given = true;
    return date;
  }
  if (!day) return std::nullopt;
  if (of) {
    cursor.Accept("the");
    const auto month = cursor.Accept("month") ? MonthFromNow(0) : ReadEnglishUnit(cursor);
    if (!month || month->form != DateValue::Form::kMonth) return std::nullopt;
    const chr::year_month_day first = CalendarDate(month->first);
    return MonthDay(static_cast<int>(first.year()), static_cast<unsigned>(first.month()), *day);
  }
  const auto base = from();
  if (!base || (!the && *day > 31)) return std::nullopt;
  const auto found = NextDayOfMonth(*base, *day);
  return found ? std::optional(OneDay(*found)) : std::nullopt;
}

std::optional<int> DateReader::ReadEnglishYear(Cursor& cursor) const {
  cursor.AcceptAny({"of", "in"});
  if (cursor.Accept("this year")) return YearFromNow(0);
  if (cursor.Accept("next year")) return YearFromNow(1);
  if (cursor.Accept("last year")) return YearFromNow(-1);
  return ParseYear(cursor);
}

// 1 to 31: "3rd", "third"; `bare`: "3" and "three" as well.
std::optional<unsigned> DateReader::ReadEnglishDayNumber(Cursor& cursor, bool bare) const {
  auto number = cursor.Try(ParseOrdinal);
  if (!number && bare) {
    number = cursor.Try([](Cursor& c) -> std::optional<std::int64_t> {
      if (const auto digits = c.AcceptDigits(2)) {
        if (c.rest().starts_with(':')) return std::nullopt;
        return digits->value;
      }
      return ParseEnglishCardinal(c);
    });
  }
  if (!number || *number < 1 || *number > 31) return std::nullopt;
  return static_cast<unsigned>(*number);
}

std::optional<chr::weekday> ParseEnglishWeekday(Cursor& cursor) {
  const auto number = cursor.AcceptOneOf(kWeekdays);
  if (!number) return std::nullopt;
  return chr::weekday(*number);
}

}  // namespace loquat::understanding
