#include "text/template/strftime.h"

#include <fmt/format.h>

#include <array>

#include "text/template/work.h"

namespace loquat::text::jinja {

using base::Status;

namespace {

constexpr std::array<std::string_view, 12> kMonths = {"January",   "February", "March",    "April",
                                                      "May",       "June",     "July",     "August",
                                                      "September", "October",  "November", "December"};
constexpr std::array<std::string_view, 7> kDays = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                   "Thursday", "Friday", "Saturday"};

struct Fields {
  int year, month, day, hour, minute, second, weekday, day_of_year;
};

Fields FieldsOf(std::chrono::local_seconds time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  const auto new_year = std::chrono::local_days(date.year() / std::chrono::January / 1);
  return {.year = static_cast<int>(date.year()),
          .month = static_cast<int>(static_cast<unsigned>(date.month())),
          .day = static_cast<int>(static_cast<unsigned>(date.day())),
          .hour = static_cast<int>(clock.hours().count()),
          .minute = static_cast<int>(clock.minutes().count()),
          .second = static_cast<int>(clock.seconds().count()),
          .weekday = static_cast<int>(std::chrono::weekday(day).c_encoding()),
          .day_of_year = static_cast<int>((day - new_year).count()) + 1};
}

void Number(int value, int width, char pad, bool padded, std::string& out) {
  const std::string digits = fmt::format("{}", value);
  if (padded && digits.size() < static_cast<std::size_t>(width))
    out.append(static_cast<std::size_t>(width) - digits.size(), pad);
  out += digits;
}

// False: not a number's directive.
bool AppendNumber(char directive, const Fields& f, bool padded, std::string& out) {
  const auto two = [&](int value) { Number(value, 2, '0', padded, out); };
  switch (directive) {
    case 'Y':
      Number(f.year, 1, '0', padded, out);
      return true;
    case 'y':
      two(((f.year % 100) + 100) % 100);
      return true;
    case 'm':
      two(f.month);
      return true;
    case 'd':
      two(f.day);
      return true;
    case 'e':
      Number(f.day, 2, ' ', padded, out);
      return true;
    case 'H':
      two(f.hour);
      return true;
    case 'I':
      two(f.hour % 12 == 0 ? 12 : f.hour % 12);
      return true;
    case 'M':
      two(f.minute);
      return true;
    case 'S':
      two(f.second);
      return true;
    case 'j':
      Number(f.day_of_year, 3, '0', padded, out);
      return true;
    case 'f':
      Number(0, 6, '0', true, out);
      return true;
    case 'u':
      Number(f.weekday == 0 ? 7 : f.weekday, 1, '0', padded, out);
      return true;
    case 'w':
      Number(f.weekday, 1, '0', padded, out);
      return true;
    default:
      return false;
  }
}

// False: not a word's directive.
bool AppendWord(char directive, const Fields& f, std::string& out) {
  const std::string_view month = kMonths[static_cast<std::size_t>(f.month - 1)];
  const std::string_view day = kDays[static_cast<std::size_t>(f.weekday)];
  switch (directive) {
    case 'B':
      out += month;
      return true;
    case 'b':
    case 'h':
      out += month.substr(0, 3);
      return true;
    case 'A':
      out += day;
      return true;
    case 'a':
      out += day.substr(0, 3);
      return true;
    case 'p':
      out += f.hour < 12 ? "AM" : "PM";
      return true;
    case 'F':
      out += fmt::format("{}-{:02}-{:02}", f.year, f.month, f.day);
      return true;
    case 'T':
      out += fmt::format("{:02}:{:02}:{:02}", f.hour, f.minute, f.second);
      return true;
    case 'R':
      out += fmt::format("{:02}:{:02}", f.hour, f.minute);
      return true;
    case 'D':
      out += fmt::format("{:02}/{:02}/{:02}", f.month, f.day, ((f.year % 100) + 100) % 100);
      return true;
    case 'n':
    case 't':
    case '%':
      out.push_back(directive == 'n' ? '\n' : directive == 't' ? '\t' : '%');
      return true;
    case 'z':  // A time without a zone has no name and no offset to show.
    case 'Z':
      return true;
    default:
      return false;
  }
}

}  // namespace

Status AppendTime(std::string_view format, std::chrono::local_seconds time, std::string& out) {
  const Fields fields = FieldsOf(time);
  for (std::size_t at = 0; at < format.size(); ++at) {
    if (format[at] != '%') {
      out.push_back(format[at]);
      continue;
    }
    ++at;
    const bool padded = at >= format.size() || format[at] != '-';
    if (!padded) ++at;
    if (at >= format.size()) return Fault("strftime_now: the format ends inside a directive");
    const char directive = format[at];
    if (!AppendNumber(directive, fields, padded, out) && !AppendWord(directive, fields, out)) {
      return Fault(fmt::format("strftime_now: the directive %{} is not supported", directive));
    }
  }
  return {};
}

}  // namespace loquat::text::jinja
