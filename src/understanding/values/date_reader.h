// The grammar of dates, split over date_reader.cc (what both languages share), date_chinese.cc and date_english.cc.
// Internal to dates. A value on the stack; views the cursor and the context it was made with.

#pragma once

#include <chrono>
#include <optional>

#include "understanding/values/dates.h"
#include "understanding/values/holidays.h"

namespace loquat::understanding {

class DateReader {
 public:
  explicit DateReader(const DateContext& context) : context_(context) {}

  std::optional<DateValue> Read(Cursor& cursor) const;

 private:
  using Weekday = std::chrono::weekday;
  struct YearMonth {
    int year;
    unsigned month;
  };

  // date_reader.cc
  std::optional<DateValue> ReadNumeric(Cursor& cursor) const;  // 2026-11-22, 11/3, 11/3/2027, 20261122
  std::optional<DateValue> ReadDashed(Cursor& cursor) const;
  std::optional<DateValue> ReadSlashed(Cursor& cursor) const;
  std::optional<DateValue> ReadHoliday(Cursor& cursor) const;  // 明年国庆, Christmas 2027, next Easter
  std::optional<DateValue> HolidayValue(Cursor& cursor, const Holiday& holiday, std::optional<int> year) const;
  std::optional<DateValue> ReadOffsetWord(Cursor& cursor) const;           // 明天, tomorrow
  std::optional<DateValue> Shifted(Cursor& cursor, DateValue date) const;  // …前一天, …后三天

  // date_chinese.cc
  std::optional<DateValue> ReadChinese(Cursor& cursor) const;
  std::optional<DateValue> ReadChineseWeek(Cursor& cursor) const;
  std::optional<DateValue> ReadChineseRelative(Cursor& cursor) const;
  std::optional<DateValue> ReadChineseCalendar(Cursor& cursor) const;
  std::optional<DateValue> ReadChineseMonthPart(Cursor& cursor, YearMonth month, bool rolls) const;
  std::optional<int> ReadChineseYear(Cursor& cursor) const;

  // date_english.cc
  std::optional<DateValue> ReadEnglish(Cursor& cursor) const;
  std::optional<DateValue> ReadEnglishWeekday(Cursor& cursor) const;
  std::optional<DateValue> ReadEnglishUnit(Cursor& cursor) const;      // this weekend, next month
  std::optional<DateValue> ReadEnglishRelative(Cursor& cursor) const;  // in three days, a week from Friday
  std::optional<DateValue> ReadEnglishCalendar(Cursor& cursor) const;  // Nov 3rd, the 5th
  std::optional<DateValue> ReadEnglishEdge(Cursor& cursor) const;      // the end of the month
  std::optional<int> ReadEnglishYear(Cursor& cursor) const;            // ", 2027" after a date
  std::optional<unsigned> ReadEnglishDayNumber(Cursor& cursor, bool bare) const;

  // Values.
  std::optional<Day> from() const { return context_.from ? context_.from : context_.today; }
  static DateValue OneDay(Day day) { return {.first = day, .last = day}; }
  static DateValue Range(Day first, Day last) {
    return {.form = DateValue::Form::kRange, .first = first, .last = last};
  }
  std::optional<DateValue> FromToday(int days) const;
  std::optional<DateValue> Week(int weeks) const;  // Monday to Sunday of the week that many weeks from this one.
  std::optional<DateValue> Weekend(int weeks) const;
  std::optional<DateValue> MonthDay(std::optional<int> year, unsigned month, unsigned day) const;
  std::optional<DateValue> WholeMonth(std::optional<int> year, unsigned month) const;
  std::optional<DateValue> MonthFromNow(int months) const;
  static DateValue WholeYear(int year);
  std::optional<int> YearFromNow(int years) const;
  std::optional<DateValue> NextNamedDay(Weekday weekday) const;

  const DateContext& context_;
};

// The months by name, with their abbreviations: 1 to 12.
std::optional<unsigned> ParseEnglishMonth(Cursor& cursor);
// A weekday's name, with no word before it.
std::optional<std::chrono::weekday> ParseEnglishWeekday(Cursor& cursor);
std::optional<std::chrono::weekday> ParseChineseWeekday(Cursor& cursor);

}  // namespace loquat::understanding
