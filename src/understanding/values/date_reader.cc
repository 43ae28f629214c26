#include "understanding/values/date_reader.h"

#include <array>

#include "understanding/values/numerals.h"

namespace loquat::understanding {

namespace chr = std::chrono;

namespace {

struct OffsetWord {
  std::int8_t days;
  DayPart part = DayPart::kNone;
};

constexpr auto kOffsetWords = std::to_array<Word<OffsetWord>>({
    {"今天", {0}},
    {"今日", {0}},
    {"今儿", {0}},
    {"今儿个", {0}},
    {"现在", {0}},
    {"今晚", {0, DayPart::kTonight}},
    {"今夜", {0, DayPart::kTonight}},
    {"今早", {0, DayPart::kMorning}},
    {"明天", {1}},
    {"明日", {1}},
    {"明儿", {1}},
    {"明儿个", {1}},
    {"次日", {1}},
    {"翌日", {1}},
    {"明早", {1, DayPart::kMorning}},
    {"明晨", {1, DayPart::kMorning}},
    {"明晚", {1, DayPart::kTonight}},
    {"后天", {2}},
    {"后儿", {2}},
    {"后日", {2}},
    {"大后天", {3}},
    {"大大后天", {4}},
    {"昨天", {-1}},
    {"昨日", {-1}},
    {"昨儿", {-1}},
    {"昨晚", {-1, DayPart::kTonight}},
    {"昨夜", {-1, DayPart::kTonight}},
    {"前天", {-2}},
    {"前日", {-2}},
    {"前晚", {-2, DayPart::kTonight}},
    {"大前天", {-3}},
    {"today", {0}},
    {"now", {0}},
    {"right now", {0}},
    {"tonight", {0, DayPart::kTonight}},
    {"tonite", {0, DayPart::kTonight}},
    {"this morning", {0, DayPart::kMorning}},
    {"this afternoon", {0, DayPart::kAfternoon}},
    {"this evening", {0, DayPart::kEvening}},
    {"tomorrow", {1}},
    {"tmrw", {1}},
    {"tmr", {1}},
    {"tomorow", {1}},
    {"tommorow", {1}},
    {"the next day", {1}},
    {"the following day", {1}},
    {"day after tomorrow", {2}},
    {"the day after tomorrow", {2}},
    {"day after", {2}},
    {"the day after", {2}},
    {"yesterday", {-1}},
    {"last night", {-1, DayPart::kNight}},
    {"day before yesterday", {-2}},
    {"the day before yesterday", {-2}},
});

// What may follow a day and moves it.
constexpr auto kShifts = std::to_array<Word<int>>({{"当天", 0},
                                                   {"当日", 0},
                                                   {"那天", 0},
                                                   {"那一天", 0},
                                                   {"这天", 0},
                                                   {"前一天", -1},
                                                   {"前夕", -1},
                                                   {"前一晚", -1},
                                                   {"后一天", 1},
                                                   {"第二天", 1}});

// 十一 is a holiday, but 十一月, 十一点 and 十一号 are not.
bool GoesOnAsNumber(const Cursor& cursor) {
  for (const std::string_view next : {"月", "点", "号", "日", "天", "年", "个", "分", "时", "小", "周", "秒", "星"}) {
    if (cursor.rest().starts_with(next)) return true;
  }
  return false;
}

}  // namespace

std::optional<DateValue> DateReader::Read(Cursor& cursor) const {
  if (!context_.chinese) cursor.Accept("on");
  static constexpr std::array kReaders = {&DateReader::ReadNumeric,         &DateReader::ReadHoliday,
                                          &DateReader::ReadEnglishRelative, &DateReader::ReadOffsetWord,
                                          &DateReader::ReadChinese,         &DateReader::ReadEnglish};
  for (const auto reader : kReaders) {
    const auto read = [this, reader](Cursor& c) { return (this->*reader)(c); };
    if (auto date = cursor.Try(read)) return Shifted(cursor, *date);
  }
  return std::nullopt;
}

std::optional<DateValue> DateReader::Shifted(Cursor& cursor, DateValue date) const {
  if (date.form != DateValue::Form::kDay) return date;
  cursor.Try([&](Cursor& c) {
    c.Accept("的");
    const auto shift = c.AcceptOneOf(kShifts);
    if (shift) date.first = date.last = date.first + chr::days(*shift);
    return shift;
  });
  if (date.part == DayPart::kNone) date.part = cursor.Try(ParseTrailingDayPart).value_or(DayPart::kNone);
  return date;
}

std::optional<DateValue> DateReader::ReadNumeric(Cursor& cursor) const {
  if (const auto dashed = cursor.Try([this](Cursor& c) { return ReadDashed(c); })) return dashed;
  return ReadSlashed(cursor);
}

std::optional<DateValue> DateReader::ReadDashed(Cursor& cursor) const {
  if (const auto compact = cursor.Try([](Cursor& c) { return c.AcceptDigits(8); }); compact && compact->count == 8) {
    const int year = static_cast<int>(compact->value / 10'000);
    if (year < kYearMin || year > kYearMax) return std::nullopt;
    return MonthDay(year, static_cast<unsigned>(compact->value / 100 % 100),
                    static_cast<unsigned>(compact->value % 100));
  } else if (compact && compact->count == 4) {
    const int year = static_cast<int>(compact->value);
    if (year < kYearMin || year > kYearMax) return std::nullopt;
    for (const std::string_view separator : {"-", "/", "."}) {
      if (!cursor.AcceptPrefix(separator)) continue;
      const auto month = cursor.AcceptDigits(2);
      if (!month || month->value < 1 || month->value > 12) return std::nullopt;
      if (!cursor.AcceptPrefix(separator)) return WholeMonth(year, static_cast<unsigned>(month->value));
      const auto day = cursor.AcceptDigits(2);
      if (!day) return std::nullopt;
      return MonthDay(year, static_cast<unsigned>(month->value), static_cast<unsigned>(day->value));
    }
    if (cursor.AtEnd()) return WholeYear(year);
  }
  return std::nullopt;
}

std::optional<DateValue> DateReader::ReadSlashed(Cursor& cursor) const {
  const auto first = cursor.AcceptDigits(2);
  if (!first || !cursor.AcceptPrefix("/")) return std::nullopt;
  const auto second = cursor.AcceptDigits(2);
  if (!second) return std::nullopt;
  std::optional<int> year;
  if (cursor.AcceptPrefix("/")) {
    const auto digits = cursor.AcceptDigits(4);
    if (!digits || (digits->count != 2 && digits->count != 4)) return std::nullopt;
    year = static_cast<int>(digits->count == 2 ? 2000 + digits->value : digits->value);
    if (*year < kYearMin || *year > kYearMax) return std::nullopt;
  }
  const bool day_first = first->value > 12;  // 25/12 can only be Christmas.
  const auto month = static_cast<unsigned>(day_first ? second->value : first->value);
  const auto day = static_cast<unsigned>(day_first ? first->value : second->value);
  return MonthDay(year, month, day);
}

std::optional<DateValue> DateReader::ReadOffsetWord(Cursor& cursor) const {
  const auto word = cursor.AcceptOneOf(kOffsetWords);
  if (!word) return std::nullopt;
  auto date = FromToday(word->days);
  if (date) date->part = word->part;
  return date;
}

std::optional<DateValue> DateReader::ReadHoliday(Cursor& cursor) const {
  enum class Which : std::uint8_t { kComing, kNext, kLast };
  Which which = Which::kComing;
  std::optional<int> year = cursor.Try([this](Cursor& c) { return ReadChineseYear(c); });
  if (!year) {
    if (cursor.Accept("next"))
      which = Which::kNext;
    else if (cursor.AcceptAny({"last", "past"}))
      which = Which::kLast;
    else
      cursor.AcceptAny({"this coming", "this", "the", "coming"});
  }
  const auto holiday = ParseHoliday(cursor);
  if (!holiday || GoesOnAsNumber(cursor)) return std::nullopt;
  if (!year) year = cursor.Try([this](Cursor& c) { return ReadEnglishYear(c); });
  if (year || which == Which::kComing) return HolidayValue(cursor, *holiday, year);
  if (!context_.today) return std::nullopt;
  auto day = NextHoliday(*holiday, *context_.today + chr::days(1));
  if (which == Which::kLast) {
    const int this_year = static_cast<int>(CalendarDate(*context_.today).year());
    day = HolidayIn(*holiday, this_year);
    if (day && *day >= *context_.today) day = HolidayIn(*holiday, this_year - 1);
  }
  if (!day) return std::nullopt;
  return OneDay(*day);
}

std::optional<DateValue> DateReader::HolidayValue(Cursor& cursor, const Holiday& holiday,
                                                  std::optional<int> year) const {
  const bool whole =
      cursor.AcceptAny({"假期", "长假", "小长假", "黄金周", "期间", "放假", "holiday", "holidays", "break"});
  // 春节假期 begins on the eve, which the table counts with 除夕.
  const bool spring = holiday.rule == Holiday::Rule::kFestival && holiday.festival == ChineseFestival::kSpring;
  const int length = whole ? holiday.off_days : 1;
  Holiday first = holiday;
  if (length > 1 && spring) first.offset = -1;
  const auto base = from();
  const auto day = year ? HolidayIn(first, *year) : base ? NextHoliday(first, *base, length) : std::nullopt;
  if (!day) return std::nullopt;
  return length > 1 ? Range(*day, *day + chr::days(length - 1)) : OneDay(*day);
}

std::optional<DateValue> DateReader::FromToday(int days) const {
  if (!context_.today) return std::nullopt;
  return OneDay(*context_.today + chr::days(days));
}

std::optional<DateValue> DateReader::Week(int weeks) const {
  if (!context_.today) return std::nullopt;
  const Day monday = StartOfWeek(*context_.today) + chr::days(7 * weeks);
  return Range(monday, monday + chr::days(6));
}

std::optional<DateValue> DateReader::Weekend(int weeks) const {
  const auto week = Week(weeks);
  if (!week) return std::nullopt;
  return Range(week->first + chr::days(5), week->last);
}

std::optional<DateValue> DateReader::MonthDay(std::optional<int> year, unsigned month, unsigned day) const {
  if (month < 1 || month > 12 || day < 1 || day > 31) return std::nullopt;
  const auto base = from();
  const auto found = year ? MakeDay(*year, month, day) : base ? NextMonthDay(*base, month, day) : std::nullopt;
  if (!found) return std::nullopt;
  return OneDay(*found);
}

std::optional<DateValue> DateReader::WholeMonth(std::optional<int> year, unsigned month) const {
  if (month < 1 || month > 12) return std::nullopt;
  if (!year) {
    const auto base = from();
    if (!base) return std::nullopt;
    const chr::year_month_day date = CalendarDate(*base);
    year = static_cast<int>(date.year()) + (month < static_cast<unsigned>(date.month()) ? 1 : 0);
  }
  const Day first = *MakeDay(*year, month, 1);
  return DateValue{.form = DateValue::Form::kMonth, .first = first, .last = EndOfMonth(first)};
}

std::optional<DateValue> DateReader::MonthFromNow(int months) const {
  if (!context_.today) return std::nullopt;
  const Day first = AddMonths(StartOfMonth(*context_.today), months);
  return DateValue{.form = DateValue::Form::kMonth, .first = first, .last = EndOfMonth(first)};
}

DateValue DateReader::WholeYear(int year) {
  return {.form = DateValue::Form::kYear, .first = *MakeDay(year, 1, 1), .last = *MakeDay(year, 12, 31)};
}

std::optional<int> DateReader::YearFromNow(int years) const {
  if (!context_.today) return std::nullopt;
  return static_cast<int>(CalendarDate(*context_.today).year()) + years;
}

std::optional<DateValue> DateReader::NextNamedDay(Weekday weekday) const {
  const auto base = from();
  if (!base) return std::nullopt;
  return OneDay(OnOrAfter(*base, weekday));
}

}  // namespace loquat::understanding
