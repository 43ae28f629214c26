#include "understanding/slot_features.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <vector>

#include "understanding/gazetteer.h"
#include "understanding/regex_set.h"
#include "understanding/worker_team.h"

namespace loquat::understanding {
namespace {

using ::testing::HasSubstr;

FeatureBuffer Extract(std::string_view text) {
  std::vector<text::Token> tokens;
  text::Segment(text, tokens);
  FeatureBuffer buffer;
  ExtractAtoms(text, tokens, buffer);
  return buffer;
}

TEST(SlotFeatures, AreTheSameForCapitalsAndFullWidthForms) {
  const FeatureBuffer plain = Extract("fly to rome 12");
  EXPECT_EQ(Extract("FLY to Rome 12").atoms, plain.atoms);
  EXPECT_EQ(Extract("ｆｌｙ to ＲＯＭＥ １２").atoms, plain.atoms);
  EXPECT_NE(Extract("fly to rome 13").atoms, plain.atoms);
}

TEST(SlotFeatures, SayOfEveryTokenWhatKindOfWordItIs) {
  const FeatureBuffer buffer = Extract("去 7 x 42");
  ASSERT_EQ(buffer.forms.size(), 4U);
  EXPECT_NE(buffer.forms[0].shape, buffer.forms[1].shape);
  EXPECT_NE(buffer.forms[1].shape, buffer.forms[3].shape);
  EXPECT_EQ(Extract("8").forms[0].shape, buffer.forms[1].shape);
}

TEST(SlotFeatures, AnchorsStayWithinTheUtteranceAndItsEnds) {
  for (const std::string_view text : {"", "a", "a b", "从 北京 to Shanghai!"}) {
    const FeatureBuffer buffer = Extract(text);
    for (const Atom& atom : buffer.atoms) {
      EXPECT_GE(atom.anchor, -1);
      EXPECT_LE(atom.anchor, static_cast<std::int32_t>(buffer.forms.size()));
    }
  }
}

TEST(SlotFeatures, FindTokensWithinBytes) {
  std::vector<text::Token> tokens;
  text::Segment("ab cd ef", tokens);
  EXPECT_EQ(TokensWithin(tokens, 3, 8), (std::pair<std::uint32_t, std::uint32_t>{1, 3}));
  EXPECT_EQ(TokensWithin(tokens, 1, 7), (std::pair<std::uint32_t, std::uint32_t>{1, 2}));
  EXPECT_EQ(TokensWithin(tokens, 4, 5).first, TokensWithin(tokens, 4, 5).second);
}

class PhraseTest : public ::testing::Test {
 protected:
  void Add(std::string_view value, std::uint32_t entity, std::uint32_t count = 1) {
    counts_.Add(Extract(value).forms, entity, count);
  }
  // "begin-end:entity,entity" of each match.
  static std::string Find(const GazetteerTable& table, std::string_view text) {
    std::string out;
    FindPhrases(
        Extract(text).forms, [&](std::uint64_t hash) { return LookUpPhrase(table.cells, hash); },
        [&](std::uint32_t begin, std::uint32_t end, std::uint32_t what) {
          out += std::to_string(begin) + '-' + std::to_string(end) + ':';
          for (std::uint32_t e = what == 1 ? 0 : table.class_ends[what - 2]; e < table.class_ends[what - 1]; ++e) {
            out += std::to_string(table.class_entities[e]) + ',';
          }
        });
    return out;
  }
  PhraseCounts counts_;
};

TEST_F(PhraseTest, FindsTheLongestMatchAndWhoListsIt) {
  Add("new york", 0);
  Add("New York Times", 1);
  Add("york", 2);
  Add("new york", 3);
  const GazetteerTable table = BuildGazetteer(counts_, 1 << 16);
  EXPECT_EQ(Find(table, "the NEW york post"), "1-3:0,3,");
  EXPECT_EQ(Find(table, "new york times, york"), "0-3:1,4-5:2,");
  EXPECT_EQ(Find(table, "new times"), "");
}

TEST_F(PhraseTest, MatchesChineseByCharacters) {
  Add("上海", 0);
  Add("上海虹桥站", 1);
  const GazetteerTable table = BuildGazetteer(counts_, 1 << 16);
  EXPECT_EQ(Find(table, "去上海虹桥站和上海"), "1-6:1,7-9:0,");
}

TEST_F(PhraseTest, LeavesOutLongValuesAndWhatDoesNotFit) {
  std::string longest;
  for (std::uint32_t i = 0; i < kPhraseTokensMax; ++i) longest += "w ";
  Add(longest + "w", 0);
  EXPECT_TRUE(counts_.all().empty());
  Add(longest, 0);
  EXPECT_FALSE(counts_.all().empty());
  for (int i = 0; i < 500; ++i) Add("v" + std::string(1, static_cast<char>('a' + i % 26)) + " " + std::to_string(i), 1);
  Add("favourite", 2, 100);
  const GazetteerTable table = BuildGazetteer(counts_, 1024);
  EXPECT_LE(table.cells.size() * sizeof(GazetteerCell), 1024U);
  EXPECT_EQ(Find(table, "my favourite"), "1-2:2,");
}

TEST(Gazetteer, LooksUpNothingInAnEmptyOrFullTable) {
  EXPECT_FALSE(LookUpPhrase({}, 7).exists);
  const std::vector<GazetteerCell> full(4, GazetteerCell{.fingerprint = 9, .entities = 0});
  EXPECT_FALSE(LookUpPhrase(full, 7).exists);
}

TEST(RegexSet, FindsWhatMatchesInBytesOfTheText) {
  const std::vector<NamedRegex> patterns = {{"number", R"(\d+)", 0, 1}, {"word", "[a-c]+", 0, 2}};
  const auto set = RegexSet::Compile(patterns);
  ASSERT_TRUE(set.has_value()) << set.error().message;
  const auto scratch = RegexSet::NewScratch();
  std::vector<RegexMatch> matches;
  set->Find("上12 ABC 3", *scratch, matches);
  ASSERT_EQ(matches.size(), 3U);
  EXPECT_EQ(matches[0].byte_begin, 3U);
  EXPECT_EQ(matches[0].byte_end, 5U);
  EXPECT_EQ(matches[2].regex, 1U);
  EXPECT_EQ(matches[2].byte_begin, 6U);
  set->Find("", *scratch, matches);
  EXPECT_TRUE(matches.empty());
  set->Find("\xFF\xFE 7", *scratch, matches);
  EXPECT_EQ(matches.size(), 1U);
}

TEST(RegexSet, RefusesWhatDoesNotCompileAndBoundsWhatExplodes) {
  const std::vector<NamedRegex> bad = {{"open", "(a", 0, 1}};
  const auto refused = RegexSet::Compile(bad);
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().message, HasSubstr("\"open\" does not compile"));
  const std::vector<NamedRegex> hostile = {{"bomb", "(a+)+$", 0, 1}, {"fine", "b", 0, 2}};
  const auto set = RegexSet::Compile(hostile);
  ASSERT_TRUE(set.has_value());
  const auto scratch = RegexSet::NewScratch();
  std::vector<RegexMatch> matches;
  set->Find(std::string(5000, 'a') + "b", *scratch, matches);
  ASSERT_EQ(matches.size(), 1U);
  EXPECT_EQ(matches[0].regex, 1U);
}

TEST(WorkerTeam, DoesEachPieceOfWorkOnceInEveryRound) {
  for (const unsigned threads : {1U, 2U, 5U}) {
    WorkerTeam team(threads);
    EXPECT_EQ(team.size(), threads);
    std::vector<std::atomic<int>> done(97);
    for (int round = 1; round <= 200; ++round) {
      team.Run(static_cast<std::uint32_t>(done.size()), [&](std::uint32_t i) { done[i].fetch_add(1); });
      for (const std::atomic<int>& count : done) ASSERT_EQ(count.load(), round);
    }
    team.Run(0, [](std::uint32_t) { FAIL(); });
  }
}

}  // namespace
}  // namespace loquat::understanding
