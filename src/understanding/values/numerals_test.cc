#include "understanding/values/numerals.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>

#include "base/random.h"
#include "understanding/values/fold.h"

namespace loquat::understanding {
namespace {

// Formatters of the tests' own, by position instead of by grammar.
std::string InChinese(std::int64_t number) {
  static constexpr std::array kDigits = {"零", "一", "二", "三", "四", "五", "六", "七", "八", "九"};
  static constexpr std::array kUnits = {"", "十", "百", "千", "万", "十", "百", "千", "亿", "十", "百", "千"};
  if (number == 0) return "零";
  const std::string digits = std::to_string(number);
  std::string text;
  bool gap = false, group_said = false;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    const std::size_t place = digits.size() - 1 - i;
    const int digit = digits[i] - '0';
    if (digit == 0) {
      gap = true;
    } else {
      if (gap && !text.empty()) text += "零";
      gap = false;
      group_said = true;
      text += kDigits[static_cast<std::size_t>(digit)];
      if (place % 4 != 0) text += kUnits[place];
    }
    if (place % 4 == 0) {
      if (place > 0 && group_said) text += kUnits[place];
      group_said = false;
    }
  }
  return text.starts_with("一十") ? text.substr(std::string("一").size()) : text;
}

std::string InEnglish(std::int64_t number, bool with_and) {
  static constexpr std::array kSmall = {
      "zero", "one",    "two",    "three",    "four",     "five",    "six",     "seven",     "eight",    "nine",
      "ten",  "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"};
  static constexpr std::array kTens = {"",      "",      "twenty",  "thirty", "forty",
                                       "fifty", "sixty", "seventy", "eighty", "ninety"};
  if (number < 20) return kSmall[static_cast<std::size_t>(number)];
  if (number < 100) {
    const std::string tens = kTens[static_cast<std::size_t>(number / 10)];
    return number % 10 == 0 ? tens : tens + "-" + kSmall[static_cast<std::size_t>(number % 10)];
  }
  const std::int64_t unit = number < 1000 ? 100 : number < 1'000'000 ? 1000 : 1'000'000;
  std::string text = InEnglish(number / unit, with_and) + (unit == 100    ? " hundred"
                                                           : unit == 1000 ? " thousand"
                                                                          : " million");
  if (number % unit == 0) return text;
  if (with_and && number % unit < 100) text += " and";
  return text + " " + InEnglish(number % unit, with_and);
}

std::string Parsed(std::string_view text) {
  // The grammar itself has no bound of length; folding has.
  const auto folded = FoldedText::From(text);
  std::string spaced(text);
  std::ranges::replace(spaced, '-', ' ');
  if (!folded && text.size() <= kSurfaceCodePointsMax) return "-";
  Cursor cursor(folded ? folded->view() : std::string_view(spaced));
  const auto number = ParseNumber(cursor);
  if (!number || !cursor.AtEnd()) return "-";
  std::string out;
  number->AppendTo(out);
  return out;
}

void ExpectRoundTrip(std::int64_t number) {
  const std::string digits = std::to_string(number);
  EXPECT_EQ(Parsed(digits), digits);
  EXPECT_EQ(Parsed(InChinese(number)), digits) << InChinese(number);
  EXPECT_EQ(Parsed(InEnglish(number, false)), digits) << InEnglish(number, false);
  EXPECT_EQ(Parsed(InEnglish(number, true)), digits) << InEnglish(number, true);
}

TEST(Numerals, EveryNumberBelow20000ReadsBackInBothLanguages) {
  for (std::int64_t number = 0; number < 20'000; ++number) ExpectRoundTrip(number);
}

TEST(Numerals, NumbersUpToAMillionReadBackInBothLanguages) {
  constexpr std::uint64_t kSeed = 7;
  constexpr int kSamples = 20'000;
  SCOPED_TRACE(kSeed);
  base::Random random(kSeed);
  for (int i = 0; i < kSamples; ++i) ExpectRoundTrip(random.Between(0, 1'000'000));
  ExpectRoundTrip(1'000'000);
}

TEST(Numerals, NumbersPastAHundredMillionReadBackInChinese) {
  constexpr std::uint64_t kSeed = 8;
  SCOPED_TRACE(kSeed);
  base::Random random(kSeed);
  for (int i = 0; i < 5000; ++i) {
    const std::int64_t number = random.Between(0, 999'999'999'999);
    EXPECT_EQ(Parsed(InChinese(number)), std::to_string(number)) << InChinese(number);
  }
}

TEST(Numerals, FractionsReadBack) {
  constexpr std::uint64_t kSeed = 9;
  SCOPED_TRACE(kSeed);
  base::Random random(kSeed);
  for (int i = 0; i < 5000; ++i) {
    const std::int64_t whole = random.Between(0, 99'999);
    std::string digits = std::to_string(whole) + ".", chinese = InChinese(whole) + "点",
                english = InEnglish(whole, false) + " point";
    const std::uint64_t count = 1 + random.Below(4);
    for (std::uint64_t d = 0; d < count; ++d) {
      const std::int64_t digit = random.Between(d + 1 == count ? 1 : 0, 9);
      digits += std::to_string(digit);
      chinese += InChinese(digit);
      english += " " + InEnglish(digit, false);
    }
    EXPECT_EQ(Parsed(digits), digits);
    EXPECT_EQ(Parsed(chinese), digits) << chinese;
    EXPECT_EQ(Parsed(english), digits) << english;
  }
}

TEST(Numerals, ReadsTheShortFormsOfSpeech) {
  for (const auto& [said, number] :
       std::to_array<std::pair<std::string_view, std::string_view>>({{"一百二", "120"},
                                                                     {"一千二", "1200"},
                                                                     {"两万五", "25000"},
                                                                     {"三亿五", "350000000"},
                                                                     {"一百一十", "110"},
                                                                     {"一百十五", "115"},
                                                                     {"十万", "100000"},
                                                                     {"百万", "1000000"},
                                                                     {"千万", "10000000"},
                                                                     {"两千万", "20000000"},
                                                                     {"一万亿", "1000000000000"},
                                                                     {"一万零五", "10005"},
                                                                     {"3千5", "3500"},
                                                                     {"1万2", "12000"},
                                                                     {"1万2000", "12000"},
                                                                     {"3万5千", "35000"},
                                                                     {"3万零五百", "30500"},
                                                                     {"1.5亿", "150000000"},
                                                                     {"三点五万", "35000"},
                                                                     {"二零二六", "2026"},
                                                                     {"零五", "5"},
                                                                     {"一二三四", "1234"},
                                                                     {"twenty five hundred", "2500"},
                                                                     {"a hundred", "100"},
                                                                     {"a million", "1000000"},
                                                                     {"2.5 million", "2500000"},
                                                                     {"5k", "5000"},
                                                                     {"two dozen", "24"},
                                                                     {"3 dozen", "36"},
                                                                     {"two and a half", "2.5"},
                                                                     {"3 and a quarter", "3.25"},
                                                                     {"1/2", "0.5"},
                                                                     {"2 1/2", "2.5"},
                                                                     {"3/4", "0.75"},
                                                                     {"½", "0.5"},
                                                                     {"2½", "2.5"},
                                                                     {".5", "0.5"},
                                                                     {"point five", "0.5"},
                                                                     {"zero point zero five", "0.05"},
                                                                     {"3.5 thousand", "3500"},
                                                                     {"half a million", "500000"},
                                                                     {"negative two", "-2"},
                                                                     {"+5", "5"},
                                                                     {"四分之三", "0.75"},
                                                                     {"一百万零一", "1000001"},
                                                                     {"three point five million", "3500000"},
                                                                     {"three quarters", "0.75"},
                                                                     {"1,234,567", "1234567"},
                                                                     {"12,345.5", "12345.5"},
                                                                     {"半", "0.5"}})) {
    EXPECT_EQ(Parsed(said), number) << said;
  }
}

TEST(Numerals, RefusesWhatIsNoNumberOrOnlyNearOne) {
  for (const std::string_view said : {"三四",
                                      "七八",
                                      "十几",
                                      "一百多",
                                      "几",
                                      "三百零",
                                      "十十",
                                      "一千二三百",
                                      "零零百",
                                      "万",
                                      "亿",
                                      "一万万",
                                      "五千亿亿",
                                      "一亿二亿",
                                      "1,00",
                                      "1,0000",
                                      "12,34",
                                      "1.x",
                                      "1..2",
                                      "1/0",
                                      "1/3",
                                      "一/二",
                                      "三分之一",
                                      "零分之一",
                                      "a",
                                      "and",
                                      "hundred",
                                      "twenty twenty",
                                      "five ten",
                                      "one thousand thousand",
                                      "two hundred hundred",
                                      "thousand",
                                      "zero five",
                                      "point",
                                      "three point",
                                      "三点",
                                      "twenty and",
                                      "1234567890123456",
                                      "0.1234567890",
                                      "9,999,999,999,999,999",
                                      "九千九百九十九万亿",
                                      "999 trillion trillion",
                                      "3点5",
                                      "five hundred trillion billion",
                                      "- ",
                                      "--5",
                                      "一二三四五六七八九零一二三四五六",
                                      "half a",
                                      "nine hundred ninety nine trillion trillion",
                                      "1百万亿",
                                      "999999999999999 million"}) {
    EXPECT_EQ(Parsed(said), "-") << said;
  }
}

TEST(Numerals, ReadsOrdinalsUpTo99) {
  const auto ordinal = [](std::string_view text) -> std::int64_t {
    Cursor cursor(text);
    const auto number = ParseOrdinal(cursor);
    return number && cursor.AtEnd() ? *number : -1;
  };
  EXPECT_EQ(ordinal("1st"), 1);
  EXPECT_EQ(ordinal("22nd"), 22);
  EXPECT_EQ(ordinal("third"), 3);
  EXPECT_EQ(ordinal("thirtieth"), 30);
  EXPECT_EQ(ordinal("ninety ninth"), 99);
  for (const std::string_view text : {"0th", "100th", "three", "twenty", "5", "twenty tenth", "ten first", ""}) {
    EXPECT_EQ(ordinal(text), -1) << text;
  }
}

TEST(Numerals, ReadsYearsFrom1900To2199) {
  const auto year = [](std::string_view text) {
    Cursor cursor(text);
    const auto number = ParseYear(cursor);
    return number && cursor.AtEnd() ? *number : -1;
  };
  EXPECT_EQ(year("1900"), 1900);
  EXPECT_EQ(year("2199"), 2199);
  EXPECT_EQ(year("1899"), -1);
  EXPECT_EQ(year("2200"), -1);
  EXPECT_EQ(year("226"), -1);
  EXPECT_EQ(year("二零二六"), 2026);
  EXPECT_EQ(year("两千零八"), 2008);
  EXPECT_EQ(year("twenty twenty six"), 2026);
  EXPECT_EQ(year("nineteen oh five"), 1905);
  EXPECT_EQ(year("nineteen oh ten"), -1);
  EXPECT_EQ(year("twenty five"), -1);
  EXPECT_EQ(year("two thousand and five"), 2005);
}

TEST(Decimal, KeepsWithinItsBounds) {
  EXPECT_EQ(Decimal::Make(1500, 3), Decimal::Make(15, 1));
  EXPECT_TRUE(Decimal::Make(Decimal::kUnitsMax, 0).has_value());
  EXPECT_FALSE(Decimal::Make(Decimal::kUnitsMax + 1, 0).has_value());
  EXPECT_FALSE(Decimal::Make(-Decimal::kUnitsMax - 1, 0).has_value());
  EXPECT_FALSE(Decimal::Make(1, Decimal::kScaleMax + 1).has_value());
  EXPECT_FALSE(Decimal::Make(1, -1).has_value());
  EXPECT_FALSE(Decimal::Of(Decimal::kUnitsMax).Plus(Decimal::Of(1)).has_value());
  EXPECT_FALSE(Decimal::Of(Decimal::kUnitsMax).Times(Decimal::Of(Decimal::kUnitsMax)).has_value());
  EXPECT_EQ(Decimal::Of(1).DividedBy(8), Decimal::Make(125, 3));
  EXPECT_FALSE(Decimal::Of(1).DividedBy(3).has_value());
  EXPECT_FALSE(Decimal::Make(15, 1)->AsInteger().has_value());
  std::string text;
  Decimal::Make(-5, 2)->AppendTo(text);
  EXPECT_EQ(text, "-0.05");
}

}  // namespace
}  // namespace loquat::understanding
