#include "understanding/values/calendar.h"

#include <array>
#include <cstddef>

namespace loquat::understanding {

namespace chr = std::chrono;

namespace {

constexpr int kYearsToLeapDay = 8;  // From 1896 to 1904 there was none.

// Month * 100 + day, by year from kFestivalYearMin and ChineseFestival. A day of December under kLaba belongs to the
// year before. From the moon's phases (Meeus, chapter 49) and the sun's longitude (chapter 25) at UTC+8, by the rules
// of GB/T 33661-2017; calendar_test.cc computes them again.
constexpr std::array<std::array<std::uint16_t, 9>, kFestivalYearMax - kFestivalYearMin + 1> kFestivals = {{
    {102, 125, 625, 825, 1001, 1025, 204, 404, 1221},  // 2020
    {120, 212, 614, 814, 921, 1014, 203, 404, 1221},   // 2021
    {110, 201, 603, 804, 910, 1004, 204, 405, 1222},   // 2022
    {1230, 122, 622, 822, 929, 1023, 204, 405, 1222},  // 2023
    {118, 210, 610, 810, 917, 1011, 204, 404, 1221},   // 2024
    {107, 129, 531, 829, 1006, 1029, 203, 404, 1221},  // 2025
    {126, 217, 619, 819, 925, 1018, 204, 405, 1222},   // 2026
    {115, 206, 609, 808, 915, 1008, 204, 405, 1222},   // 2027
    {104, 126, 528, 826, 1003, 1026, 204, 404, 1221},  // 2028
    {122, 213, 616, 816, 922, 1016, 203, 404, 1221},   // 2029
    {111, 203, 605, 805, 912, 1005, 204, 405, 1222},   // 2030
    {101, 123, 624, 824, 1001, 1024, 204, 405, 1222},  // 2031
    {120, 211, 612, 812, 919, 1012, 204, 404, 1221},   // 2032
    {108, 131, 601, 801, 908, 1001, 203, 404, 1221},   // 2033
    {127, 219, 620, 820, 927, 1020, 204, 405, 1222},   // 2034
    {116, 208, 610, 810, 916, 1009, 204, 405, 1222},   // 2035
    {105, 128, 530, 828, 1004, 1027, 204, 404, 1221},  // 2036
    {123, 215, 618, 817, 924, 1017, 203, 404, 1221},   // 2037
    {112, 204, 607, 807, 913, 1007, 204, 405, 1222},   // 2038
    {102, 124, 527, 826, 1002, 1026, 204, 405, 1222},  // 2039
    {121, 212, 614, 814, 920, 1014, 204, 404, 1221},   // 2040
}};

}  // namespace

std::optional<Day> MakeDay(int year, unsigned month, unsigned day) {
  const chr::year_month_day date{chr::year(year), chr::month(month), chr::day(day)};
  if (!date.ok()) return std::nullopt;
  return Day(date);
}

chr::year_month_day CalendarDate(Day day) {
  return chr::year_month_day(day);
}

Day StartOfWeek(Day day) {
  return day - (chr::weekday(day) - chr::Monday);
}

Day OnOrAfter(Day day, chr::weekday weekday) {
  return day + (weekday - chr::weekday(day));
}

Day AddMonths(Day day, int months) {
  const chr::year_month_day date(day);
  const chr::year_month month = chr::year_month(date.year(), date.month()) + chr::months(months);
  const chr::year_month_day moved = month / date.day();
  return moved.ok() ? Day(moved) : Day(month / chr::last);
}

Day StartOfMonth(Day day) {
  const chr::year_month_day date(day);
  return Day(date.year() / date.month() / 1);
}

Day EndOfMonth(Day day) {
  const chr::year_month_day date(day);
  return Day(date.year() / date.month() / chr::last);
}

std::optional<Day> NextDayOfMonth(Day from, unsigned day) {
  const chr::year_month_day date(from);
  chr::year_month month(date.year(), date.month());
  for (int tries = 0; tries < 4; ++tries, month += chr::months(1)) {
    const chr::year_month_day candidate = month / chr::day(day);
    if (candidate.ok() && Day(candidate) >= from) return Day(candidate);
  }
  return std::nullopt;
}

std::optional<Day> NextMonthDay(Day from, unsigned month, unsigned day) {
  const int year = static_cast<int>(chr::year_month_day(from).year());
  for (int later = 0; later <= kYearsToLeapDay; ++later) {
    const auto candidate = MakeDay(year + later, month, day);
    if (candidate && *candidate >= from) return candidate;
  }
  return std::nullopt;
}

Day EasterSunday(int year) {
  const int a = year % 19, b = year / 100, c = year % 100, d = b / 4, e = b % 4, f = (b + 8) / 25;
  const int g = (b - f + 1) / 3, h = (19 * a + b - d - g + 15) % 30, i = c / 4, k = c % 4;
  const int l = (32 + 2 * e + 2 * i - h - k) % 7, m = (a + 11 * h + 22 * l) / 451, n = h + l - 7 * m + 114;
  return Day(chr::year(year) / chr::month(static_cast<unsigned>(n / 31)) / chr::day(static_cast<unsigned>(n % 31 + 1)));
}

std::optional<Day> FestivalDay(ChineseFestival festival, int year) {
  if (year < kFestivalYearMin || year > kFestivalYearMax) return std::nullopt;
  const unsigned date =
      kFestivals[static_cast<std::size_t>(year - kFestivalYearMin)][static_cast<std::size_t>(festival)];
  const bool year_before = festival == ChineseFestival::kLaba && date > 1200;
  return MakeDay(year_before ? year - 1 : year, date / 100, date % 100);
}

void AppendTwoDigits(unsigned number, std::string& out) {
  out += static_cast<char>('0' + number / 10 % 10);
  out += static_cast<char>('0' + number % 10);
}

void AppendDay(Day day, std::string& out) {
  const chr::year_month_day date(day);
  const auto year = static_cast<unsigned>(static_cast<int>(date.year()));
  AppendTwoDigits(year / 100, out);
  AppendTwoDigits(year % 100, out);
  out += '-';
  AppendTwoDigits(static_cast<unsigned>(date.month()), out);
  out += '-';
  AppendTwoDigits(static_cast<unsigned>(date.day()), out);
}

}  // namespace loquat::understanding
