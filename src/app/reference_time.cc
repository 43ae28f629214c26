#include "app/reference_time.h"

#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <ctime>

namespace loquat::app {
namespace {

constexpr std::size_t kDateTimeBytes = 19;  // "2026-11-21T09:00:00"
constexpr int kOffsetHoursMax = 14;

base::Error Bad(std::string_view text) {
  return base::InvalidArgument(
      fmt::format("\"{}\" is no time; write it as 2026-11-21T09:00:00+08:00 (RFC 3339)", text));
}

// The number in text[at, at + digits), or -1.
int Digits(std::string_view text, std::size_t at, std::size_t digits) {
  int value = 0;
  for (std::size_t i = at; i < at + digits; ++i) {
    if (i >= text.size() || text[i] < '0' || text[i] > '9') return -1;
    value = 10 * value + (text[i] - '0');
  }
  return value;
}

bool ParseOffset(std::string_view zone, std::int32_t& minutes) {
  if (zone == "Z" || zone == "z") {
    minutes = 0;
    return true;
  }
  const int hours = Digits(zone, 1, 2);
  const int rest = Digits(zone, 4, 2);
  if (zone.size() != 6 || (zone[0] != '+' && zone[0] != '-') || zone[3] != ':') return false;
  if (hours < 0 || rest < 0 || hours > kOffsetHoursMax || rest > 59) return false;
  minutes = (zone[0] == '-' ? -1 : 1) * (60 * hours + rest);
  return true;
}

std::int32_t LocalOffsetMinutes(base::WallTime at) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(at);
  std::tm local{};
  localtime_r(&seconds, &local);
  return static_cast<std::int32_t>(local.tm_gmtoff / 60);
}

}  // namespace

base::Result<ReferenceTime> ParseReferenceTime(std::string_view text, const base::Clock& clock) {
  if (text.empty()) return ReferenceTime{clock.WallNow(), LocalOffsetMinutes(clock.WallNow())};
  const int year = Digits(text, 0, 4), month = Digits(text, 5, 2), day = Digits(text, 8, 2);
  const int hour = Digits(text, 11, 2), minute = Digits(text, 14, 2), second = Digits(text, 17, 2);
  if (text.size() <= kDateTimeBytes || text[4] != '-' || text[7] != '-' || (text[10] != 'T' && text[10] != ' ') ||
      text[13] != ':' || text[16] != ':') {
    return Bad(text);
  }
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  ReferenceTime result;
  if (year < 0 || month < 0 || day < 0 || !date.ok() || hour < 0 || hour > 23 || minute < 0 || minute > 59 ||
      second < 0 || second > 59 || !ParseOffset(text.substr(kDateTimeBytes), result.utc_offset_minutes)) {
    return Bad(text);
  }
  result.at = std::chrono::sys_days(date) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
              std::chrono::seconds(second) - std::chrono::minutes(result.utc_offset_minutes);
  return result;
}

}  // namespace loquat::app
