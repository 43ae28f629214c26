#include "understanding/values/numerals.h"

#include <array>
#include <cstddef>
#include <string_view>

namespace loquat::understanding {

namespace {

constexpr std::size_t kIntegerDigitsMax = 15;

constexpr auto kMultipliers = std::to_array<Word<std::int64_t>>({{"百", 100},
                                                                 {"千", 1'000},
                                                                 {"万", 10'000},
                                                                 {"十万", 100'000},
                                                                 {"百万", 1'000'000},
                                                                 {"千万", 10'000'000},
                                                                 {"亿", 100'000'000},
                                                                 {"k", 1'000},
                                                                 {"dozen", 12},
                                                                 {"hundred", 100},
                                                                 {"thousand", 1'000},
                                                                 {"million", 1'000'000},
                                                                 {"billion", 1'000'000'000}});

constexpr auto kFractionSigns = std::to_array<Word<int>>({{"½", 50}, {"¼", 25}, {"¾", 75}});

constexpr auto kTrailingFractions = std::to_array<Word<int>>({{"and a half", 50},
                                                              {"and half", 50},
                                                              {"and one half", 50},
                                                              {"and a quarter", 25},
                                                              {"and three quarters", 75},
                                                              {"½", 50},
                                                              {"¼", 25},
                                                              {"¾", 75}});

// Words that are a number as they stand.
constexpr auto kFixed =
    std::to_array<Word<int>>({{"half a dozen", 600},     {"half dozen", 600},    {"a dozen", 1200},
                              {"dozen", 1200},           {"a couple of", 200},   {"a couple", 200},
                              {"couple of", 200},        {"a pair of", 200},     {"a pair", 200},
                              {"pair of", 200},          {"a single", 100},      {"single", 100},
                              {"three quarters of", 75}, {"three quarters", 75}, {"one half", 50},
                              {"half of", 50},           {"half", 50},           {"a quarter of", 25},
                              {"a quarter", 25},         {"one quarter", 25},    {"半", 50}});

std::optional<Decimal> Hundredths(int hundredths) {
  return Decimal::Make(hundredths, 2);
}

// Digits with groups of three after commas, and digits after a point.
std::optional<Decimal> ParseDigits(Cursor& cursor) {
  std::int64_t units = 0;
  std::size_t count = 0;
  int scale = 0;
  if (const auto whole = cursor.AcceptDigits(kIntegerDigitsMax)) {
    units = whole->value;
    count = whole->count;
    while (count <= kIntegerDigitsMax && cursor.rest().starts_with(',')) {
      cursor.AcceptPrefix(",");
      const auto group = cursor.AcceptDigits(3);
      if (!group || group->count != 3 || (count > 3 && count == whole->count)) return std::nullopt;
      units = units * 1000 + group->value;
      count += 3;
    }
  } else if (!cursor.rest().starts_with('.')) {
    return std::nullopt;
  }
  if (cursor.AcceptPrefix(".")) {
    const auto fraction = cursor.AcceptDigits(Decimal::kScaleMax);
    if (!fraction || count + fraction->count > kIntegerDigitsMax) return std::nullopt;
    for (std::size_t i = 0; i < fraction->count; ++i) units *= 10;
    units += fraction->value;
    scale = static_cast<int>(fraction->count);
  }
  return Decimal::Make(units, scale);
}

// "/2" after a whole number, or " 1/2" after it.
std::optional<Decimal> ParseSlashFraction(Cursor& cursor, const Decimal& numerator) {
  cursor.AcceptPrefix("/");
  const auto denominator = cursor.AcceptDigits(3);
  if (!denominator || denominator->value == 0 || !numerator.is_integer()) return std::nullopt;
  return numerator.DividedBy(denominator->value);
}

std::optional<Decimal> ParseMixedFraction(Cursor& cursor) {
  const auto numerator = cursor.AcceptDigits(2);
  if (!numerator || !cursor.rest().starts_with('/')) return std::nullopt;
  return ParseSlashFraction(cursor, Decimal::Of(numerator->value));
}

// A number in digits with what may follow it: a fraction, 万, "million", "k".
std::optional<Decimal> ParseWithDigits(Cursor& cursor) {
  const auto number = ParseDigits(cursor);
  if (!number) return std::nullopt;
  if (cursor.rest().starts_with('/')) {
    if (const auto fraction = cursor.Try([&](Cursor& c) { return ParseSlashFraction(c, *number); })) return fraction;
    return number;
  }
  if (const auto fraction = cursor.Try(ParseMixedFraction)) return number->Plus(*fraction);
  const auto multiplier = cursor.AcceptOneOf(kMultipliers);
  if (!multiplier) return number;
  const auto product = number->Times(Decimal::Of(*multiplier));
  if (!product || *multiplier == 12) return product;
  const auto rest = ParseChineseRest(cursor, *multiplier);
  return rest ? product->Plus(Decimal::Of(*rest)) : std::nullopt;
}

// The digits after 点 or "point", one by one, and 万 or "million" behind them.
template <typename ParseDigit>
std::optional<Decimal> ParseFractionDigits(Cursor& cursor, std::int64_t whole, ParseDigit parse_digit) {
  std::int64_t units = whole;
  int scale = 0;
  while (const auto digit = cursor.Try(parse_digit)) {
    if (++scale > Decimal::kScaleMax || units > Decimal::kUnitsMax / 10) return std::nullopt;
    units = units * 10 + *digit;
  }
  if (scale == 0) return std::nullopt;
  const auto number = Decimal::Make(units, scale);
  if (!number) return std::nullopt;
  const auto multiplier = cursor.AcceptOneOf(kMultipliers);
  return multiplier ? number->Times(Decimal::Of(*multiplier)) : number;
}

// 四分之三.
std::optional<Decimal> ParseChineseFraction(Cursor& cursor) {
  const auto denominator = ParseChineseCardinal(cursor);
  if (!denominator || *denominator == 0 || !cursor.Accept("分之")) return std::nullopt;
  const auto numerator = ParseChineseCardinal(cursor);
  if (!numerator || *denominator == 100) return std::nullopt;
  return Decimal::Of(*numerator).DividedBy(*denominator);
}

std::optional<Decimal> ParseInWords(Cursor& cursor) {
  if (const auto fraction = cursor.Try(ParseChineseFraction)) return fraction;
  if (const auto whole = cursor.Try(ParseChineseCardinal)) {
    const auto fraction = cursor.Try([&](Cursor& c) -> std::optional<Decimal> {
      if (!c.Accept("点")) return std::nullopt;
      return ParseFractionDigits(c, *whole, ParseChineseDigit);
    });
    if (fraction || *whole > Decimal::kUnitsMax) return fraction;
    return Decimal::Of(*whole);
  }
  const auto whole = cursor.Try(ParseEnglishCardinal);
  const auto fraction = cursor.Try([&](Cursor& c) -> std::optional<Decimal> {
    if (!c.Accept("point")) return std::nullopt;
    return ParseFractionDigits(c, whole.value_or(0), ParseEnglishDigit);
  });
  if (fraction || !whole || *whole > Decimal::kUnitsMax) return fraction;
  return cursor.Accept("dozen") ? Decimal::Of(*whole).Times(Decimal::Of(12)) : Decimal::Of(*whole);
}

std::optional<Decimal> ParseUnsigned(Cursor& cursor) {
  if (cursor.AcceptPrefix("half a million")) return Decimal::Of(500'000);
  if (const auto fixed = cursor.AcceptOneOf(kFixed)) return Hundredths(*fixed);
  if (const auto sign = cursor.AcceptOneOf(kFractionSigns)) return Hundredths(*sign);
  auto number = cursor.Try(ParseWithDigits);
  if (!number) number = cursor.Try(ParseInWords);
  if (!number || !number->is_integer()) return number;
  if (const auto fraction = cursor.AcceptOneOf(kTrailingFractions)) {
    return number->Plus(*Hundredths(*fraction));
  }
  return number;
}

}  // namespace

std::optional<Decimal> ParseNumber(Cursor& cursor) {
  const bool negative = cursor.AcceptAny({"负", "minus", "negative"}) || cursor.AcceptPrefix("-");
  if (!negative) cursor.AcceptPrefix("+");
  const auto number = ParseUnsigned(cursor);
  if (!number) return std::nullopt;
  return negative ? number->Negated() : *number;
}

std::optional<std::int64_t> ParseCardinal(Cursor& cursor) {
  if (const auto digits = cursor.AcceptDigits(kIntegerDigitsMax)) return digits->value;
  if (const auto chinese = cursor.Try(ParseChineseCardinal)) return chinese;
  return ParseEnglishCardinal(cursor);
}

std::optional<Decimal> ParsePercent(Cursor& cursor) {
  const bool negative = cursor.Accept("负");
  if (cursor.Accept("百分之")) {
    if (cursor.Accept("百")) return Decimal::Of(negative ? -100 : 100);
    const auto number = ParseNumber(cursor);
    if (!number) return std::nullopt;
    return negative ? number->Negated() : *number;
  }
  if (negative) return std::nullopt;
  if (cursor.AcceptAny({"一半", "half", "halfway", "one half"}) && cursor.AtEnd()) return Decimal::Of(50);
  const auto number = ParseNumber(cursor);
  if (!number) return std::nullopt;
  if (cursor.AcceptAny({"%", "percent", "per cent", "pct"})) return number;
  if (!cursor.Accept("成")) return std::nullopt;
  if (number->LessThan(0) || !number->LessThan(11)) return std::nullopt;
  const auto tenths = number->Times(Decimal::Of(10));
  return tenths && cursor.Accept("半") ? tenths->Plus(Decimal::Of(5)) : tenths;
}

}  // namespace loquat::understanding
