#include "text/unicode.h"

#include <gtest/gtest.h>
#include <unicode/locid.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/uscript.h>

#include <string>

#include "base/utf8.h"

namespace loquat::text {
namespace {

constexpr char32_t kCodePoints = 0x110000;

template <typename Check>
void ForEachCodePoint(Check check) {
  for (char32_t c = 0; c < kCodePoints; ++c) {
    if (c < 0xD800 || c > 0xDFFF) check(c, InfoOf(c));
    if (::testing::Test::HasFailure()) FAIL() << "at code point " << static_cast<std::uint32_t>(c);
  }
}

TEST(UnicodeTables, StaySmall) {
  EXPECT_LT(tables::kTableBytes, 72U * 1024);
}

TEST(UnicodeTables, NameTheScriptOfEveryCodePointAsIcuDoes) {
  ForEachCodePoint([](char32_t c, CharInfo info) {
    UErrorCode error = U_ZERO_ERROR;
    const std::string name = uscript_getName(uscript_getScript(static_cast<UChar32>(c), &error));
    if (info.script != Script::kOther) EXPECT_EQ(ScriptName(info.script), name);
  });
}

TEST(UnicodeTables, AgreeWithIcuOnWhatNormalFormsDo) {
  UErrorCode error = U_ZERO_ERROR;
  struct Form {
    const icu::Normalizer2* icu;
    std::uint8_t inert, boundary;
  };
  const Form forms[] = {{icu::Normalizer2::getNFCInstance(error), kNfcInert, kNfcBoundary},
                        {icu::Normalizer2::getNFKCInstance(error), kNfkcInert, kNfkcBoundary},
                        {icu::Normalizer2::getNFKCCasefoldInstance(error), kFoldInert, kFoldBoundary}};
  ASSERT_TRUE(U_SUCCESS(error));
  ForEachCodePoint([&](char32_t c, CharInfo info) {
    const icu::UnicodeString alone(static_cast<UChar32>(c));
    for (const Form& form : forms) {
      EXPECT_EQ(info.Has(form.boundary), static_cast<bool>(form.icu->hasBoundaryBefore(static_cast<UChar32>(c))));
      if (info.Has(form.inert)) {
        EXPECT_EQ(form.icu->getCombiningClass(static_cast<UChar32>(c)), 0);
        EXPECT_EQ(form.icu->normalize(alone, error), alone);
      }
    }
    if (const char32_t folded = SimpleFold(c); folded != c) {
      const icu::UnicodeString expected = forms[2].icu->normalize(alone, error);
      EXPECT_EQ(expected.countChar32(), 1);
      EXPECT_EQ(folded, PlainPunctuation(static_cast<char32_t>(expected.char32At(0))));
    }
  });
}

// normalize.cc copies this range without looking it up.
TEST(UnicodeTables, FindTheIdeographsFrom4000To9FFFInertInEveryForm) {
  for (char32_t c = 0x4000; c <= 0x9FFF; ++c) {
    const CharInfo info = InfoOf(c);
    ASSERT_TRUE(info.Has(kNfcInert) && info.Has(kNfkcInert) && info.Has(kFoldInert)) << static_cast<std::uint32_t>(c);
  }
}

TEST(UnicodeTables, AgreeWithIcuOnLowerCase) {
  ForEachCodePoint([](char32_t c, CharInfo info) {
    icu::UnicodeString lowered(static_cast<UChar32>(c));
    lowered.toLower(icu::Locale::getRoot());
    EXPECT_EQ(info.Has(kLowerInert), lowered == icu::UnicodeString(static_cast<UChar32>(c)));
  });
}

TEST(UnicodeTables, ClassifyEveryCodePointAsIcuDoes) {
  ForEachCodePoint([](char32_t point, CharInfo info) {
    const auto c = static_cast<UChar32>(point);
    if (c != 0x200B && c != 0xFEFF) {
      EXPECT_EQ(info.char_class == CharClass::kSpace, static_cast<bool>(u_isUWhiteSpace(c)));
    }
    EXPECT_EQ(info.char_class == CharClass::kDigit, u_charType(c) == U_DECIMAL_DIGIT_NUMBER);
    if (u_isalpha(c)) {
      EXPECT_NE(info.char_class, CharClass::kOther);
      EXPECT_NE(info.char_class, CharClass::kPunctuation);
      EXPECT_NE(info.char_class, CharClass::kSpace);
    }
    EXPECT_EQ(info.Has(kEmojiDefault), static_cast<bool>(u_hasBinaryProperty(c, UCHAR_EMOJI_PRESENTATION)));
  });
}

TEST(PlainPunctuation, TouchesOnlyTypographicForms) {
  EXPECT_EQ(PlainPunctuation(U'’'), U'\'');
  EXPECT_EQ(PlainPunctuation(U'“'), U'"');
  EXPECT_EQ(PlainPunctuation(U'—'), U'-');
  EXPECT_EQ(PlainPunctuation(U'−'), U'-');
  EXPECT_EQ(PlainPunctuation(U'。'), U'。');
  EXPECT_EQ(PlainPunctuation(U'a'), U'a');
}

}  // namespace
}  // namespace loquat::text
