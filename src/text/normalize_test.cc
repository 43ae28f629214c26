#include "text/normalize.h"

#include <gtest/gtest.h>
#include <unicode/bytestream.h>
#include <unicode/locid.h>
#include <unicode/normalizer2.h>

#include <string>

#include "base/utf8.h"
#include "text/random_text.h"
#include "text/unicode.h"

namespace loquat::text {
namespace {

constexpr std::uint64_t kSeed = 20240517;
constexpr int kRounds = 20000;

std::string ByIcu(const icu::Normalizer2& form, std::string_view text) {
  std::string repaired;
  base::AppendUtf8Repaired(text, repaired);
  UErrorCode error = U_ZERO_ERROR;
  std::string out;
  form.normalize(icu::UnicodeString::fromUTF8(repaired), error).toUTF8String(out);
  EXPECT_TRUE(U_SUCCESS(error));
  return out;
}

std::string Plain(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const base::DecodedCodePoint c = base::DecodeUtf8(text, at);
    base::AppendUtf8(PlainPunctuation(c.code_point), out);
    at += c.length;
  }
  return out;
}

const icu::Normalizer2& Casefold() {
  UErrorCode error = U_ZERO_ERROR;
  return *icu::Normalizer2::getNFKCCasefoldInstance(error);
}

TEST(Normalize, EqualsIcuOnRandomTextOfAllScripts) {
  UErrorCode error = U_ZERO_ERROR;
  const icu::Normalizer2& nfc = *icu::Normalizer2::getNFCInstance(error);
  const icu::Normalizer2& nfkc = *icu::Normalizer2::getNFKCInstance(error);
  ASSERT_TRUE(U_SUCCESS(error));
  RandomText random(kSeed);
  for (int i = 0; i < kRounds; ++i) {
    SCOPED_TRACE(testing::Message() << "seed " << kSeed << " round " << i);
    const std::string text = i % 4 == 0 ? random.Any(24) : random.Valid(24);
    ASSERT_EQ(ToNfc(text), ByIcu(nfc, text));
    ASSERT_EQ(ToNfkc(text), ByIcu(nfkc, text));
    ASSERT_EQ(NormalizeForMatching(text), Plain(ByIcu(Casefold(), text)));
    ASSERT_EQ(IsNfc(text), ByIcu(nfc, text) == text);
  }
}

TEST(Normalize, EqualsIcuOnEveryCodePointBetweenLetters) {
  UErrorCode error = U_ZERO_ERROR;
  const icu::Normalizer2& nfkc = *icu::Normalizer2::getNFKCInstance(error);
  for (char32_t c = 0; c <= base::kMaxCodePoint; ++c) {
    if (c >= 0x30000 && c < 0xE0000) continue;  // Unassigned planes.
    std::string text = "A";
    base::AppendUtf8(c, text);
    text += "e\u0301";
    ASSERT_EQ(ToNfkc(text), ByIcu(nfkc, text)) << static_cast<std::uint32_t>(c);
    ASSERT_EQ(NormalizeForMatching(text), Plain(ByIcu(Casefold(), text))) << static_cast<std::uint32_t>(c);
  }
}

TEST(Normalize, LowersAsIcuDoes) {
  RandomText random(kSeed + 1);
  for (int i = 0; i < kRounds; ++i) {
    const std::string text = random.Any(16);
    std::string repaired;
    base::AppendUtf8Repaired(text, repaired);
    std::string expected;
    icu::UnicodeString::fromUTF8(repaired).toLower(icu::Locale::getRoot()).toUTF8String(expected);
    ASSERT_EQ(ToLowerCase(text), expected) << "seed " << kSeed + 1 << " round " << i;
  }
  EXPECT_EQ(ToLowerCase("ΟΔΥΣΣΕΥΣ"), "οδυσσευς");
  EXPECT_EQ(ToLowerCase("帮我订 CA1831"), "帮我订 ca1831");
}

TEST(Normalize, IsIdempotent) {
  RandomText random(kSeed + 2);
  for (int i = 0; i < kRounds; ++i) {
    SCOPED_TRACE(testing::Message() << "seed " << kSeed + 2 << " round " << i);
    const std::string text = random.Any(24);
    ASSERT_EQ(ToNfc(ToNfc(text)), ToNfc(text));
    ASSERT_EQ(ToNfkc(ToNfkc(text)), ToNfkc(text));
    ASSERT_EQ(ToLowerCase(ToLowerCase(text)), ToLowerCase(text));
    ASSERT_EQ(NormalizeForMatching(NormalizeForMatching(text)), NormalizeForMatching(text));
    ASSERT_TRUE(base::IsValidUtf8(NormalizeForMatching(text)));
  }
}

TEST(Normalize, FoldsWidthCaseAndTypographyForMatching) {
  EXPECT_EQ(NormalizeForMatching("Ｄｏｎ’ｔ　ＰＡＹ　￥１００"), "don't pay ¥100");
  EXPECT_EQ(NormalizeForMatching("“quoted” — ‘so’ −5"), "\"quoted\" - 'so' -5");
  EXPECT_EQ(NormalizeForMatching("Straße"), "strasse");
  EXPECT_EQ(NormalizeForMatching("ｶﾞｲﾄﾞ"), "ガイド");
  EXPECT_EQ(NormalizeForMatching("今天,天气。"), "今天,天气。");
  EXPECT_EQ(NormalizeForMatching("co\u00ADop"), "coop");
  EXPECT_EQ(NormalizeForMatching("\uFE0F"), "");
  EXPECT_EQ(NormalizeForMatching("\xE4\xBD"), "\uFFFD");
}

TEST(Normalize, AppendsToWhatIsThere) {
  std::string out = "E";
  AppendNfc("\u0301", out);
  EXPECT_EQ(out, "E\u0301");
  AppendForMatching("ABC", out);
  EXPECT_EQ(out, "E\u0301abc");
  AppendLowerCase("Ä", out);
  EXPECT_EQ(out, "E\u0301abcä");
}

// Some 60 thousand marks on one letter take ICU alone seconds: its reordering is quadratic.
TEST(Normalize, OrdersHostileRunsOfMarksAsTheStandardSays) {
  std::string hostile = "a";
  for (int i = 0; i < 30000; ++i) hostile += "\u0301";  // Class 230.
  for (int i = 0; i < 30000; ++i) hostile += "\u0327";  // Class 202, goes first.
  std::string expected = "á";
  for (int i = 0; i < 30000; ++i) expected += "\u0327";
  for (int i = 0; i < 29999; ++i) expected += "\u0301";
  EXPECT_EQ(ToNfc(hostile), expected);
  EXPECT_EQ(ToNfkc(hostile), expected);
  EXPECT_EQ(NormalizeForMatching(hostile), expected);
}

TEST(Normalize, AgreesWithIcuOnBothSidesOfTheHostileLength) {
  UErrorCode error = U_ZERO_ERROR;
  const icu::Normalizer2& nfc = *icu::Normalizer2::getNFCInstance(error);
  RandomText random(kSeed + 3);
  constexpr std::string_view kMarks[] = {"\u0301", "\u0327", "\u0344", "\u0F73", "\u0F71", "\u05B0",
                                         "\u200D", "\u0345", "\u3099", "\u0338", "\u1161", "\u11A8"};
  for (int i = 0; i < 400; ++i) {
    std::string text = i % 2 == 0 ? "e" : "ᄀ";
    for (std::uint64_t marks = 55 + random.Below(90); marks > 0; --marks)
      text += kMarks[random.Below(std::size(kMarks))];
    ASSERT_EQ(ToNfc(text), ByIcu(nfc, text)) << "seed " << kSeed + 3 << " round " << i;
    ASSERT_EQ(NormalizeForMatching(text), Plain(ByIcu(Casefold(), text))) << "seed " << kSeed + 3 << " round " << i;
  }
}

TEST(OffsetMap, LeadsBackToTheOriginalBytes) {
  const std::string text = "订ＡＢ票ﬁn";
  std::string out;
  OffsetMap map;
  AppendForMatching(text, out, &map);
  ASSERT_EQ(out, "订ab票fin");
  const auto original = [&](std::string_view part) {
    const auto begin = static_cast<std::uint32_t>(out.find(part));
    const auto end = begin + static_cast<std::uint32_t>(part.size());
    return text.substr(map.ToOriginalBegin(begin), map.ToOriginalEnd(end) - map.ToOriginalBegin(begin));
  };
  EXPECT_EQ(original("ab"), "ＡＢ");
  EXPECT_EQ(original("b票"), "Ｂ票");
  EXPECT_EQ(original("票"), "票");
  EXPECT_EQ(original("f"), "ﬁ");  // Half of a ligature is all of it.
  EXPECT_EQ(original("in"), "ﬁn");
  EXPECT_EQ(original("n"), "n");
  EXPECT_EQ(map.ToOriginalBegin(1000), text.size());
  EXPECT_EQ(map.ToOriginalEnd(1000), text.size());
  EXPECT_EQ(map.ToOriginalEnd(0), 0U);
}

TEST(OffsetMap, CountsFromTheFirstAppendedByteAndForgetsThePast) {
  OffsetMap map;
  std::string out = "before ";
  AppendNfc("e\u0301x", out, &map);
  ASSERT_EQ(out, "before éx");
  EXPECT_EQ(map.ToOriginalBegin(0), 0U);
  EXPECT_EQ(map.ToOriginalBegin(2), 3U);
  EXPECT_EQ(map.runs(), 2U);
  AppendNfkc("", out, &map);
  EXPECT_EQ(map.runs(), 0U);
  EXPECT_EQ(map.ToOriginalBegin(0), 0U);
}

// Normalising the original of a prefix-to-suffix range again gives a text that contains the range.
TEST(OffsetMap, RangesOfRandomTextNormaliseBackToThemselves) {
  RandomText random(kSeed + 4);
  OffsetMap map;
  for (int i = 0; i < kRounds; ++i) {
    SCOPED_TRACE(testing::Message() << "seed " << kSeed + 4 << " round " << i);
    const std::string text = random.Any(16);
    std::string out;
    AppendForMatching(text, out, &map);
    if (out.empty()) continue;
    const auto begin = static_cast<std::uint32_t>(random.Below(out.size()));
    const auto end = static_cast<std::uint32_t>(begin + 1 + random.Below(out.size() - begin));
    const std::uint32_t from = map.ToOriginalBegin(begin), to = map.ToOriginalEnd(end);
    ASSERT_LT(from, to);
    ASSERT_LE(to, text.size());
    ASSERT_LE(map.ToOriginalEnd(begin), to);
    // Range ends may stand inside a character of a copied run: compare what is whole.
    const std::string again = NormalizeForMatching(std::string_view(text).substr(from, to - from));
    const auto boundary = [](std::string_view in, std::size_t at) {
      return at == in.size() || (static_cast<unsigned char>(in[at]) & 0xC0) != 0x80;
    };
    if (boundary(out, begin) && boundary(out, end)) {
      ASSERT_NE(again.find(out.substr(begin, end - begin)), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace loquat::text
