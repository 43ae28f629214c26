#include "text/tokenizer/pattern.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace loquat::text {
namespace {

using testing::HasSubstr;

std::vector<std::string> Matches(std::string_view pattern, std::string_view text) {
  const auto compiled = Pattern::Compile(pattern);
  EXPECT_TRUE(compiled.has_value()) << compiled.error().message;
  PatternScratch scratch;
  std::vector<Piece> matches;
  EXPECT_TRUE(compiled->FindAll(text, scratch, matches).has_value());
  std::vector<std::string> found;
  for (const Piece& match : matches) found.emplace_back(match.Of(text));
  return found;
}

TEST(Pattern, MeansTheSameSpacesAsTheOtherEngine) {
  EXPECT_EQ(Matches(R"(\s+)", "a\u0085b\u180Ec\u3000d"), (std::vector<std::string>{"\u0085", "\u3000"}));
  EXPECT_EQ(Matches(R"([^\s]+)", "a\u0085b\u180Ec"), (std::vector<std::string>{"a", "b\u180Ec"}));
  EXPECT_EQ(Matches(R"(\w+)", "e\u0301_x-1"), (std::vector<std::string>{"e\u0301_x", "1"}));
  EXPECT_EQ(Matches(R"(\v)", "\v\n"), (std::vector<std::string>{"\v"}));
  EXPECT_EQ(Matches(R"(\u4e00)", "一二"), (std::vector<std::string>{"一"}));
}

TEST(Pattern, ReadsBracketsAndPosixNames) {
  EXPECT_EQ(Matches("[]a]+", "]ab"), (std::vector<std::string>{"]a"}));
  EXPECT_EQ(Matches("[[:upper:]]+", "abCD"), (std::vector<std::string>{"CD"}));
  EXPECT_EQ(Matches("[^]]+", "a]b"), (std::vector<std::string>{"a", "b"}));
}

TEST(Pattern, MeansTheSameWordsLinesAndIntervals) {
  EXPECT_EQ(Matches(R"(\w+)", "Ⅷ½ⓐ"), (std::vector<std::string>{"Ⅷ", "ⓐ"}));  // Alphabetic; a fraction is not.
  EXPECT_EQ(Matches(R"(\b\S)", "a\u0301b c"), (std::vector<std::string>{"a", "c"}));
  EXPECT_EQ(Matches(R"(a\B)", "ab a"), (std::vector<std::string>{"a"}));
  EXPECT_EQ(Matches("^a|b$", "a\nab\nb\n"), (std::vector<std::string>{"a", "a", "b", "b"}));
  EXPECT_EQ(Matches("a{,2}", "aaa"), (std::vector<std::string>{"aa", "a"}));
  EXPECT_EQ(Matches("a{1}{x}", "a{x}"), (std::vector<std::string>{"a{x}"}));
  EXPECT_EQ(Matches("(?i)'S|b", "'sB"), (std::vector<std::string>{"'s", "B"}));
  EXPECT_EQ(Matches("(?<y>a)(?>b)(?<=b)(?<!c)(?-i:d)", "abd"), (std::vector<std::string>{"abd"}));
  EXPECT_EQ(Matches("[[:punct:]]+", "a+-.b"), (std::vector<std::string>{"+-."}));
}

TEST(Pattern, TakesAClassInAClassAsPartOfIt) {
  EXPECT_EQ(Matches(R"( ?[^(\s|[.,!?…。，、।۔،])]+)", "ab, c。(d|"), (std::vector<std::string>{"ab", " c", "d"}));
  EXPECT_EQ(Matches("[a[bc]]+", "abcd[]"), (std::vector<std::string>{"abc"}));
}

TEST(Pattern, RefusesWhatTheEnginesReadDifferently) {
  for (const std::string_view pattern :
       {"[a&&b]",  "[a[^b]]",  "[a[b]-z]", "[a-[b]]", R"(\h)",   R"(\R)",   R"(\X)",     R"(\K)",
        R"([\S])", R"(\Qa\E)", "(*UTF)a",  "a(*F)",   "a\\",     R"(\u12)", "[[:alpha]", "[[:graph:]]",
        "[a[b]",   "[",        "(",        "\xFF",    "a(?i)b",  "(?m)a",   "(?s:a)",    "(?R)",
        "(?(1)a)", "(?#a)",    "(?~a)",    "a{1,2}+", "(?P<n>a)"}) {
    EXPECT_FALSE(Pattern::Compile(pattern).has_value()) << pattern;
  }
}

TEST(Pattern, BoundsItsLength) {
  EXPECT_TRUE(Pattern::Compile(std::string(Pattern::kPatternBytesMax, 'a')).has_value());
  const auto longer = Pattern::Compile(std::string(Pattern::kPatternBytesMax + 1, 'a'));
  ASSERT_FALSE(longer.has_value());
  EXPECT_THAT(longer.error().message, HasSubstr("8193 bytes; at most 8192"));
}

TEST(Pattern, StopsAtItsMatchLimit) {
  const auto pattern = Pattern::Compile("(a+)+$");
  ASSERT_TRUE(pattern.has_value());
  PatternScratch scratch;
  std::vector<Piece> matches;
  const auto found = pattern->FindAll(std::string(64, 'a') + "!", scratch, matches);
  ASSERT_FALSE(found.has_value());
  EXPECT_EQ(found.error().reason, "pattern_limit");
}

TEST(Pattern, FindsTheOriginalBytesOfIllFormedText) {
  EXPECT_EQ(Matches(R"(\p{L}+|\p{So}+)",
                    "ab\xFF\xE4\xBD"
                    "c\xF0\x9F\x98"),
            (std::vector<std::string>{"ab", "\xFF\xE4\xBD", "c", "\xF0\x9F\x98"}));
}

TEST(Pattern, SkipsEmptyMatches) {
  EXPECT_EQ(Matches("x*", "axé"), (std::vector<std::string>{"x"}));
}

}  // namespace
}  // namespace loquat::text
