#include "text/script.h"

#include <gtest/gtest.h>

#include <vector>

namespace loquat::text {
namespace {

LanguageGuess Guess(std::string_view text) {
  std::vector<Token> tokens;
  Segment(text, tokens);
  return GuessLanguage(text, tokens);
}

TEST(Script, OfCodePoints) {
  EXPECT_EQ(ScriptOf(U'去'), Script::kHan);
  EXPECT_EQ(ScriptOf(U'ら'), Script::kHiragana);
  EXPECT_EQ(ScriptOf(U'ラ'), Script::kKatakana);
  EXPECT_EQ(ScriptOf(U'한'), Script::kHangul);
  EXPECT_EQ(ScriptOf(U'ж'), Script::kCyrillic);
  EXPECT_EQ(ScriptOf(U'ｋ'), Script::kLatin);
  EXPECT_EQ(ScriptOf(U'7'), Script::kCommon);
  EXPECT_EQ(ScriptOf(0x301), Script::kInherited);
  EXPECT_EQ(ScriptOf(0x10FFFF), Script::kUnknown);
  EXPECT_EQ(ScriptName(Script::kHan), "Han");
  EXPECT_EQ(ScriptName(Script::kEthiopic), "Ethiopic");
}

TEST(Script, DominantScriptIgnoresWhatHasNone) {
  EXPECT_EQ(DominantScript("12:30!!!! 去"), Script::kHan);
  EXPECT_EQ(DominantScript("שלום ab"), Script::kHebrew);
  EXPECT_EQ(DominantScript("12:30"), Script::kCommon);
  EXPECT_EQ(DominantScript(""), Script::kUnknown);
  EXPECT_EQ(DominantScript("\xFF\xFE"), Script::kUnknown);
  EXPECT_EQ(CountScripts("a\xFF去")[static_cast<std::size_t>(Script::kUnknown)], 1U);
}

TEST(LanguageGuess, FollowsTheSentenceNotTheNamesInIt) {
  constexpr std::string_view kChinese[] = {"帮我订明天去上海的火车票", "那后天呢",    "播放 The Sound of Silence",
                                           "播放 Taylor Swift 的歌",   "OK 帮我订票", "帮我查一下 CA1831 航班",
                                           "iPhone 15 多少钱",         "打开wifi"};
  for (const std::string_view text : kChinese) EXPECT_EQ(Guess(text).language, Language::kChinese) << text;
  constexpr std::string_view kEnglish[] = {"book a train to Shanghai", "how do I say 谢谢 in Chinese",
                                           "and the day after?",       "translate 你好 to English",
                                           "What does 加油 mean",      "don't"};
  for (const std::string_view text : kEnglish) EXPECT_EQ(Guess(text).language, Language::kEnglish) << text;
}

TEST(LanguageGuess, IsUnknownWithoutEvidence) {
  for (const std::string_view text : {"", "12:30", "😀", "привет мир", "こんにちは", "한국어 안녕", "กขค"}) {
    EXPECT_EQ(Guess(text).language, Language::kUnknown) << text;
  }
  EXPECT_EQ(Guess("").chinese, 0.5F);
  EXPECT_EQ(Guess("你好").chinese, 1.0F);
  EXPECT_EQ(Guess("hello").chinese, 0.0F);
  EXPECT_EQ(Guess("東京タワーへいきたいです").language, Language::kUnknown);
}

}  // namespace
}  // namespace loquat::text
