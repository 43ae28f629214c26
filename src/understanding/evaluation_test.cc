#include "understanding/evaluation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "base/json_value.h"

namespace loquat::understanding {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> Tags(const std::string& text) {
  std::vector<std::string> tags;
  std::string tag;
  for (const char c : text + ' ') {
    if (c != ' ') {
      tag += c;
    } else if (!tag.empty()) {
      tags.push_back(std::move(tag));
      tag.clear();
    }
  }
  return tags;
}

TEST(Conlleval, BeginsAChunkAtBAndAtAnIThatFollowsNothingOfItsType) {
  EXPECT_THAT(ChunksOf(Tags("B-a I-a O B-a B-a")),
              ElementsAre(TagChunk{0, 2, "a"}, TagChunk{3, 4, "a"}, TagChunk{4, 5, "a"}));
  EXPECT_THAT(ChunksOf(Tags("I-a I-a O I-b")), ElementsAre(TagChunk{0, 2, "a"}, TagChunk{3, 4, "b"}));
  EXPECT_THAT(ChunksOf(Tags("B-a I-b I-b I-a")),
              ElementsAre(TagChunk{0, 1, "a"}, TagChunk{1, 3, "b"}, TagChunk{3, 4, "a"}));
  EXPECT_TRUE(ChunksOf(Tags("O O")).empty());
}

// Counted by hand after conlleval's definition.
TEST(Conlleval, CountsChunksThatAgreeInSpanAndType) {
  ClassScore score;
  AddChunkCounts(Tags("B-a I-a O B-b O"), Tags("B-a I-a O B-b I-b"), &score);
  EXPECT_EQ(score.gold, 2U);
  EXPECT_EQ(score.found, 2U);
  EXPECT_EQ(score.correct, 1U);
  AddChunkCounts(Tags("I-a I-a O"), Tags("B-a I-a I-a"), &score);  // An ill-formed gold is the chunk [0, 2).
  AddChunkCounts(Tags("B-a I-a O"), Tags("I-a I-a O"), &score);    // An ill-formed prediction counts as that chunk.
  AddChunkCounts(Tags("B-a B-a O"), Tags("B-a I-a O"), &score);    // Two chunks are not one.
  EXPECT_EQ(score.gold, 6U);
  EXPECT_EQ(score.found, 5U);
  EXPECT_EQ(score.correct, 2U);
  EXPECT_DOUBLE_EQ(score.Precision(), 2.0 / 5);
  EXPECT_DOUBLE_EQ(score.Recall(), 2.0 / 6);
  EXPECT_DOUBLE_EQ(score.F1(), 4.0 / 11);
}

TEST(Calibration, WeighsTheGapOfEachBin) {
  Calibration calibration;
  EXPECT_EQ(calibration.Ece(), 0);
  // Bin 13 of 15 (0.9): mean confidence 0.9, half right; bin 0: mean 0.05, none right.
  calibration.Add(0.9, true);
  calibration.Add(0.9, false);
  calibration.Add(0.05, false);
  calibration.Add(0.05, false);
  EXPECT_NEAR(calibration.Ece(), (2 * 0.4 + 2 * 0.05) / 4, 1e-12);
  calibration.Add(1.0, true);  // The last bin includes its upper end.
  EXPECT_EQ(calibration.bins[kCalibrationBins - 1].count, 1U);
}

// Answers from a table of frames by text.
class EvaluateTest : public ::testing::Test {
 protected:
  void Add(const std::string& text, const std::string& intent, const std::string& found, float confidence,
           bool outside = false) {
    Example example;
    example.text = text;
    example.intent = intent;
    dataset_.examples.push_back(example);
    domain::Frame& frame = frames_[text];
    frame.intent_ranking.push_back({found, confidence});
    frame.out_of_scope = outside;
  }
  void Gold(std::uint32_t begin, std::uint32_t end, const std::string& entity, const std::string& role = "") {
    dataset_.examples.back().entities.push_back({begin, end, entity, role, "", ""});
  }
  void Found(std::uint32_t begin, std::uint32_t end, const std::string& entity, float confidence,
             const std::string& role = "") {
    domain::Slot slot;
    slot.entity = entity;
    slot.role = role;
    slot.confidence = confidence;
    slot.span.byte_begin = begin;
    slot.span.byte_end = end;
    frames_[dataset_.examples.back().text].slots.push_back(slot);
  }
  Evaluation Run(EvaluateOptions options = {}) {
    auto result = Evaluate(
        [&] {
          return [&](std::string_view text, domain::Frame& frame) -> base::Status {
            frame = frames_.at(std::string(text));
            return {};
          };
        },
        dataset_, options);
    EXPECT_TRUE(result.has_value()) << result.error().message;
    return result.has_value() ? *result : Evaluation{};
  }
  void Mixed() {
    Add("a b", "one", "one", 0.9F);
    Gold(0, 1, "x");
    Found(0, 1, "x", 0.8F);
    Add("b c", "one", "two", 0.6F);
    Gold(0, 1, "x", "from");
    Found(0, 1, "x", 0.7F, "to");
    Add("c", "two", "two", 0.8F, true);
    Add("d", std::string(kOutOfScopeIntent), "one", 0.3F, true);
    Add("e", std::string(kOutOfScopeIntent), "two", 0.95F);
  }

