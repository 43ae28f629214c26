// The hand-made scanners beside PCRE2 with the patterns they stand for.

#include "text/tokenizer/word_scanner.h"

#include <gtest/gtest.h>
#include <unicode/uchar.h>

#include <set>
#include <string>
#include <vector>

#include "base/utf8.h"
#include "text/random_text.h"
#include "text/tokenizer/pattern.h"
#include "text/tokenizer/scan_classes.h"

namespace loquat::text {
namespace {

std::vector<std::string> Words(ScanRule rule, std::string_view text) {
  std::vector<std::string> words;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = WordEnd(rule, text, at);
    words.emplace_back(text.substr(at, end - at));
    at = end;
  }
  return words;
}

std::vector<std::string> WordsByPcre(const Pattern& pattern, std::string_view text) {
  PatternScratch scratch;
  std::vector<Piece> matches;
  EXPECT_TRUE(pattern.FindAll(text, scratch, matches).has_value());
  std::vector<std::string> words;
  for (const Piece& match : matches) words.emplace_back(match.Of(text));
  return words;
}

// The characters that match a class by PCRE2, of all there are.
std::set<char32_t> MatchesOf(std::string_view character_class) {
  std::string all;
  for (char32_t c = 0; c <= base::kMaxCodePoint; ++c) {
    if (c < 0xD800 || c > 0xDFFF) base::AppendUtf8(c, all);
  }
  const auto pattern = Pattern::Compile(character_class);
  PatternScratch scratch;
  std::vector<Piece> matches;
  EXPECT_TRUE(pattern.has_value() && pattern->FindAll(all, scratch, matches).has_value());
  std::set<char32_t> found;
  for (const Piece& match : matches) found.insert(base::DecodeUtf8(all, match.begin).code_point);
  return found;
}

TEST(WordScanner, ClassesDifferFromPcreOnlyInCharactersNewerThanItsUnicode) {
  struct Class {
    std::string_view pattern;
    std::uint8_t bits;
  };
  for (const Class& tested :
       {Class{R"(\p{L})", kScanLetter}, Class{R"(\p{N})", kScanNumber}, Class{R"(\s)", kScanSpace},
        Class{R"(\p{P})", kScanPunctuation}, Class{R"(\p{Mn})", kScanNonspacing}}) {
    const std::set<char32_t> by_pcre = MatchesOf(tested.pattern);
    for (char32_t c = 0; c <= base::kMaxCodePoint; ++c) {
      if ((c >= 0xD800 && c <= 0xDFFF) || ((ScanClassOf(c) & tested.bits) != 0) == by_pcre.contains(c)) continue;
      UVersionInfo age;
      u_charAge(static_cast<UChar32>(c), age);
      EXPECT_GE(age[0], 15) << tested.pattern << " U+" << std::hex << static_cast<unsigned>(c);
    }
  }
}

class WordScannerRule : public testing::TestWithParam<ScanRule> {};

TEST_P(WordScannerRule, CutsAsItsPatternDoes) {
  const auto pattern = Pattern::Compile(ScanRulePattern(GetParam()));
  ASSERT_TRUE(pattern.has_value()) << pattern.error().message;
  const std::uint64_t seed = testing::UnitTest::GetInstance()->random_seed() + 1;
  RandomText random(seed);
  for (int round = 0; round < 20'000; ++round) {
    std::string text = round % 2 == 0 ? random.Valid(24) : random.Any(24);
    const std::size_t glue = random.Below(5);
    for (std::size_t i = 0; i < glue; ++i) {
      constexpr std::string_view kGlue[] = {"'s", "'LL", "'\u017F", " \n ", "\r\n", "   ", "\t", "'", "\n\n", " 12345"};
      text.insert(random.Below(text.size() + 1), kGlue[random.Below(std::size(kGlue))]);
    }
    bool new_character = false;
    for (std::size_t at = 0; at < text.size();) {
      const base::DecodedCodePoint c = base::DecodeUtf8(text, at);
      UVersionInfo age;
      u_charAge(static_cast<UChar32>(c.code_point), age);
      new_character |= age[0] >= 15;
      at += c.length;
    }
    if (new_character) continue;
    ASSERT_EQ(Words(GetParam(), text), WordsByPcre(*pattern, text)) << "seed " << seed << " round " << round;
  }
}

INSTANTIATE_TEST_SUITE_P(All, WordScannerRule, testing::Values(ScanRule::kGpt2, ScanRule::kLlama3, ScanRule::kQwen2));

TEST(WordScanner, CutsTheUsualCases) {
  using W = std::vector<std::string>;
  EXPECT_EQ(Words(ScanRule::kGpt2, "Hello world's 123  x"), (W{"Hello", " world", "'s", " 123", " ", " x"}));
  EXPECT_EQ(Words(ScanRule::kLlama3, "a12345'LL\n\n b"), (W{"a", "123", "45", "'LL", "\n\n", " b"}));
  EXPECT_EQ(Words(ScanRule::kQwen2, "12.5  (x)\n"), (W{"1", "2", ".", "5", " ", " (", "x", ")\n"}));
  EXPECT_EQ(Words(ScanRule::kQwen2, " \t\n  \tend"), (W{" \t\n", "  ", "\tend"}));
}

TEST(WordScanner, KnowsItsPatternsInTheirSpellings) {
  EXPECT_EQ(ScanRuleOfPattern(kQwen2Pattern), ScanRule::kQwen2);
  EXPECT_EQ(ScanRuleOfPattern(R"('(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)"),
            ScanRule::kGpt2);
  EXPECT_EQ(ScanRuleOfPattern(R"(\p{L}+)"), std::nullopt);
}

}  // namespace
}  // namespace loquat::text
