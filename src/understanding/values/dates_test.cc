// Dates and times at other moments than the one of docs/values.md.

#include "understanding/values/dates.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "understanding/values/date_reader.h"
#include "understanding/values/times.h"
#include "understanding/values/values_test_reference.h"

namespace loquat::understanding {
namespace {

std::string DateAt(const ReferenceTime& reference, std::string_view said) {
  return NormalForm(ValueKind::kDate, said, reference);
}
std::string TimeAt(const ReferenceTime& reference, std::string_view said) {
  return NormalForm(ValueKind::kTime, said, reference);
}

TEST(Dates, TodayIsTheDayOfTheUsersWall) {
  // One moment, four walls.
  const ReferenceTime greenwich = LocalTime(2026, 12, 31, 20, 0, 0);
  EXPECT_EQ(DateAt(greenwich, "today"), "2026-12-31");
  for (const auto& [offset, today] : {std::pair{kBeijing, "2027-01-01"},
                                      {5 * 60 + 30, "2027-01-01"},
                                      {3 * 60 + 59, "2026-12-31"},
                                      {-8 * 60, "2026-12-31"}}) {
    ReferenceTime there = greenwich;
    there.utc_offset_minutes = offset;
    EXPECT_EQ(DateAt(there, "今天"), today) << offset;
  }
}

TEST(Dates, YearsEndAndLeapDaysCount) {
  const ReferenceTime new_years_eve = LocalTime(2027, 12, 31, 23, 59);
  EXPECT_EQ(DateAt(new_years_eve, "tomorrow"), "2028-01-01");
  EXPECT_EQ(DateAt(new_years_eve, "下个月"), "2028-01");
  EXPECT_EQ(DateAt(new_years_eve, "两个月后"), "2028-02-29");
  EXPECT_EQ(DateAt(new_years_eve, "跨年夜"), "2027-12-31");
  EXPECT_EQ(DateAt(new_years_eve, "December"), "2027-12");
  EXPECT_EQ(DateAt(new_years_eve, "February 29"), "2028-02-29");
  EXPECT_EQ(TimeAt(new_years_eve, "in 2 minutes"), "2028-01-01T00:01");
  const ReferenceTime leap_day = LocalTime(2028, 2, 29, 12, 0);
  EXPECT_EQ(DateAt(leap_day, "明天"), "2028-03-01");
  EXPECT_EQ(DateAt(leap_day, "一年后"), "2029-02-28");
  EXPECT_EQ(DateAt(leap_day, "2月29日"), "2028-02-29");
  EXPECT_EQ(DateAt(leap_day, "2月28日"), "2029-02-28");
  EXPECT_EQ(DateAt(LocalTime(2027, 1, 31, 12, 0), "the 30th"), "2027-03-30");
}

TEST(Dates, EveryWeekdayFromEveryWeekday) {
  const std::string chinese[] = {"一", "二", "三", "四", "五", "六", "日"};
  const std::string english[] = {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"};
  for (unsigned today = 0; today < 7; ++today) {
    const ReferenceTime reference = LocalTime(2026, 11, 16 + today, 9, 0);
    for (unsigned day = 0; day < 7; ++day) {
      const auto of_november = [](unsigned number) {
        return number <= 30 ? "2026-11-" + std::to_string(number) : "2026-12-0" + std::to_string(number - 30);
      };
      const std::string this_week = of_november(16 + day), next_week = of_november(23 + day);
      const std::string coming = day >= today ? this_week : next_week;
      EXPECT_EQ(DateAt(reference, "这周" + chinese[day]), this_week);
      EXPECT_EQ(DateAt(reference, "下个星期" + chinese[day]), next_week);
      EXPECT_EQ(DateAt(reference, "礼拜" + chinese[day]), coming);
      EXPECT_EQ(DateAt(reference, english[day]), coming);
      EXPECT_EQ(DateAt(reference, "this coming " + english[day]), coming);
      EXPECT_EQ(DateAt(reference, "next " + english[day]), next_week);
      EXPECT_EQ(DateAt(reference, english[day] + " next week"), next_week);
      EXPECT_EQ(DateAt(reference, "last " + english[day]),
                day < today ? this_week : of_november(9 + day).insert(8, day == 0 ? "0" : ""));
    }
  }
}

constexpr std::pair<const char*, const char*> kOtherDays[] = {{"on Monday", "2026-11-23"},
                                                              {"week after next", "-"},
                                                              {"the week after next", "2026-11-30/2026-12-06"},
                                                              {"the weekend after next", "2026-12-05/2026-12-06"},
                                                              {"last week", "2026-11-09/2026-11-15"},
                                                              {"next week Tuesday", "2026-11-24"},
                                                              {"Monday this week", "2026-11-16"},
                                                              {"Monday next month", "-"},
                                                              {"Monday May", "-"},
                                                              {"in a fortnight", "2026-12-05"},
                                                              {"two years from now", "2028-11-21"},
                                                              {"a month ago", "2026-10-21"},
                                                              {"two days before Christmas", "2026-12-23"},
                                                              {"three days after tomorrow", "2026-11-25"},
                                                              {"a week after next month", "-"},
                                                              {"5000 days ago", "-"},
                                                              {"mid May", "2027-05-15"},
                                                              {"mid next week", "-"},
                                                              {"end of the week", "2026-11-22"},
                                                              {"end of the year", "2026-12-31"},
                                                              {"end of next year", "2027-12-31"},
                                                              {"end of today", "-"},
                                                              {"5th of the month", "2026-11-05"},
                                                              {"5th of next week", "-"},
                                                              {"May 3 next year", "2027-05-03"},
                                                              {"May 3 of this year", "2026-05-03"},
                                                              {"may 3 last year", "2025-05-03"},
                                                              {"in May", "2027-05"},
                                                              {"Nov 31", "-"},
                                                              {"the 32nd", "-"},
                                                              {"2026", "2026"},
                                                              {"2026-13", "-"},
                                                              {"2026-12", "2026-12"},
                                                              {"2026-12-", "-"},
                                                              {"2026-12-32", "-"},
                                                              {"1800-01-01", "-"},
                                                              {"18000101", "-"},
                                                              {"20261301", "-"},
                                                              {"1/2/26", "2026-01-02"},
                                                              {"1/2/126", "-"},
                                                              {"1/2/1899", "-"},
                                                              {"13/13", "-"},
                                                              {"1/", "-"},
                                                              {"1/x", "-"},
                                                              {"next Easter", "2027-03-28"},
                                                              {"last Thanksgiving", "2025-11-27"},
                                                              {"last Easter", "2026-04-05"},
                                                              {"New Year 2041", "2041-01-01"},
                                                              {"next spring festival", "2027-02-06"},
                                                              {"本月底", "2026-11-30"},
                                                              {"这个月第一天", "2026-11-01"},
                                                              {"下个月最后一天", "2026-12-31"},
                                                              {"下个月中旬", "2026-12-11/2026-12-20"},
                                                              {"明年五月", "2027-05"},
                                                              {"明年底", "2027-12-31"},
                                                              {"明年初", "2027-01-01"},
                                                              {"年初", "-"},
                                                              {"后年", "2028"},
                                                              {"去年国庆", "2025-10-01"},
                                                              {"二六年十二月一号", "2026-12-01"},
                                                              {"12月25号星期五", "2026-12-25"},
                                                              {"12月25号星期四", "-"},
                                                              {"周7", "2026-11-22"},
                                                              {"上上周", "2026-11-02/2026-11-08"},
                                                              {"周六日", "2026-11-21/2026-11-22"},
                                                              {"半年前", "2026-05-21"},
                                                              {"半个月前", "2026-11-06"},
                                                              {"半天后", "-"},
                                                              {"过三周", "2026-12-12"},
                                                              {"未来一周", "2026-11-21/2026-11-27"},
                                                              {"一千零一天后", "-"},
                                                              {"三天", "-"},
                                                              {"圣诞节那天晚上", "2026-12-25"},
                                                              {"圣诞节第二天", "2026-12-26"},
                                                              {"十一点", "-"},
                                                              {"腊八", "2027-01-15"},
                                                              {"冬至", "2026-12-22"},
                                                              {"between Monday and Friday", "2026-11-23/2026-11-27"},
                                                              {"between Monday", "-"},
                                                              {"Friday to Monday to Friday", "-"},
                                                              {"from Dec 5 to Dec 3", "2026-12-05/2027-12-03"},
                                                              {"明天到后天", "2026-11-22/2026-11-23"},
                                                              {"后天到明天", "-"},
                                                              {"明天到明天", "2026-11-22"},
                                                              {"3", "-"},
                                                              {"5月到7月", "2027-05-01/2027-07-31"}};

TEST(Dates, OtherWaysToSayADay) {
  for (const auto& [said, day] : kOtherDays) {
    EXPECT_EQ(DateAt(Saturday(), said), day) << said;
  }
}

constexpr std::pair<const char*, const char*> kOtherTimes[] = {{"at 7", "07:00"},
                                                               {"by 6pm", "18:00"},
                                                               {"around noon", "12:00"},
                                                               {"12 noon", "12:00"},
                                                               {"five to noon", "11:55"},
                                                               {"quarter past midnight", "00:15"},
                                                               {"quarter to midnight", "23:45"},
                                                               {"20 minutes to 1 pm", "12:40"},
                                                               {"half past 12 am", "00:30"},
                                                               {"7:05:09", "07:05:09"},
                                                               {"7:05:99", "-"},
                                                               {"7:5", "-"},
                                                               {"7.30", "-"},
                                                               {"07:30", "07:30"},
                                                               {"24:00", "00:00"},
                                                               {"24:01", "-"},
                                                               {"0:30 am", "-"},
                                                               {"2460 hours", "-"},
                                                               {"1930", "-"},
                                                               {"2 am tonight", "2026-11-22T02:00"},
                                                               {"23 in the morning", "-"},
                                                               {"2 in the evening", "-"},
                                                               {"12 in the evening", "00:00"},
                                                               {"lunchtime", "12:00/14:00"},
                                                               {"8 at noon", "-"},
                                                               {"the middle of the night", "00:00/05:00"},
                                                               {"at midnight", "00:00"},
                                                               {"7 in the night", "19:00"},
                                                               {"midnight tomorrow", "2026-11-23T00:00"},
                                                               {"Friday at 3", "2026-11-27T03:00"},
                                                               {"next Friday afternoon", "2026-11-27T12:00/18:00"},
                                                               {"明晚十二点", "2026-11-23T00:00"},
                                                               {"半夜一点", "01:00"},
                                                               {"半夜八点", "-"},
                                                               {"半夜十一点", "23:00"},
                                                               {"中午八点", "-"},
                                                               {"下午零点", "-"},
                                                               {"下午十五点", "15:00"},
                                                               {"三点过五分", "03:05"},
                                                               {"三点十分二十秒", "03:10:20"},
                                                               {"零点", "00:00"},
                                                               {"差十分一点", "12:50"},
                                                               {"零点差五分", "23:55"},
                                                               {"差零分八点", "-"},
                                                               {"八点差零分", "-"},
                                                               {"差五分八", "-"},
                                                               {"八点六十", "-"},
                                                               {"上午十点到三点", "10:00/15:00"},
                                                               {"晚上八点到十二点", "20:00/24:00"},
                                                               {"10 to 2 pm", "10:00/14:00"},
                                                               {"between 3 and 5 pm", "15:00/17:00"},
                                                               {"between 3", "-"},
                                                               {"morning to 5", "-"},
                                                               {"19:00-21:00", "19:00/21:00"},
                                                               {"from 11 pm to 2 am", "23:00/02:00"},
                                                               {"tomorrow from 3 to 5 pm", "-"},
                                                               {"3 to", "-"},
                                                               {"after 20 minutes", "10:20"},
                                                               {"an hour ago", "09:00"},
                                                               {"十一个小时前", "2026-11-20T23:00"},
                                                               {"in 3 months", "-"},
                                                               {"二十分钟", "-"},
                                                               {"过半小时", "10:30"},
                                                               {"in a day and 2 hours", "2026-11-22T12:00"},
                                                               {"现在", "10:00"}};

TEST(Times, OtherWaysToSayATime) {
  for (const auto& [said, time] : kOtherTimes) {
    EXPECT_EQ(TimeAt(Saturday(), said), time) << said;
  }
}

TEST(Times, EveryMinuteOfTheDayReadsBack) {
  for (int minute = 0; minute < 24 * 60; ++minute) {
    std::string digital;
    AppendTwoDigits(static_cast<unsigned>(minute / 60), digital);
    digital += ':';
    AppendTwoDigits(static_cast<unsigned>(minute % 60), digital);
    EXPECT_EQ(TimeAt(Saturday(), digital), digital);
    const int hour = minute / 60, twelve = hour % 12 == 0 ? 12 : hour % 12;
    std::string half = std::to_string(twelve) + digital.substr(2) + (hour < 12 ? " am" : "p.m.");
    EXPECT_EQ(TimeAt(Saturday(), half), digital) << half;
    EXPECT_EQ(TimeAt(Saturday(), std::to_string(hour) + "点" + std::to_string(minute % 60) + "分"), digital);
  }
}

TEST(Dates, EveryDayOfFourYearsReadsBack) {
  static constexpr const char* kMonths[] = {"January", "February", "March",     "April",   "May",      "June",
                                            "July",    "August",   "September", "October", "November", "December"};
  for (Day day = *MakeDay(2026, 1, 1); day < *MakeDay(2030, 1, 1); day += std::chrono::days(1)) {
    const auto date = CalendarDate(day);
    const auto month = static_cast<unsigned>(date.month()), number = static_cast<unsigned>(date.day());
    const std::string year = std::to_string(static_cast<int>(date.year()));
    std::string iso;
    AppendDay(day, iso);
    EXPECT_EQ(DateAt({}, iso), iso);
    EXPECT_EQ(DateAt({}, year + "年" + std::to_string(month) + "月" + std::to_string(number) + "日"), iso);
    EXPECT_EQ(DateAt({}, kMonths[month - 1] + (" " + std::to_string(number)) + ", " + year), iso);
    EXPECT_EQ(DateAt({}, std::to_string(number) + " " + kMonths[month - 1] + " " + year), iso);
    EXPECT_EQ(DateAt({}, std::to_string(month) + "/" + std::to_string(number) + "/" + year), iso);
  }
}

}  // namespace
}  // namespace loquat::understanding