  Dataset dataset_;
  std::map<std::string, domain::Frame> frames_;
};

TEST_F(EvaluateTest, CountsIntentsWithAndWithoutTheVerdict) {
  Mixed();
  const Evaluation evaluation = Run();
  EXPECT_EQ(evaluation.examples, 5U);
  EXPECT_EQ(evaluation.in_scope.count, 1U);
  EXPECT_EQ(evaluation.in_scope.total, 3U);
  EXPECT_EQ(evaluation.top_intent.count, 2U);
  EXPECT_EQ(evaluation.out_of_scope.gold, 2U);
  EXPECT_EQ(evaluation.out_of_scope.found, 2U);
  EXPECT_EQ(evaluation.out_of_scope.correct, 1U);
  ASSERT_EQ(evaluation.intents.size(), 2U);
  EXPECT_EQ(evaluation.intents[0].name, "one");
  EXPECT_EQ(evaluation.intents[0].gold, 2U);
  EXPECT_EQ(evaluation.intents[0].found, 1U);
  EXPECT_EQ(evaluation.intents[1].found, 2U);  // "b c" and the foreign "e".
  EXPECT_NEAR(evaluation.MacroF1(), (2.0 / 3 + 0.0) / 2, 1e-12);
  EXPECT_NEAR(evaluation.intent_calibration.Ece(), (0.1 + 0.6 + 0.2) / 3, 1e-6);
}

TEST_F(EvaluateTest, ListsConfusionsMostFrequentFirst) {
  Mixed();
  Add("f", "one", "two", 0.5F);
  const Evaluation evaluation = Run();
  ASSERT_EQ(evaluation.confusions.size(), 3U);
  EXPECT_EQ(evaluation.confusions[0].gold, "one");
  EXPECT_EQ(evaluation.confusions[0].found, "two");
  EXPECT_EQ(evaluation.confusions[0].count, 2U);
  EXPECT_EQ(evaluation.confusions[0].example, "b c");
  EXPECT_EQ(Run({.confusions_max = 1}).confusions.size(), 1U);
}

TEST_F(EvaluateTest, CountsSlotsByExactSpanAndLabel) {
  Mixed();
  const Evaluation evaluation = Run();
  EXPECT_EQ(evaluation.slots.gold, 2U);
  EXPECT_EQ(evaluation.slots.found, 2U);
  EXPECT_EQ(evaluation.slots.correct, 1U);
  ASSERT_EQ(evaluation.slot_labels.size(), 3U);
  EXPECT_EQ(evaluation.slot_labels[1].name, "x:from");
  EXPECT_NEAR(evaluation.slot_calibration.Ece(), (0.2 + 0.7) / 2, 1e-6);
  EXPECT_EQ(evaluation.frames.count, 1U);
  EXPECT_EQ(evaluation.frames.total, 3U);
}

TEST_F(EvaluateTest, DoesNotDependOnTheNumberOfThreads) {
  for (int i = 0; i < 3000; ++i)
    Add("t" + std::to_string(i), i % 3 == 0 ? "one" : "two", i % 5 == 0 ? "one" : "two",
        0.001F * static_cast<float>(i % 1000));
  std::string one, four;
  WriteEvaluationJson(Run({.threads = 1}), one);
  WriteEvaluationJson(Run({.threads = 4}), four);
  EXPECT_EQ(one, four);
}

TEST_F(EvaluateTest, WritesJsonThatParsesAndTablesThatName) {
  Mixed();
  const Evaluation evaluation = Run();
  std::string json, text;
  WriteEvaluationJson(evaluation, json);
  base::JsonParser parser;
  const auto value = parser.Parse(json);
  ASSERT_TRUE(value.has_value()) << value.error().message;
  const auto root = value->AsObject();
  EXPECT_DOUBLE_EQ(*root->Find("slots").AsObject()->Find("f1").AsDouble(), 0.5);
  EXPECT_DOUBLE_EQ(*root->Find("out_of_scope").AsObject()->Find("recall").AsDouble(), 0.5);
  EXPECT_NEAR(*root->Find("intent").AsObject()->Find("accuracy").AsDouble(), 1.0 / 3, 1e-6);
  WriteEvaluationText(evaluation, text);
  EXPECT_THAT(text, HasSubstr("intent accuracy        33.33%"));
  EXPECT_THAT(text, HasSubstr("slot F1                50.00%"));
  EXPECT_THAT(text, HasSubstr("x:from"));
  EXPECT_THAT(text, HasSubstr("b c"));
}

TEST_F(EvaluateTest, StopsAtAnErrorAndWhenTold) {
  const auto make = [] {
    return [](std::string_view, domain::Frame&) -> base::Status { return base::Internal("broken"); };
  };
  EXPECT_FALSE(Evaluate(make, dataset_).has_value());
  Add("a", "one", "one", 1);
  const auto broken = Evaluate(make, dataset_);
  ASSERT_FALSE(broken.has_value());
  EXPECT_EQ(broken.error().message, "broken");
  const auto stopped = Evaluate([] { return [](std::string_view, domain::Frame&) -> base::Status { return {}; }; },
                                dataset_, {.progress = [](double) { return false; }});
  ASSERT_FALSE(stopped.has_value());
  EXPECT_EQ(stopped.error().code, base::Code::kCancelled);
}

TEST(ClassScore, IsPerfectWhereThereIsNothingToFind) {
  EXPECT_EQ(ClassScore{}.F1(), 1.0);
  EXPECT_EQ((ClassScore{.name = "", .gold = 1, .found = 0, .correct = 0}.F1()), 0.0);
}

}  // namespace
}  // namespace loquat::understanding
