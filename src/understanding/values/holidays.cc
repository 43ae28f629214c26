#include "understanding/values/holidays.h"

#include <array>
#include <chrono>

namespace loquat::understanding {

namespace chr = std::chrono;

namespace {

constexpr Holiday Fixed(int month, int day, int off_days = 1) {
  return {.month = static_cast<std::uint8_t>(month),
          .day = static_cast<std::uint8_t>(day),
          .off_days = static_cast<std::uint8_t>(off_days)};
}
constexpr int kLast = 5;
constexpr Holiday Nth(int nth, int weekday, int month, int offset = 0) {
  return {.rule = Holiday::Rule::kNth,
          .month = static_cast<std::uint8_t>(month),
          .day = static_cast<std::uint8_t>(nth),
          .weekday = static_cast<std::uint8_t>(weekday),
          .offset = static_cast<std::int8_t>(offset)};
}
constexpr Holiday Easter(int offset = 0) {
  return {.rule = Holiday::Rule::kEaster, .offset = static_cast<std::int8_t>(offset)};
}
constexpr Holiday Festival(ChineseFestival festival, int offset = 0, int off_days = 1) {
  return {.rule = Holiday::Rule::kFestival,
          .festival = festival,
          .offset = static_cast<std::int8_t>(offset),
          .off_days = static_cast<std::uint8_t>(off_days)};
}

using enum ChineseFestival;
constexpr int kSpringDaysOff = 8;  // From the eve to the seventh day.

constexpr Word<Holiday> kChinese[] = {
    {"元旦", Fixed(1, 1)},
    {"元旦节", Fixed(1, 1)},
    {"新年", Fixed(1, 1)},
    {"跨年", Fixed(12, 31)},
    {"跨年夜", Fixed(12, 31)},
    {"情人节", Fixed(2, 14)},
    {"妇女节", Fixed(3, 8)},
    {"三八节", Fixed(3, 8)},
    {"三八妇女节", Fixed(3, 8)},
    {"植树节", Fixed(3, 12)},
    {"愚人节", Fixed(4, 1)},
    {"五一", Fixed(5, 1, 5)},
    {"五一节", Fixed(5, 1, 5)},
    {"五一劳动节", Fixed(5, 1, 5)},
    {"劳动节", Fixed(5, 1, 5)},
    {"青年节", Fixed(5, 4)},
    {"五四青年节", Fixed(5, 4)},
    {"儿童节", Fixed(6, 1)},
    {"六一", Fixed(6, 1)},
    {"六一儿童节", Fixed(6, 1)},
    {"建军节", Fixed(8, 1)},
    {"教师节", Fixed(9, 10)},
    {"国庆", Fixed(10, 1, 7)},
    {"国庆节", Fixed(10, 1, 7)},
    {"十一国庆节", Fixed(10, 1, 7)},
    {"十一", Fixed(10, 1, 7)},
    {"万圣节", Fixed(10, 31)},
    {"双十一", Fixed(11, 11)},
    {"双11", Fixed(11, 11)},
    {"光棍节", Fixed(11, 11)},
    {"双十二", Fixed(12, 12)},
    {"双12", Fixed(12, 12)},
    {"平安夜", Fixed(12, 24)},
    {"圣诞夜", Fixed(12, 24)},
    {"圣诞", Fixed(12, 25)},
    {"圣诞节", Fixed(12, 25)},
    {"母亲节", Nth(2, 0, 5)},
    {"父亲节", Nth(3, 0, 6)},
    {"感恩节", Nth(4, 4, 11)},
    {"复活节", Easter()},
    {"腊八", Festival(kLaba)},
    {"腊八节", Festival(kLaba)},
    {"除夕", Festival(kSpring, -1, kSpringDaysOff)},
    {"除夕夜", Festival(kSpring, -1)},
    {"大年三十", Festival(kSpring, -1)},
    {"年三十", Festival(kSpring, -1)},
    {"春节", Festival(kSpring, 0, kSpringDaysOff)},
    {"大年初一", Festival(kSpring)},
    {"正月初一", Festival(kSpring)},
    {"大年初二", Festival(kSpring, 1)},
    {"大年初三", Festival(kSpring, 2)},
    {"大年初四", Festival(kSpring, 3)},
    {"大年初五", Festival(kSpring, 4)},
    {"大年初六", Festival(kSpring, 5)},
    {"大年初七", Festival(kSpring, 6)},
    {"元宵", Festival(kSpring, 14)},
    {"元宵节", Festival(kSpring, 14)},
    {"清明", Festival(kQingming)},
    {"清明节", Festival(kQingming)},
    {"端午", Festival(kDragonBoat)},
    {"端午节", Festival(kDragonBoat)},
    {"七夕", Festival(kQixi)},
    {"七夕节", Festival(kQixi)},
    {"中秋", Festival(kMidAutumn)},
    {"中秋节", Festival(kMidAutumn)},
    {"重阳", Festival(kDoubleNinth)},
    {"重阳节", Festival(kDoubleNinth)},
    {"立春", Festival(kStartOfSpring)},
    {"冬至", Festival(kWinterSolstice)},
};

constexpr Word<Holiday> kEnglish[] = {
    {"new year", Fixed(1, 1)},
    {"new years", Fixed(1, 1)},
    {"new years day", Fixed(1, 1)},
    {"new year day", Fixed(1, 1)},
    {"new years eve", Fixed(12, 31)},
    {"new year eve", Fixed(12, 31)},
    {"groundhog day", Fixed(2, 2)},
    {"valentines", Fixed(2, 14)},
    {"valentines day", Fixed(2, 14)},
    {"valentine day", Fixed(2, 14)},
    {"womens day", Fixed(3, 8)},
    {"international womens day", Fixed(3, 8)},
    {"st patricks day", Fixed(3, 17)},
    {"saint patricks day", Fixed(3, 17)},
    {"april fools", Fixed(4, 1)},
    {"april fools day", Fixed(4, 1)},
    {"earth day", Fixed(4, 22)},
    {"juneteenth", Fixed(6, 19)},
    {"canada day", Fixed(7, 1)},
    {"independence day", Fixed(7, 4)},
    {"fourth of july", Fixed(7, 4)},
    {"bastille day", Fixed(7, 14)},
    {"halloween", Fixed(10, 31)},
    {"veterans day", Fixed(11, 11)},
    {"singles day", Fixed(11, 11)},
    {"christmas eve", Fixed(12, 24)},
    {"christmas", Fixed(12, 25)},
    {"christmas day", Fixed(12, 25)},
    {"xmas", Fixed(12, 25)},
    {"boxing day", Fixed(12, 26)},
    {"martin luther king day", Nth(3, 1, 1)},
    {"mlk day", Nth(3, 1, 1)},
    {"presidents day", Nth(3, 1, 2)},
    {"mothers day", Nth(2, 0, 5)},
    {"memorial day", Nth(kLast, 1, 5)},
    {"fathers day", Nth(3, 0, 6)},
    {"labor day", Nth(1, 1, 9)},
    {"columbus day", Nth(2, 1, 10)},
    {"thanksgiving", Nth(4, 4, 11)},
    {"thanksgiving day", Nth(4, 4, 11)},
    {"black friday", Nth(4, 4, 11, 1)},
    {"cyber monday", Nth(4, 4, 11, 4)},
    {"mardi gras", Easter(-47)},
    {"ash wednesday", Easter(-46)},
    {"palm sunday", Easter(-7)},
    {"good friday", Easter(-2)},
    {"easter", Easter()},
    {"easter sunday", Easter()},
    {"easter monday", Easter(1)},
    {"chinese new year", Festival(kSpring)},
    {"lunar new year", Festival(kSpring)},
    {"spring festival", Festival(kSpring)},
    {"chinese new years eve", Festival(kSpring, -1)},
    {"lantern festival", Festival(kSpring, 14)},
    {"tomb sweeping day", Festival(kQingming)},
    {"qingming", Festival(kQingming)},
    {"qingming festival", Festival(kQingming)},
    {"dragon boat festival", Festival(kDragonBoat)},
    {"mid autumn festival", Festival(kMidAutumn)},
    {"mid autumn", Festival(kMidAutumn)},
    {"moon festival", Festival(kMidAutumn)},
    {"national day", Fixed(10, 1, 7)},
    {"may day", Fixed(5, 1, 5)},
};

}  // namespace

std::optional<Holiday> ParseHoliday(Cursor& cursor) {
  if (const auto chinese = cursor.AcceptOneOf(kChinese)) return chinese;
  return cursor.AcceptOneOf(kEnglish);
}

std::optional<Day> HolidayIn(const Holiday& holiday, int year) {
  std::optional<Day> day;
  switch (holiday.rule) {
    case Holiday::Rule::kFixed:
      day = MakeDay(year, holiday.month, holiday.day);
      break;
    case Holiday::Rule::kNth: {
      const chr::weekday weekday(holiday.weekday);
      const chr::year_month month = chr::year(year) / chr::month(holiday.month);
      day = holiday.day == kLast ? Day(month / weekday[chr::last]) : Day(month / weekday[holiday.day]);
      break;
    }
    case Holiday::Rule::kEaster:
      day = EasterSunday(year);
      break;
    case Holiday::Rule::kFestival:
      day = FestivalDay(holiday.festival, year);
      break;
  }
  if (!day) return std::nullopt;
  return *day + chr::days(holiday.offset);
}

std::optional<Day> NextHoliday(const Holiday& holiday, Day from, int length) {
  const int year = static_cast<int>(CalendarDate(from).year());
  for (int candidate_year = year - 1; candidate_year <= year + 2; ++candidate_year) {
    const auto day = HolidayIn(holiday, candidate_year);
    if (day && *day + chr::days(length - 1) >= from) return day;
  }
  return std::nullopt;
}

}  // namespace loquat::understanding
