#include "understanding/values/durations.h"

#include <array>
#include <charconv>

#include "understanding/values/numerals.h"

namespace loquat::understanding {

namespace {

enum class Unit : std::uint8_t {
  kSecond,
  kMinute,
  kQuarterHour,
  kHour,
  kDay,
  kNight,
  kWeek,
  kFortnight,
  kMonth,
  kQuarter,
  kYear
};

struct UnitInfo {
  std::int64_t months, days, seconds;
  std::int64_t half_days = 0;  // 半个月 is 15 days.
};
constexpr std::int64_t kMinute = 60, kHour = 3600;

constexpr UnitInfo InfoOf(Unit unit) {
  switch (unit) {
    case Unit::kSecond:
      return {0, 0, 1};
    case Unit::kMinute:
      return {0, 0, kMinute};
    case Unit::kQuarterHour:
      return {0, 0, 15 * kMinute};
    case Unit::kHour:
      return {0, 0, kHour};
    case Unit::kDay:
    case Unit::kNight:
      return {0, 1, 0};
    case Unit::kWeek:
      return {0, 7, 0};
    case Unit::kFortnight:
      return {0, 14, 0};
    case Unit::kMonth:
      return {1, 0, 0, 15};
    case Unit::kQuarter:
      return {3, 0, 0};
    case Unit::kYear:
      return {12, 0, 0};
  }
  return {};
}

constexpr auto kUnits = std::to_array<Word<Unit>>({
    {"秒", Unit::kSecond},
    {"秒钟", Unit::kSecond},
    {"分", Unit::kMinute},
    {"分钟", Unit::kMinute},
    {"刻钟", Unit::kQuarterHour},
    {"小时", Unit::kHour},
    {"钟头", Unit::kHour},
    {"钟", Unit::kHour},
    {"时", Unit::kHour},
    {"天", Unit::kDay},
    {"日", Unit::kDay},
    {"晚", Unit::kNight},
    {"晚上", Unit::kNight},
    {"夜", Unit::kNight},
    {"宿", Unit::kNight},
    {"周", Unit::kWeek},
    {"星期", Unit::kWeek},
    {"礼拜", Unit::kWeek},
    {"月", Unit::kMonth},
    {"季度", Unit::kQuarter},
    {"年", Unit::kYear},
    {"s", Unit::kSecond},
    {"sec", Unit::kSecond},
    {"secs", Unit::kSecond},
    {"second", Unit::kSecond},
    {"seconds", Unit::kSecond},
    {"m", Unit::kMinute},
    {"min", Unit::kMinute},
    {"mins", Unit::kMinute},
    {"minute", Unit::kMinute},
    {"minutes", Unit::kMinute},
    {"h", Unit::kHour},
    {"hr", Unit::kHour},
    {"hrs", Unit::kHour},
    {"hour", Unit::kHour},
    {"hours", Unit::kHour},
    {"d", Unit::kDay},
    {"day", Unit::kDay},
    {"days", Unit::kDay},
    {"night", Unit::kNight},
    {"nights", Unit::kNight},
    {"wk", Unit::kWeek},
    {"wks", Unit::kWeek},
    {"week", Unit::kWeek},
    {"weeks", Unit::kWeek},
    {"fortnight", Unit::kFortnight},
    {"fortnights", Unit::kFortnight},
    {"month", Unit::kMonth},
    {"months", Unit::kMonth},
    {"year", Unit::kYear},
    {"years", Unit::kYear},
    {"yr", Unit::kYear},
    {"yrs", Unit::kYear},
});

// Adds count × unit. False where that is no whole number of seconds, days or months, or too long.
bool Add(const Decimal& count, Unit unit, DurationValue& sum) {
  const UnitInfo info = InfoOf(unit);
  const auto times = [&count](std::int64_t factor) -> std::optional<std::int64_t> {
    const auto product = count.Times(Decimal::Of(factor));
    return product ? product->AsInteger() : std::nullopt;
  };
  auto months = times(info.months), days = times(info.days), seconds = times(info.seconds);
  if (info.days > 0 && !days) {  // 一天半: the half day is twelve hours.
    days = 0;
    seconds = times(info.days * 24 * kHour);
    if (seconds) {
      days = *seconds / (24 * kHour);
      seconds = *seconds % (24 * kHour);
    }
  }
  if (info.half_days > 0 && !months) {  // 半个月, 一个半月.
    const auto halves = times(2);
    if (!halves) return false;
    months = *halves / 2;
    days = info.half_days;
  }
  if (!months || !days || !seconds) return false;
  const auto fits = [](std::int64_t number) { return number >= 0 && number <= kDurationSecondsMax; };
  if (!fits(*months) || !fits(*days) || !fits(*seconds)) return false;
  sum.months += *months;
  sum.days += *days;
  sum.seconds += *seconds;
  return fits(sum.months) && fits(sum.days) && fits(sum.seconds);
}

struct Part {
  Decimal count;
  Unit unit;
};

std::optional<Decimal> ParseCount(Cursor& cursor) {
  if (const auto number = cursor.Try(ParseNumber)) {
    cursor.AcceptAny({"of an", "of a", "an", "a"});  // half an hour, a quarter of an hour
    return number;
  }
  if (!cursor.AcceptAny({"an", "a"})) return std::nullopt;
  if (cursor.AcceptAny({"half", "half an"})) return Decimal::Make(5, 1);
  if (cursor.AcceptAny({"quarter", "quarter of an"})) return Decimal::Make(25, 2);
  return Decimal::Of(1);
}

// 一个半小时, 三分半钟, an hour and a half.
std::optional<Part> ParsePart(Cursor& cursor) {
  auto count = ParseCount(cursor);
  if (!count || count->LessThan(0)) return std::nullopt;
  const Decimal half = *Decimal::Make(5, 1);
  if (cursor.Accept("个") && cursor.Accept("半")) count = count->Plus(half);
  const auto unit = cursor.AcceptOneOf(kUnits);
  if (!unit || !count) return std::nullopt;
  if (count->is_integer() && (cursor.Accept("半") || cursor.AcceptAny({"and a half", "and half"}))) {
    if (unit == Unit::kMinute) cursor.Accept("钟");
    count = count->Plus(half);
  } else if (count->is_integer() && cursor.Accept("and a quarter")) {
    count = count->Plus(*Decimal::Make(25, 2));
  }
  if (!count) return std::nullopt;
  return Part{*count, *unit};
}

void AppendInteger(std::int64_t number, char unit, std::string& out) {
  if (number == 0) return;
  std::array<char, 20> digits;
  out.append(digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr);
  out += unit;
}

}  // namespace

std::optional<DurationValue> ParseDuration(Cursor& cursor) {
  constexpr int kPartsMax = 5;
  cursor.Accept("for");
  DurationValue sum;
  bool weeks_only = true, any = false;
  Unit last = Unit::kYear;
  for (int parts = 0; parts < kPartsMax; ++parts) {
    const auto part = cursor.Try([&](Cursor& c) {
      if (any) c.AcceptAny({"and", "零", "又", "加"});
      return ParsePart(c);
    });
    if (!part) break;
    if (any && part->unit == Unit::kNight && last == Unit::kDay) continue;  // 三天两夜 is three days.
    if (any && last == Unit::kNight && part->unit == Unit::kDay) {          // "two nights and three days" as well.
      sum.days = 0;
    } else if (any && part->unit >= last) {
      return std::nullopt;
    }
    if (!Add(part->count, part->unit, sum)) return std::nullopt;
    weeks_only = weeks_only && (part->unit == Unit::kWeek || part->unit == Unit::kFortnight);
    last = part->unit;
    any = true;
  }
  if (!any || (sum.months == 0 && sum.days == 0 && sum.seconds == 0)) return std::nullopt;
  sum.whole_weeks = weeks_only && sum.seconds == 0;
  return sum;
}

void AppendDuration(const DurationValue& duration, std::string& out) {
  out += 'P';
  if (duration.whole_weeks && duration.days % 7 == 0) {
    AppendInteger(duration.days / 7, 'W', out);
    return;
  }
  AppendInteger(duration.months / 12, 'Y', out);
  AppendInteger(duration.months % 12, 'M', out);
  AppendInteger(duration.days, 'D', out);
  if (duration.seconds == 0) return;
  out += 'T';
  AppendInteger(duration.seconds / kHour, 'H', out);
  AppendInteger(duration.seconds % kHour / kMinute, 'M', out);
  AppendInteger(duration.seconds % kMinute, 'S', out);
}

}  // namespace loquat::understanding
