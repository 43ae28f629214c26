#include "understanding/values/dates.h"

#include <string_view>

#include "understanding/values/date_reader.h"
#include "understanding/values/numerals.h"

namespace loquat::understanding {

namespace {

// 3 in 3到5号 and 5 in Nov 3-5: a day of the month without its mark, on or after `from`.
std::optional<DateValue> ParseBareDay(Cursor& cursor, const DateContext& context) {
  const auto number = ParseCardinal(cursor);
  const auto base = context.from ? context.from : context.today;
  if (!number || *number < 1 || *number > 31 || !base) return std::nullopt;
  const auto day = NextDayOfMonth(*base, static_cast<unsigned>(*number));
  if (!day) return std::nullopt;
  return DateValue{.first = *day, .last = *day};
}

// 周六和周日: two days that follow each other are a range; other pairs have no single value.
bool AcceptAnd(Cursor& cursor) {
  return cursor.AcceptAny({"和", "跟", "、", "and", "&"});
}

bool AcceptTo(Cursor& cursor) {
  return cursor.AcceptAny({"到", "至", "to", "through", "thru", "until", "till"}) || cursor.AcceptPrefix("-");
}

}  // namespace

std::optional<DateValue> ParseDate(Cursor& cursor, const DateContext& context) {
  return DateReader(context).Read(cursor);
}

std::optional<DateValue> ParseWholeDate(Cursor cursor, const DateContext& context) {
  const bool between = cursor.Accept("between");
  if (!between) cursor.AcceptAny({"from", "从"});
  auto first = cursor.Try([&](Cursor& c) { return ParseDate(c, context); });
  const bool bare_first = !first;
  if (bare_first) first = ParseBareDay(cursor, context);
  if (!first) return std::nullopt;
  if (cursor.AtEnd()) return bare_first || between ? std::nullopt : first;

  const bool joined = AcceptAnd(cursor);
  if (!joined && !AcceptTo(cursor)) return std::nullopt;
  DateContext later = context;
  later.from = first->first;
  auto second = cursor.Try([&](Cursor& c) {
    auto date = ParseDate(c, later);
    return date && c.AtEnd() ? date : std::nullopt;
  });
  if (!second && !context.chinese && !bare_first) second = ParseBareDay(cursor, later);
  if (!second || !cursor.AtEnd() || second->last < first->last) return std::nullopt;
  if (joined && !between && second->first != first->last + std::chrono::days(1)) return std::nullopt;
  if (first->first == second->last) return first;
  return DateValue{.form = DateValue::Form::kRange, .first = first->first, .last = second->last};
}

void AppendDate(const DateValue& date, std::string& out) {
  constexpr std::size_t kYearSize = 4, kMonthSize = 7;
  const std::size_t start = out.size();
  AppendDay(date.first, out);
  switch (date.form) {
    case DateValue::Form::kDay:
      return;
    case DateValue::Form::kRange:
      out += '/';
      AppendDay(date.last, out);
      return;
    case DateValue::Form::kMonth:
      out.resize(start + kMonthSize);
      return;
    case DateValue::Form::kYear:
      out.resize(start + kYearSize);
      return;
  }
}

}  // namespace loquat::understanding
