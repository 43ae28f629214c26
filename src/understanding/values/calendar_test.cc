#include "understanding/values/calendar.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <numbers>
#include <utility>

#include "understanding/values/holidays.h"

namespace loquat::understanding {
namespace {

namespace chr = std::chrono;

Day Date(int year, unsigned month, unsigned day) {
  return *MakeDay(year, month, day);
}

double Sine(double degrees) {
  return std::sin(degrees * std::numbers::pi / 180);
}

constexpr double kDynamicalMinusUniversalSeconds = 70;  // Within a few seconds in these decades.

// The day at UTC+8 of a dynamical Julian date.
Day DayInChina(double julian) {
  constexpr double kEpoch = 2440587.5;  // 1970-01-01.
  return Day(
      chr::days(static_cast<int>(std::floor(julian - kEpoch - kDynamicalMinusUniversalSeconds / 86400 + 8.0 / 24))));
}

// Meeus, Astronomical Algorithms, chapter 49: the largest terms, good to about a minute; k counts from January 2000.
double NewMoon(int k) {
  const double t = k / 1236.85, e = 1 - 0.002516 * t;
  const double sun = 2.5534 + 29.10535670 * k, moon = 201.5643 + 385.81693528 * k + 0.0107582 * t * t;
  const double latitude = 160.7108 + 390.67050284 * k - 0.0016118 * t * t, node = 124.7746 - 1.56375588 * k;
  double day = 2451550.09766 + 29.530588861 * k + 0.00015437 * t * t;
  day += -0.40720 * Sine(moon) + 0.17241 * e * Sine(sun) + 0.01608 * Sine(2 * moon) + 0.01039 * Sine(2 * latitude);
  day += 0.00739 * e * Sine(moon - sun) - 0.00514 * e * Sine(moon + sun) + 0.00208 * e * e * Sine(2 * sun);
  day += -0.00111 * Sine(moon - 2 * latitude) - 0.00057 * Sine(moon + 2 * latitude);
  day += 0.00056 * e * Sine(2 * moon + sun) - 0.00042 * Sine(3 * moon) + 0.00042 * e * Sine(sun + 2 * latitude);
  day += 0.00038 * e * Sine(sun - 2 * latitude) - 0.00024 * e * Sine(2 * moon - sun) - 0.00017 * Sine(node);
  return day + 0.000325 * Sine(299.77 + 0.107408 * k);
}

bool IsNewMoonDay(Day day) {
  const int k = static_cast<int>(std::lround((day - Date(2000, 1, 6)).count() / 29.530588861));
  for (int near = k - 1; near <= k + 1; ++near) {
    if (DayInChina(NewMoon(near)) == day) return true;
  }
  return false;
}

// Chapter 25, low accuracy: 0.01 degrees, a quarter of an hour of the sun's way.
double SunLongitude(double julian) {
  const double t = (julian - 2451545) / 36525, m = 357.52911 + 35999.05029 * t;
  const double center = (1.914602 - 0.004817 * t) * Sine(m) + 0.019993 * Sine(2 * m) + 0.000289 * Sine(3 * m);
  const double longitude = 280.46646 + 36000.76983 * t + center - 0.00569 - 0.00478 * Sine(125.04 - 1934.136 * t);
  return longitude - 360 * std::floor(longitude / 360);
}

// How far the sun has come past `degrees` when this day begins in China; between -180 and 180.
double PastLongitude(Day day, double degrees) {
  const double julian = 2440587.5 + static_cast<double>(day.time_since_epoch().count()) - 8.0 / 24 +
                        kDynamicalMinusUniversalSeconds / 86400;
  const double past = SunLongitude(julian) - degrees;
  return past - 360 * std::floor(past / 360 + 0.5);
}

TEST(Calendar, FestivalsAreWhereTheMoonPutsThem) {
  constexpr std::array<std::pair<ChineseFestival, int>, 6> kDayOfMonth = {{{ChineseFestival::kLaba, 8},
                                                                           {ChineseFestival::kSpring, 1},
                                                                           {ChineseFestival::kDragonBoat, 5},
                                                                           {ChineseFestival::kQixi, 7},
                                                                           {ChineseFestival::kMidAutumn, 15},
                                                                           {ChineseFestival::kDoubleNinth, 9}}};
  for (int year = kFestivalYearMin; year <= kFestivalYearMax; ++year) {
    for (const auto& [festival, number] : kDayOfMonth) {
      const Day day = *FestivalDay(festival, year);
      EXPECT_TRUE(IsNewMoonDay(day - chr::days(number - 1))) << year << " " << static_cast<int>(festival);
    }
    // Their months lie in their season: 雨水, at 330 degrees, falls into the first month of the year, 秋分 into the
    // eighth.
    const Day spring = *FestivalDay(ChineseFestival::kSpring, year);
    // In 2034, after the leap month of 2033, 雨水 comes on the eve already.
    EXPECT_LE(PastLongitude(spring, 330), year == 2034 ? 1 : 0) << year;
    EXPECT_GT(PastLongitude(spring + chr::days(30), 330), 0) << year;
    const Day eighth_month = *FestivalDay(ChineseFestival::kMidAutumn, year) - chr::days(14);
    EXPECT_LE(PastLongitude(eighth_month, 180), 0) << year;
    EXPECT_GT(PastLongitude(eighth_month + chr::days(30), 180), 0) << year;
  }
}

TEST(Calendar, SolarTermsAreWhereTheSunPutsThem) {
  constexpr double kSlack = 0.012;  // The error of the sun's longitude here.
  constexpr std::array<std::pair<ChineseFestival, double>, 3> kTerms = {{{ChineseFestival::kStartOfSpring, 315},
                                                                         {ChineseFestival::kQingming, 15},
                                                                         {ChineseFestival::kWinterSolstice, 270}}};
  for (int year = kFestivalYearMin; year <= kFestivalYearMax; ++year) {
    for (const auto& [term, degrees] : kTerms) {
      const Day day = *FestivalDay(term, year);
      EXPECT_LE(PastLongitude(day, degrees), kSlack) << year;
      EXPECT_GE(PastLongitude(day + chr::days(1), degrees), -kSlack) << year;
    }
  }
}

TEST(Calendar, FestivalsEndWithTheTable) {
  EXPECT_EQ(FestivalDay(ChineseFestival::kSpring, 2020), Date(2020, 1, 25));
  EXPECT_EQ(FestivalDay(ChineseFestival::kSpring, 2040), Date(2040, 2, 12));
  EXPECT_EQ(FestivalDay(ChineseFestival::kLaba, 2023), Date(2022, 12, 30));
  EXPECT_FALSE(FestivalDay(ChineseFestival::kSpring, 2019).has_value());
  EXPECT_FALSE(FestivalDay(ChineseFestival::kSpring, 2041).has_value());
}

TEST(Calendar, EasterIsTheSundayAfterTheSpringMoon) {
  for (const Day day : {Date(2000, 4, 23), Date(2008, 3, 23), Date(2011, 4, 24), Date(2019, 4, 21), Date(2024, 3, 31),
                        Date(2025, 4, 20), Date(2026, 4, 5), Date(2027, 3, 28), Date(2038, 4, 25)}) {
    EXPECT_EQ(EasterSunday(static_cast<int>(CalendarDate(day).year())), day);
  }
  for (int year = 1900; year < 2200; ++year) EXPECT_EQ(chr::weekday(EasterSunday(year)), chr::Sunday) << year;
}

TEST(Calendar, MonthsEndWhereTheyEnd) {
  EXPECT_EQ(AddMonths(Date(2026, 1, 31), 1), Date(2026, 2, 28));
  EXPECT_EQ(AddMonths(Date(2024, 1, 31), 1), Date(2024, 2, 29));
  EXPECT_EQ(AddMonths(Date(2026, 1, 31), -2), Date(2025, 11, 30));
  EXPECT_EQ(AddMonths(Date(2024, 2, 29), 12), Date(2025, 2, 28));
  EXPECT_EQ(EndOfMonth(Date(2028, 2, 1)), Date(2028, 2, 29));
  EXPECT_EQ(NextDayOfMonth(Date(2026, 2, 1), 31), Date(2026, 3, 31));
  EXPECT_FALSE(NextDayOfMonth(Date(2026, 2, 1), 32).has_value());
  EXPECT_EQ(NextMonthDay(Date(2026, 3, 1), 2, 29), Date(2028, 2, 29));
  EXPECT_EQ(NextMonthDay(Date(2096, 3, 1), 2, 29), Date(2104, 2, 29));
  EXPECT_FALSE(NextMonthDay(Date(2026, 3, 1), 2, 30).has_value());
  EXPECT_FALSE(MakeDay(2026, 13, 1).has_value());
}

TEST(Calendar, WeeksStartOnMonday) {
  for (int offset = 0; offset < 7; ++offset) {
    const Day day = Date(2026, 11, 16) + chr::days(offset);
    EXPECT_EQ(StartOfWeek(day), Date(2026, 11, 16));
    EXPECT_EQ(OnOrAfter(day, chr::weekday(day)), day);
    EXPECT_EQ(OnOrAfter(day, chr::Monday), offset == 0 ? day : Date(2026, 11, 23));
  }
}

TEST(Holidays, RollForwardAndHaveAnEnd) {
  Cursor cursor("国庆");
  const auto holiday = ParseHoliday(cursor);
  ASSERT_TRUE(holiday.has_value());
  EXPECT_EQ(NextHoliday(*holiday, Date(2026, 10, 1)), Date(2026, 10, 1));
  EXPECT_EQ(NextHoliday(*holiday, Date(2026, 10, 2)), Date(2027, 10, 1));
  EXPECT_EQ(NextHoliday(*holiday, Date(2026, 10, 7), 7), Date(2026, 10, 1));
  EXPECT_EQ(NextHoliday(*holiday, Date(2026, 10, 8), 7), Date(2027, 10, 1));
  Cursor spring("春节");
  EXPECT_FALSE(NextHoliday(*ParseHoliday(spring), Date(2040, 3, 1)).has_value());
}

}  // namespace
}  // namespace loquat::understanding
