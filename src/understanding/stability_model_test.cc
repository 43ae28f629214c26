// What a model knows about text that is arriving: read from its sections, refused when damaged, learnt on what was held
// out.

#include "understanding/stability_model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "understanding/stability_tables.h"
#include "understanding/stability_trainer.h"
#include "understanding/understander_test_data.h"

namespace loquat::understanding {
namespace {

using base::Code;

StabilityHeader SmallHeader() {
  StabilityHeader header{.intents = 2, .held_out = 100};
  for (FieldRisk& field : header.fields) {
    field.scores.fill(kScoreNever);
    field.weights[static_cast<std::size_t>(Sign::kBestOdds)] = 1;
    field.scores[0] = -1;
    field.scores[1] = 2;
    field.scores[2] = 3;
  }
  return header;
}

Code CodeOf(const StabilityHeader& header, std::size_t prefix_cells = 16, std::size_t word_cells = 16) {
  ModelFolderWriter writer;
  writer.manifest().intents = {"a", "b"};
  writer.AddArray<StabilityHeader>(std::string(kStabilityHeaderSection), std::span(&header, 1));
  const std::vector<PrefixCell> prefixes(prefix_cells);
  const std::vector<WordEndCell> words(word_cells);
  writer.AddArray<PrefixCell>(std::string(kStabilityPrefixesSection), prefixes);
  writer.AddArray<WordEndCell>(std::string(kStabilityWordsSection), words);
  const auto [manifest, weights] = writer.Serialize();
  const auto folder = ModelFolder::FromBytes("m", manifest, weights);
  if (!folder.has_value()) return folder.error().code;
  const auto model = StabilityModel::Load(*folder);
  return model.has_value() ? Code::kOk : model.error().code;
}

TEST(StabilityModel, DamagedNumbersAreRefused) {
  EXPECT_EQ(CodeOf(SmallHeader()), Code::kOk);
  EXPECT_EQ(CodeOf(SmallHeader(), 0, 0), Code::kOk);
  EXPECT_EQ(CodeOf(SmallHeader(), 24, 16), Code::kDataLoss);
  EXPECT_EQ(CodeOf(SmallHeader(), 16, 3), Code::kDataLoss);
  StabilityHeader header = SmallHeader();
  header.intents = 3;
  EXPECT_EQ(CodeOf(header), Code::kDataLoss);
  header = SmallHeader();
  header.version = kStabilityVersion + 1;
  EXPECT_EQ(CodeOf(header), Code::kFailedPrecondition);
  header.version = 0;
  EXPECT_EQ(CodeOf(header), Code::kDataLoss);
  header = SmallHeader();
  header.fields[2].weights[5] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(CodeOf(header), Code::kDataLoss);
  header.fields[2].weights[5] = 1e6F;
  EXPECT_EQ(CodeOf(header), Code::kOk);
  header.fields[2].weights[5] = -1.1e6F;
  EXPECT_EQ(CodeOf(header), Code::kDataLoss);
  header = SmallHeader();
  std::swap(header.fields[0].scores[0], header.fields[0].scores[1]);
  EXPECT_EQ(CodeOf(header), Code::kDataLoss);
  header = SmallHeader();
  header.turn[1] = std::numeric_limits<float>::infinity();
  EXPECT_EQ(CodeOf(header), Code::kDataLoss);
}

TEST(StabilityModel, TheRiskIsTheLeastLevelThatTheScoreReaches) {
  const StabilityModel model(SmallHeader(), {}, {});
  EXPECT_EQ(model.Risk(StableField::kIntent, -2), 1);
  EXPECT_EQ(model.Risk(StableField::kIntent, -1), kRiskLevels[0]);
  EXPECT_EQ(model.Risk(StableField::kSlot, 2.5F), kRiskLevels[1]);
  EXPECT_EQ(model.Risk(StableField::kLocale, 1e9F), kRiskLevels[2]);
  EXPECT_EQ(model.Risk(StableField::kIntent, std::numeric_limits<float>::quiet_NaN()), 1);
}

TEST(StabilityModel, WordsOfATextThatIsArriving) {
  std::vector<text::Token> tokens;
  const auto read = [&](std::string_view text) {
    PrefixWords words;
    text::Segment(text, tokens);
    words.Read(text, tokens);
    return words;
  };
  const PrefixWords open = read("play some ja");
  EXPECT_EQ(open.words, 3U);
  EXPECT_TRUE(open.in_word);
  EXPECT_EQ(open.prefix, read("Play some, ").prefix);  // Finished words alone, folded, without marks.
  EXPECT_NE(open.prefix, read("play some jazz ").prefix);
  EXPECT_FALSE(read("play some jazz!").in_word);
  EXPECT_FALSE(read("播放").in_word);
  EXPECT_EQ(read("播放").words, 2U);
  EXPECT_EQ(read("").words, 0U);
  EXPECT_EQ(read("pla").prefix, 0U);
  EXPECT_EQ(read("go jazz").last_pair, read("now go jazz").last_pair);
  std::string longest;
  for (std::uint32_t w = 0; w < kPrefixWordsMax; ++w) longest += "w ";
  EXPECT_NE(read(longest).prefix, 0U);
  EXPECT_EQ(read(longest + "w ").prefix, 0U);
}

TEST(StabilityTables, KnowBeginningsAndEnds) {
  const Dataset dataset = SmallAssistant();
  const std::vector<std::string> intents = {"play_music", "set_alarm", "weather"};
  const StabilityTables tables = BuildStabilityTables(dataset, intents, 1 << 16, 1 << 16);
  const StabilityModel model({.intents = 3}, tables.prefixes, tables.words);
  std::vector<text::Token> tokens;
  PrefixWords words;
  Signs signs;
  const auto sign = [&](std::string_view text, std::uint32_t intent, Sign which) {
    text::Segment(text, tokens);
    words.Read(text, tokens);
    model.ReadSigns(words, {.known = true, .best = intent, .best_share = 0.9F, .second_share = 0.1F}, signs);
    return signs[static_cast<std::size_t>(which)];
  };
  EXPECT_GT(sign("wake me up ", 1, Sign::kSeenAgree), 1);
  EXPECT_EQ(sign("wake me up ", 0, Sign::kSeenDisagree), 1);
  EXPECT_EQ(sign("wake me down ", 1, Sign::kSeen), 0);
  TurnSigns ends, goes_on;
  text::Segment("will it rain in paris tomorrow", tokens);
  words.Read("will it rain in paris tomorrow", tokens);
  model.ReadTurnSigns(words, {}, "will it rain in paris tomorrow", {}, ends);
  text::Segment("will it rain in", tokens);
  words.Read("will it rain in", tokens);
  model.ReadTurnSigns(words, {}, "will it rain in", {}, goes_on);
  EXPECT_GT(ends[static_cast<std::size_t>(TurnSign::kLastWord)], 0);
  EXPECT_LT(goes_on[static_cast<std::size_t>(TurnSign::kLastWord)], 0);
  // Too small for all: the most frequent ones stay, and the bound holds.
  const StabilityTables small = BuildStabilityTables(dataset, intents, 256, 256);
  EXPECT_LE(small.prefixes.size() * sizeof(PrefixCell), 256U);
  EXPECT_LE(small.words.size() * sizeof(WordEndCell), 256U);
}

TEST(StabilityTrainer, HoldsOutAFifthButNoIntentsFirstExample) {
  const Dataset dataset = SmallAssistant();
  const std::vector<bool> held_out = HoldOut(dataset);
  const Dataset kept = Kept(dataset, held_out);
  const auto count = static_cast<std::size_t>(std::ranges::count(held_out, true));
  EXPECT_EQ(kept.examples.size() + count, dataset.examples.size());
  EXPECT_NEAR(static_cast<double>(count), 0.2 * static_cast<double>(dataset.examples.size()),
              8);  // Runs are whole: two an intent.
  EXPECT_FALSE(held_out[0]);
}

}  // namespace
}  // namespace loquat::understanding
