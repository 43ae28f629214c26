// Arithmetic on calendar days, and the days that move: Easter, festivals of the Chinese calendar, solar terms.
// Pure functions; proleptic Gregorian calendar (ISO 8601), weeks start on Monday. A Day has no time zone: it is the day
// that the user's wall shows.

#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace loquat::understanding {

using Day = std::chrono::sys_days;

// Nothing when there is no such day (30 February).
std::optional<Day> MakeDay(int year, unsigned month, unsigned day);
std::chrono::year_month_day CalendarDate(Day day);

Day StartOfWeek(Day day);                              // Its Monday.
Day OnOrAfter(Day day, std::chrono::weekday weekday);  // The first such weekday.
Day AddMonths(Day day, int months);                    // The same day of the month, or that month's last.
Day StartOfMonth(Day day);
Day EndOfMonth(Day day);

// The first day on or after `from` with this number in its month, or this month and number. Within 8 years for the 29th
// of February; nothing when no month has such a day.
std::optional<Day> NextDayOfMonth(Day from, unsigned day);
std::optional<Day> NextMonthDay(Day from, unsigned month, unsigned day);

// Meeus, Astronomical Algorithms, 2nd ed., chapter 8 ("anonymous Gregorian computus").
Day EasterSunday(int year);

// Festivals that follow the moon or the sun in China (UTC+8), from a table.
enum class ChineseFestival : std::uint8_t {
  kLaba,         // 8th day of the 12th month, before that year's spring festival.
  kSpring,       // 1st day of the 1st month.
  kDragonBoat,   // 5th of the 5th.
  kQixi,         // 7th of the 7th.
  kMidAutumn,    // 15th of the 8th.
  kDoubleNinth,  // 9th of the 9th.
  kStartOfSpring,
  kQingming,
  kWinterSolstice,
};
inline constexpr int kFestivalYearMin = 2020;
inline constexpr int kFestivalYearMax = 2040;
// Nothing outside kFestivalYearMin to kFestivalYearMax.
std::optional<Day> FestivalDay(ChineseFestival festival, int year);

void AppendDay(Day day, std::string& out);                // "2026-11-22"
void AppendTwoDigits(unsigned number, std::string& out);  // REQUIRES: number < 100.

}  // namespace loquat::understanding
