// Chinese numerals: sections of 千 百 十 below ten thousand, joined by 亿 and 万.

#include <array>

#include "understanding/values/numerals.h"

namespace loquat::understanding {

namespace {

constexpr std::int64_t kTenThousand = 10'000;
constexpr std::int64_t kHundredMillion = 100'000'000;
constexpr std::int64_t kNoUnitYet = kHundredMillion * kTenThousand * 10;
constexpr int kDigitStringMax = 15;

constexpr auto kDigits = std::to_array<Word<std::int64_t>>({{"零", 0},
                                                            {"一", 1},
                                                            {"二", 2},
                                                            {"两", 2},
                                                            {"三", 3},
                                                            {"四", 4},
                                                            {"五", 5},
                                                            {"六", 6},
                                                            {"七", 7},
                                                            {"八", 8},
                                                            {"九", 9}});
constexpr auto kSmallUnits = std::to_array<Word<std::int64_t>>({{"十", 10}, {"百", 100}, {"千", 1000}});
constexpr auto kLargeUnits = std::to_array<Word<std::int64_t>>(
    {{"万", kTenThousand}, {"亿", kHundredMillion}, {"万亿", kTenThousand* kHundredMillion}});

// What stands between two large units.
struct Section {
  std::int64_t value = 0;
  bool lone_digit = false;    // 五 in 两万五.
  bool digit_string = false;  // 二零二六: no unit may follow.
};

// 二零二六. Two digits without a zero (三四, "three or four") are an approximation, and refused.
std::optional<Section> ParseDigitString(Cursor& cursor) {
  std::int64_t value = 0;
  int count = 0;
  bool has_zero = false;
  while (const auto digit = ParseChineseDigit(cursor)) {
    if (++count > kDigitStringMax) return std::nullopt;
    value = value * 10 + *digit;
    has_zero = has_zero || *digit == 0;
  }
  if (count < 2 || (count == 2 && !has_zero)) return std::nullopt;
  Cursor ahead = cursor;
  if (ahead.AcceptOneOf(kSmallUnits) || ahead.AcceptOneOf(kLargeUnits)) return std::nullopt;
  return Section{.value = value, .digit_string = true};
}

// Whether two digits stand here in a row.
bool StartsDigitString(Cursor ahead) {
  return ParseChineseDigit(ahead) && ParseChineseDigit(ahead);
}

// 十五, 一百零二, 三千五: a number below ten thousand, units falling.
std::optional<Section> ParseSection(Cursor& cursor) {
  if (StartsDigitString(cursor)) return ParseDigitString(cursor);
  std::int64_t value = 0, last_unit = kTenThousand;
  bool any = false, zero = false;
  for (;;) {
    const Cursor start = cursor;
    const bool liang = cursor.rest().starts_with("两");
    const auto digit = ParseChineseDigit(cursor);
    const Cursor after_digit = cursor;
    if (digit == 0) {
      if (zero) return std::nullopt;
      zero = true;
      if (!any) return Section{.value = 0};
      continue;
    }
    auto unit = cursor.AcceptOneOf(kSmallUnits);
    if (unit && *unit >= last_unit) {  // The unit of a measure: 四十六千克.
      if (!digit) return std::nullopt;
      cursor = after_digit;
      unit = std::nullopt;
    }
    if ((!digit && unit != 10) || (liang && any && !unit)) {  // A weight: 一百九十两.
      cursor = start;
      break;
    }
    if (!unit) {
      if (!any) return Section{.value = *digit, .lone_digit = true};
      const bool tenths = !zero && last_unit > 10;
      return Section{.value = value + *digit * (tenths ? last_unit / 10 : 1)};
    }
    value += digit.value_or(1) * *unit;
    last_unit = *unit;
    any = true;
    zero = false;
  }
  if (!any || zero) return std::nullopt;
  return Section{.value = value};
}

// The sections after `limit` has been read, down to the last one.
std::optional<std::int64_t> ParseSections(Cursor& cursor, std::int64_t limit) {
  std::int64_t total = 0;
  for (;;) {
    const Cursor start = cursor;
    const bool zero = limit != kNoUnitYet && cursor.Accept("零");
    const auto section = ParseSection(cursor);
    if (!section) {
      if (zero || limit == kNoUnitYet) return std::nullopt;
      cursor = start;
      return total;
    }
    const auto unit = section->digit_string ? std::nullopt : cursor.AcceptOneOf(kLargeUnits);
    if (!unit) {
      if (section->lone_digit && !zero && limit != kNoUnitYet) return total + section->value * (limit / 10);
      if (section->value >= limit) return std::nullopt;
      return total + section->value;
    }
    if (*unit >= limit || section->value == 0) return std::nullopt;
    total += section->value * *unit;
    limit = *unit;
  }
}

}  // namespace

std::optional<std::int64_t> ParseChineseDigit(Cursor& cursor) {
  return cursor.AcceptOneOf(kDigits);
}

std::optional<std::int64_t> ParseChineseCardinal(Cursor& cursor) {
  for (const auto& [text, value] : {Word<std::int64_t>{"百万", 1'000'000}, Word<std::int64_t>{"千万", 10'000'000}}) {
    if (cursor.Accept(text)) {
      const auto rest = ParseSections(cursor, kTenThousand);
      return rest ? std::optional(value + *rest) : std::nullopt;
    }
  }
  return ParseSections(cursor, kNoUnitYet);
}

std::optional<std::int64_t> ParseChineseRest(Cursor& cursor, std::int64_t unit) {
  const Cursor start = cursor;
  if (const auto digits = cursor.AcceptDigits(8)) {
    if (const auto smaller = cursor.AcceptOneOf(kSmallUnits)) {
      if (*smaller >= unit || digits->value >= 10) return std::nullopt;
      const auto rest = ParseChineseRest(cursor, *smaller);
      return rest ? std::optional(digits->value * *smaller + *rest) : std::nullopt;
    }
    if (digits->count == 1) return digits->value * (unit / 10);
    if (digits->value >= unit) return std::nullopt;
    return digits->value;
  }
  cursor = start;
  return ParseSections(cursor, unit);
}

}  // namespace loquat::understanding
