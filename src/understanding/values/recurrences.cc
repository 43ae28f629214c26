#include "understanding/values/recurrences.h"

#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>

#include "understanding/values/date_reader.h"
#include "understanding/values/numerals.h"

namespace loquat::understanding {

namespace {

using DaySet = std::uint8_t;  // Bit 0 is Monday.
constexpr DaySet kWorkdays = 0b0011111, kWeekend = 0b1100000;
constexpr std::array<std::string_view, 7> kDayCodes = {"MO", "TU", "WE", "TH", "FR", "SA", "SU"};
constexpr std::array<std::string_view, 6> kFrequencies = {"MINUTELY", "HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY"};
enum class Frequency : std::uint8_t { kMinutely, kHourly, kDaily, kWeekly, kMonthly, kYearly };

struct Rule {
  Frequency frequency = Frequency::kDaily;
  int interval = 1;
  DaySet days = 0;
  int nth = 0;        // Of `days` in the month: 1 the first, -1 the last.
  int month_day = 0;  // 1 to 31; -1: the last.
  unsigned month = 0;
};

constexpr auto kFixed = std::to_array<Word<Rule>>({
    {"工作日", {.frequency = Frequency::kWeekly, .days = kWorkdays}},
    {"上班日", {.frequency = Frequency::kWeekly, .days = kWorkdays}},
    {"平日", {.frequency = Frequency::kWeekly, .days = kWorkdays}},
    {"周末", {.frequency = Frequency::kWeekly, .days = kWeekend}},
    {"双休日", {.frequency = Frequency::kWeekly, .days = kWeekend}},
    {"天天", {}},
    {"每日", {}},
    {"每晚", {}},
    {"每早", {}},
    {"隔天", {.interval = 2}},
    {"隔日", {.interval = 2}},
    {"隔周", {.frequency = Frequency::kWeekly, .interval = 2}},
    {"daily", {}},
    {"nightly", {}},
    {"on a daily basis", {}},
    {"once a day", {}},
    {"weekdays", {.frequency = Frequency::kWeekly, .days = kWorkdays}},
    {"weeknights", {.frequency = Frequency::kWeekly, .days = kWorkdays}},
    {"workdays", {.frequency = Frequency::kWeekly, .days = kWorkdays}},
    {"weekends", {.frequency = Frequency::kWeekly, .days = kWeekend}},
    {"hourly", {.frequency = Frequency::kHourly}},
    {"weekly", {.frequency = Frequency::kWeekly}},
    {"once a week", {.frequency = Frequency::kWeekly}},
    {"fortnightly", {.frequency = Frequency::kWeekly, .interval = 2}},
    {"monthly", {.frequency = Frequency::kMonthly}},
    {"once a month", {.frequency = Frequency::kMonthly}},
    {"quarterly", {.frequency = Frequency::kMonthly, .interval = 3}},
    {"yearly", {.frequency = Frequency::kYearly}},
    {"annually", {.frequency = Frequency::kYearly}},
    {"once a year", {.frequency = Frequency::kYearly}},
});

// What follows 每 or "every".
constexpr auto kUnits = std::to_array<Word<Rule>>({
    {"分钟", {.frequency = Frequency::kMinutely}},
    {"刻钟", {.frequency = Frequency::kMinutely, .interval = 15}},
    {"小时", {.frequency = Frequency::kHourly}},
    {"个小时", {.frequency = Frequency::kHourly}},
    {"个钟头", {.frequency = Frequency::kHourly}},
    {"天", {}},
    {"日", {}},
    {"周", {.frequency = Frequency::kWeekly}},
    {"个星期", {.frequency = Frequency::kWeekly}},
    {"星期", {.frequency = Frequency::kWeekly}},
    {"个礼拜", {.frequency = Frequency::kWeekly}},
    {"月", {.frequency = Frequency::kMonthly}},
    {"个月", {.frequency = Frequency::kMonthly}},
    {"季度", {.frequency = Frequency::kMonthly, .interval = 3}},
    {"个季度", {.frequency = Frequency::kMonthly, .interval = 3}},
    {"半年", {.frequency = Frequency::kMonthly, .interval = 6}},
    {"半小时", {.frequency = Frequency::kMinutely, .interval = 30}},
    {"半个小时", {.frequency = Frequency::kMinutely, .interval = 30}},
    {"年", {.frequency = Frequency::kYearly}},
    {"minute", {.frequency = Frequency::kMinutely}},
    {"minutes", {.frequency = Frequency::kMinutely}},
    {"half hour", {.frequency = Frequency::kMinutely, .interval = 30}},
    {"half an hour", {.frequency = Frequency::kMinutely, .interval = 30}},
    {"hour", {.frequency = Frequency::kHourly}},
    {"hours", {.frequency = Frequency::kHourly}},
    {"day", {}},
    {"days", {}},
    {"single day", {}},
    {"week", {.frequency = Frequency::kWeekly}},
    {"weeks", {.frequency = Frequency::kWeekly}},
    {"month", {.frequency = Frequency::kMonthly}},
    {"months", {.frequency = Frequency::kMonthly}},
    {"quarter", {.frequency = Frequency::kMonthly, .interval = 3}},
    {"year", {.frequency = Frequency::kYearly}},
    {"years", {.frequency = Frequency::kYearly}},
    {"weekday", {.frequency = Frequency::kWeekly, .days = kWorkdays}},
    {"workday", {.frequency = Frequency::kWeekly, .days = kWorkdays}},
    {"weeknight", {.frequency = Frequency::kWeekly, .days = kWorkdays}},
    {"weekend", {.frequency = Frequency::kWeekly, .days = kWeekend}},
});

constexpr auto kPlurals = std::to_array<Word<unsigned>>({{"mondays", 1},
                                                         {"tuesdays", 2},
                                                         {"wednesdays", 3},
                                                         {"thursdays", 4},
                                                         {"fridays", 5},
                                                         {"saturdays", 6},
                                                         {"sundays", 7}});

DaySet Only(unsigned iso_day) {
  return static_cast<DaySet>(1u << (iso_day - 1));
}

Rule Weekly(DaySet days, int interval = 1) {
  return {.frequency = Frequency::kWeekly, .interval = interval, .days = days};
}

// 周一, or one more day after a week word: 每周一三五.
std::optional<unsigned> ParseDay(Cursor& cursor, bool week_word_optional) {
  if (const auto day = cursor.Try(ParseChineseWeekday)) return day->iso_encoding();
  if (const auto day = cursor.Try(ParseEnglishWeekday)) return day->iso_encoding();
  if (const auto day = cursor.AcceptOneOf(kPlurals)) return day;
  if (!week_word_optional) return std::nullopt;
  constexpr std::array<std::string_view, 8> kNumbers = {"一", "二", "三", "四", "五", "六", "日", "天"};
  for (unsigned i = 0; i < kNumbers.size(); ++i) {
    if (cursor.Accept(kNumbers[i])) return i < 7 ? i + 1 : 7;
  }
  return std::nullopt;
}

// Monday; Monday and Wednesday; 周一三五; Monday to Friday.
std::optional<DaySet> ParseDays(Cursor& cursor) {
  const auto first = ParseDay(cursor, false);
  if (!first) return std::nullopt;
  const bool chinese = !cursor.AtEnd() && static_cast<unsigned char>(cursor.rest().front()) >= 0x80;
  DaySet days = Only(*first);
  unsigned last = *first;
  for (;;) {
    const auto next = cursor.Try([&](Cursor& c) -> std::optional<DaySet> {
      if (c.AcceptAny({"到", "至", "to", "through", "thru"}) || c.AcceptPrefix("-")) {
        const auto end = ParseDay(c, true);
        if (!end || *end <= last) return std::nullopt;
        DaySet range = 0;
        for (unsigned day = last; day <= *end; ++day) range |= Only(day);
        last = *end;
        return range;
      }
      c.AcceptAny({"和", "跟", "、", "及", "and every", "and", "&"});
      const auto day = ParseDay(c, chinese);
      if (!day) return std::nullopt;
      last = *day;
      return Only(*day);
    });
    if (!next) return days;
    days |= *next;
  }
}

// 1号, the 1st, the last day: what a month's rule falls on.
bool ParseMonthDay(Cursor& cursor, Rule& rule) {
  if (cursor.AcceptAny({"最后一天", "月底", "底", "the last day", "last day"})) {
    rule.month_day = -1;
    return true;
  }
  cursor.AcceptAny({"on the", "the"});
  if (const auto ordinal = cursor.Try(ParseOrdinal)) {
    if (*ordinal > 31) return false;
    if (const auto weekday = cursor.Try(ParseEnglishWeekday)) {
      if (*ordinal > 5) return false;
      rule.nth = static_cast<int>(*ordinal);
      rule.days = Only(weekday->iso_encoding());
      return true;
    }
    rule.month_day = static_cast<int>(*ordinal);
    return true;
  }
  if (cursor.Accept("第")) {
    const auto nth = ParseChineseCardinal(cursor);
    if (!nth || *nth < 1 || *nth > 5 || !cursor.Accept("个")) return false;
    const auto weekday = ParseChineseWeekday(cursor);
    if (!weekday) return false;
    rule.nth = static_cast<int>(*nth);
    rule.days = Only(weekday->iso_encoding());
    return true;
  }
  const auto number = ParseCardinal(cursor);
  if (!number || *number < 1 || *number > 31 || !cursor.AcceptAny({"号", "日"})) return false;
  rule.month_day = static_cast<int>(*number);
  return true;
}

// 5月1号 after 每年.
bool ParseYearDay(Cursor& cursor, Rule& rule) {
  const auto month = ParseCardinal(cursor);
  if (!month || *month < 1 || *month > 12 || !cursor.Accept("月")) return false;
  rule.month = static_cast<unsigned>(*month);
  constexpr int kLeapYear = 2024;
  return ParseMonthDay(cursor, rule) && rule.month_day > 0 &&
         MakeDay(kLeapYear, rule.month, static_cast<unsigned>(rule.month_day)).has_value();
}

std::optional<Rule> ParseUnit(Cursor& cursor) {
  constexpr std::int64_t kIntervalMax = 1000;
  int interval = 1;
  // 每隔一天 skips one; of 每隔两天 speakers disagree, but with hours it is every second one.
  const bool skipping = cursor.Accept("隔");
  if (const auto count = cursor.Try(ParseCardinal)) {
    if (*count < 1 || *count > kIntervalMax) return std::nullopt;
    interval = static_cast<int>(*count);
  } else if (cursor.AcceptAny({"other", "second"})) {
    interval = 2;
  }
  if (const auto days = cursor.Try(ParseDays)) {
    return skipping ? std::nullopt : std::optional(Weekly(*days, interval));
  }
  auto rule = cursor.AcceptOneOf(kUnits);
  if (!rule) return std::nullopt;
  if (skipping && rule->frequency >= Frequency::kDaily) {
    if (interval != 1) return std::nullopt;
    interval = 2;
  }
  rule->interval *= interval;
  return rule;
}

std::optional<Rule> ParseEvery(Cursor& cursor) {
  if (!cursor.AcceptAny({"每逢", "每", "every", "each", "on every", "on each"})) return std::nullopt;
  const Cursor start = cursor;
  cursor.Accept("个");
  if (const auto fixed = cursor.Try([](Cursor& c) { return c.AcceptOneOf(kFixed); })) return fixed;
  if (const auto part = cursor.Try(ParseDayPart)) return Rule{};
  if (const auto days = cursor.Try(ParseDays)) return Weekly(*days);
  cursor = start;
  if (const auto ordinal = cursor.Try([](Cursor& c) -> std::optional<Rule> {
        Rule rule{.frequency = Frequency::kMonthly};
        if (!ParseMonthDay(c, rule) || !c.AcceptAny({"of the month", "of each month"})) return std::nullopt;
        return rule;
      })) {
    return ordinal;
  }
  auto rule = ParseUnit(cursor);
  if (!rule || cursor.AtEnd()) return rule;
  const Rule whole = *rule;
  cursor.Try([&](Cursor& c) {
    c.Accept("的");
    const bool more = rule->frequency == Frequency::kMonthly  ? ParseMonthDay(c, *rule)
                      : rule->frequency == Frequency::kYearly ? ParseYearDay(c, *rule)
                                                              : false;
    if (!more) rule = whole;
    return more;
  });
  return rule;
}

// "the 1st of every month".
std::optional<Rule> ParseOfEvery(Cursor& cursor) {
  Rule rule{.frequency = Frequency::kMonthly};
  if (!ParseMonthDay(cursor, rule) || !cursor.AcceptAny({"of every month", "of each month", "every month"})) {
    return std::nullopt;
  }
  return rule;
}

std::optional<Rule> ParseRule(Cursor& cursor) {
  if (const auto every = cursor.Try(ParseEvery)) return every;
  if (const auto of_every = cursor.Try(ParseOfEvery)) return of_every;
  if (const auto fixed = cursor.AcceptOneOf(kFixed)) return fixed;
  cursor.AcceptAny({"on", "from", "从"});
  if (const auto fixed = cursor.AcceptOneOf(kFixed)) return fixed;
  // Days without 每 recur when there are several, or when English says them in the plural.
  Cursor ahead = cursor;
  const bool plural = ahead.AcceptOneOf(kPlurals).has_value();
  const auto days = ParseDays(cursor);
  if (!days || (!plural && (*days & (*days - 1)) == 0)) return std::nullopt;
  return Weekly(*days);
}

void AppendInteger(int number, std::string& out) {
  std::array<char, 12> digits;
  out.append(digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr);
}

}  // namespace

bool AppendRecurrence(Cursor cursor, std::string& out) {
  const auto rule = ParseRule(cursor);
  if (!rule) return false;
  cursor.Try(ParseTrailingDayPart);  // 每天早上: the hour is a time's.
  if (!cursor.AtEnd()) return false;
  out += "FREQ=";
  out += kFrequencies[static_cast<std::size_t>(rule->frequency)];
  const auto append = [&out](std::string_view key, int number) {
    out += key;
    AppendInteger(number, out);
  };
  if (rule->interval != 1) append(";INTERVAL=", rule->interval);
  if (rule->month != 0) append(";BYMONTH=", static_cast<int>(rule->month));
  if (rule->month_day != 0) append(";BYMONTHDAY=", rule->month_day);
  bool first = true;
  for (unsigned day = 0; day < kDayCodes.size(); ++day) {
    if ((rule->days >> day & 1) == 0) continue;
    out += first ? ";BYDAY=" : ",";
    if (rule->nth != 0) AppendInteger(rule->nth, out);
    out += kDayCodes[day];
    first = false;
  }
  return true;
}

}  // namespace loquat::understanding
