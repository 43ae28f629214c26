#include "text/segment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unicode/brkiter.h>
#include <unicode/uchar.h>

#include <algorithm>
#include <memory>
#include <set>
#include <string>

#include "base/utf8.h"
#include "text/random_text.h"

namespace loquat::text {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::uint64_t kSeed = 4711;

std::vector<Token> Tokens(std::string_view text) {
  std::vector<Token> tokens;
  Segment(text, tokens);
  return tokens;
}

std::vector<std::string> Pieces(std::string_view text) {
  std::vector<std::string> pieces;
  for (const Token& token : Tokens(text)) pieces.emplace_back(token.Of(text));
  return pieces;
}

std::vector<std::string> Kinds(std::string_view text) {
  std::vector<std::string> kinds;
  for (const Token& token : Tokens(text)) kinds.emplace_back(TokenKindName(token.kind));
  return kinds;
}

TEST(Segment, CutsMixedChineseAndEnglish) {
  EXPECT_THAT(Pieces("帮我订明天去Shanghai的火车票"),
              ElementsAre("帮", "我", "订", "明", "天", "去", "Shanghai", "的", "火", "车", "票"));
  EXPECT_THAT(Kinds("去Shanghai,好"), ElementsAre("han", "word", "punctuation", "han"));
  EXPECT_THAT(Pieces("𠮷野家"), ElementsAre("𠮷", "野", "家"));
}

TEST(Segment, KeepsApostrophesInsideWords) {
  EXPECT_THAT(Pieces("don't o’clock rock'n'roll Ｉ＇ｍ"), ElementsAre("don't", "o’clock", "rock'n'roll", "Ｉ＇ｍ"));
  EXPECT_THAT(Pieces("'quoted' dogs' ''"), ElementsAre("'", "quoted", "'", "dogs", "'", "'", "'"));
  EXPECT_THAT(Pieces("l'été naïve e\u0301a"), ElementsAre("l'été", "naïve", "e\u0301a"));
  EXPECT_THAT(Pieces("a'я"), ElementsAre("a", "'", "я"));
}

TEST(Segment, CutsLettersFromDigits) {
  EXPECT_THAT(Pieces("CA1831 5km 26度 ５ｋｍ m²"),
              ElementsAre("CA", "1831", "5", "km", "26", "度", "５", "ｋｍ", "m", "²"));
  EXPECT_THAT(Kinds("½②Ⅳ〇"), ElementsAre("number", "number", "number", "han"));
}

TEST(Segment, KeepsPointsAndThousandsInsideNumbers) {
  EXPECT_THAT(Pieces("3.5 1,000 1,234,567.89 1.2.3 ３．５"),
              ElementsAre("3.5", "1,000", "1,234,567.89", "1.2.3", "３．５"));
  EXPECT_THAT(Pieces("7:30"), ElementsAre("7", ":", "30"));
  EXPECT_THAT(Pieces("2026-11-22"), ElementsAre("2026", "-", "11", "-", "22"));
  EXPECT_THAT(Pieces("1,2,3"), ElementsAre("1", ",", "2", ",", "3"));
  EXPECT_THAT(Pieces("2023,1000"), ElementsAre("2023", ",", "1000"));
  EXPECT_THAT(Pieces("2023,100"), ElementsAre("2023", ",", "100"));
  EXPECT_THAT(Pieces("100，200"), ElementsAre("100", "，", "200"));
  EXPECT_THAT(Pieces("5. 5.x 5,"), ElementsAre("5", ".", "5", ".", "x", "5", ","));
}

TEST(Segment, KeepsEmojiSequencesWhole) {
  EXPECT_THAT(
      Pieces("👨‍👩‍👧‍👦🇨🇳🇺🇸👍🏽❤️1️⃣2️⃣#️⃣"),
      ElementsAre("👨‍👩‍👧‍👦", "🇨🇳", "🇺🇸", "👍🏽", "❤️", "1️⃣", "2️⃣", "#️⃣"));
  EXPECT_THAT(Kinds("👨‍👩‍👧‍👦🇨🇳👍🏽❤️1️⃣*️⃣"),
              ElementsAre("emoji", "emoji", "emoji", "emoji", "emoji", "emoji"));
  EXPECT_THAT(Pieces("12️⃣3.4️⃣1,234️⃣"),
              ElementsAre("1", "2️⃣", "3", ".", "4️⃣", "1,23", "4️⃣"));
  EXPECT_THAT(Pieces("🏴\U000E0067\U000E0062\U000E0065\U000E006E\U000E0067\U000E007F好"),
              ElementsAre("🏴\U000E0067\U000E0062\U000E0065\U000E006E\U000E0067\U000E007F", "好"));
  EXPECT_THAT(Kinds("© ↔ ❤ 🏽 🇨"), ElementsAre("symbol", "symbol", "symbol", "emoji", "emoji"));
  EXPECT_THAT(Pieces("#5 *"), ElementsAre("#", "5", "*"));
}

TEST(Segment, KnowsOtherScripts) {
  EXPECT_THAT(Pieces("привет мир"), ElementsAre("привет", "мир"));
  EXPECT_THAT(Pieces("カメラは"), ElementsAre("カ", "メ", "ラ", "は"));
  EXPECT_THAT(Pieces("ｶﾞｰ"), ElementsAre("ｶﾞ", "ｰ"));
  EXPECT_THAT(Kinds("ラーㄅ"), ElementsAre("kana", "kana", "letter"));
  EXPECT_THAT(Pieces("한국어 안녕"), ElementsAre("한국어", "안녕"));
  EXPECT_THAT(Pieces("กำก"), ElementsAre("กำ", "ก"));
  EXPECT_THAT(Pieces("हिन्दी"), ElementsAre("हिन्दी"));
  EXPECT_THAT(Pieces("שלום عليكم"), ElementsAre("שלום", "عليكم"));
  EXPECT_THAT(Pieces("abcпривет"), ElementsAre("abc", "привет"));
  EXPECT_EQ(Tokens("привет")[0].script, Script::kCyrillic);
  EXPECT_EQ(Tokens("好")[0].script, Script::kHan);
  EXPECT_EQ(Tokens("12")[0].script, Script::kCommon);
}

TEST(Segment, SeparatorsAreNoTokens) {
  EXPECT_THAT(Pieces(" \t\r\n\u00A0\u3000\u200B\uFEFFa\u2028b "), ElementsAre("a", "b"));
  EXPECT_THAT(Pieces(""), IsEmpty());
  EXPECT_THAT(Pieces("   "), IsEmpty());
  const std::vector<Token> tokens = Tokens("ab5 c");
  EXPECT_TRUE(tokens[0].space_before);
  EXPECT_FALSE(tokens[1].space_before);
  EXPECT_TRUE(tokens[2].space_before);
}

TEST(Segment, MarksStayWithWhatTheyFollow) {
  EXPECT_THAT(Pieces("葛\U000E0100城"), ElementsAre("葛\U000E0100", "城"));
  EXPECT_THAT(Pieces("co\u00ADop a\u200Db"), ElementsAre("co\u00ADop", "a\u200Db"));
  EXPECT_THAT(Kinds(" \u0301a"), ElementsAre("other", "word"));
  EXPECT_THAT(Pieces("5\u03015"), ElementsAre("5\u03015"));
  EXPECT_THAT(Kinds("\x01\x7F"), ElementsAre("other", "other"));
}

TEST(Segment, EachIllFormedSubpartIsOneToken) {
  EXPECT_THAT(Pieces("a\xFF\xF0\x9F\x98好\xC0\xAF"), ElementsAre("a", "\xFF", "\xF0\x9F\x98", "好", "\xC0", "\xAF"));
  EXPECT_THAT(Kinds("\xED\xA0\x80"), ElementsAre("invalid", "invalid", "invalid"));
  EXPECT_THAT(Kinds("\xFF\u0301"), ElementsAre("invalid", "other"));
}

TEST(Segment, CountsWhatTheBoundLeavesOut) {
  std::vector<Token> tokens;
  const SegmentResult exact = Segment("a b c", tokens, {.tokens_max = 3});
  EXPECT_EQ(tokens.size(), 3U);
  EXPECT_EQ(exact.tokens_left_out, 0U);
  const SegmentResult over = Segment("a b c d", tokens, {.tokens_max = 3});
  EXPECT_EQ(tokens.size(), 3U);
  EXPECT_EQ(over.tokens_total, 4U);
  EXPECT_EQ(over.tokens_left_out, 1U);
  Segment("a", tokens, {.tokens_max = 0});
  EXPECT_THAT(tokens, IsEmpty());
}

TEST(Segment, ReusesTheCallersVector) {
  std::vector<Token> tokens;
  Segment("one two three four five", tokens);
  const Token* data = tokens.data();
  Segment("一二三", tokens);
  EXPECT_EQ(tokens.data(), data);
  EXPECT_EQ(tokens.size(), 3U);
}

bool IsSeparator(std::string_view text) {
  const base::DecodedCodePoint c = base::DecodeUtf8(text, 0);
  return c.valid &&
         (u_isUWhiteSpace(static_cast<UChar32>(c.code_point)) || c.code_point == 0x200B || c.code_point == 0xFEFF);
}

TEST(Segment, TokensCoverAllButSeparatorsInOrder) {
  RandomText random(kSeed);
  for (int i = 0; i < 20000; ++i) {
    SCOPED_TRACE(testing::Message() << "seed " << kSeed << " round " << i);
    const std::string text = random.Any(32);
    std::uint32_t at = 0;
    const auto skip_gap = [&](std::uint32_t end) {
      while (at < end) {
        ASSERT_TRUE(IsSeparator(std::string_view(text).substr(at)));
        at += base::DecodeUtf8(text, at).length;
      }
      ASSERT_EQ(at, end);
    };
    for (const Token& token : Tokens(text)) {
      ASSERT_GE(token.byte_begin, at);
      ASSERT_GT(token.byte_end, token.byte_begin);
      const bool gap = token.byte_begin > at || at == 0;
      skip_gap(token.byte_begin);
      ASSERT_EQ(token.space_before, gap);
      ASSERT_EQ(base::IsValidUtf8(token.Of(text)), token.kind != TokenKind::kInvalid);
      at = token.byte_end;
    }
    skip_gap(static_cast<std::uint32_t>(text.size()));
  }
}

// No token begins inside a grapheme cluster of ICU, but where the cluster is a space with a mark on it, or begins with
// a format character (UAX #29 class Prepend) or mark, which our tokens cut.
TEST(Segment, NeverCutsAGraphemeClusterOfIcu) {
  UErrorCode error = U_ZERO_ERROR;
  const std::unique_ptr<icu::BreakIterator> clusters(
      icu::BreakIterator::createCharacterInstance(icu::Locale::getRoot(), error));
  ASSERT_TRUE(U_SUCCESS(error));
  RandomText random(kSeed + 1);
  int checked = 0;
  for (int i = 0; i < 10000; ++i) {
    const std::string text = random.Valid(24);
    UText utext = UTEXT_INITIALIZER;
    utext_openUTF8(&utext, text.data(), static_cast<std::int64_t>(text.size()), &error);
    clusters->setText(&utext, error);
    std::set<std::int32_t> boundaries;
    for (std::int32_t at = clusters->first(); at != icu::BreakIterator::DONE; at = clusters->next())
      boundaries.insert(at);
    for (const Token& token : Tokens(text)) {
      const std::int32_t cluster = *std::prev(boundaries.upper_bound(static_cast<std::int32_t>(token.byte_begin)));
      const auto base = static_cast<UChar32>(base::DecodeUtf8(text, static_cast<std::size_t>(cluster)).code_point);
      const bool excused = u_getIntPropertyValue(base, UCHAR_GRAPHEME_CLUSTER_BREAK) == U_GCB_PREPEND ||
                           IsSeparator(std::string_view(text).substr(static_cast<std::size_t>(cluster)));
      if (excused) continue;
      ++checked;
      ASSERT_EQ(cluster, static_cast<std::int32_t>(token.byte_begin))
          << "seed " << kSeed + 1 << " round " << i << " text " << testing::PrintToString(text);
    }
    utext_close(&utext);
  }
  EXPECT_GT(checked, 50000);
}

// For plain English ICU's word rules (UAX #29) are the reference: the same words, letters and digits apart from each
// other.
TEST(Segment, FindsTheWordsThatIcuFinds) {
  UErrorCode error = U_ZERO_ERROR;
  const std::unique_ptr<icu::BreakIterator> words(
      icu::BreakIterator::createWordInstance(icu::Locale::getEnglish(), error));
  ASSERT_TRUE(U_SUCCESS(error));
  const std::string text =
      "Don't wake me at 7 o'clock; I'd rather pay 1,250.75 than fly! Über-cool naïve café, l'été, привет мир.";
  UText utext = UTEXT_INITIALIZER;
  utext_openUTF8(&utext, text.data(), static_cast<std::int64_t>(text.size()), &error);
  words->setText(&utext, error);
  std::vector<std::string> expected, found;
  for (std::int32_t from = words->first(), to = words->next(); to != icu::BreakIterator::DONE;
       from = to, to = words->next()) {
    if (words->getRuleStatus() != UBRK_WORD_NONE)
      expected.push_back(text.substr(static_cast<std::size_t>(from), static_cast<std::size_t>(to - from)));
  }
  utext_close(&utext);
  for (const Token& token : Tokens(text)) {
    if (token.kind == TokenKind::kWord || token.kind == TokenKind::kNumber) found.emplace_back(token.Of(text));
  }
  EXPECT_EQ(found, expected);
  EXPECT_EQ(found.size(), 19U);
}

}  // namespace
}  // namespace loquat::text
