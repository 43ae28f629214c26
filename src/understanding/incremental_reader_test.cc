// A text that is typed, revised and finished: its frames are those from scratch, its promises hold.

#include "understanding/incremental_reader.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "base/allocation_counter.h"
#include "base/random.h"
#include "understanding/incremental_evaluation.h"
#include "understanding/incremental_test_text.h"
#include "understanding/trainer.h"
#include "understanding/understander_test_data.h"

namespace loquat::understanding {
namespace {

class IncrementalReaderTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    model_ = new std::shared_ptr<const Understander>(Trained("model", true));
    old_model_ = new std::shared_ptr<const Understander>(Trained("old", false));
  }
  static void TearDownTestSuite() {
    delete model_;
    delete old_model_;
  }
  static std::shared_ptr<const Understander> Trained(const std::string& name, bool stability) {
    const std::string path = testing::TempDir() + "/loquat_incremental_" + name;
    const auto summary = Train(SmallAssistant(), path, {.threads = 2, .stability = stability, .progress = {}});
    EXPECT_TRUE(summary.has_value()) << summary.error().message;
    auto model = Understander::Load(path);
    EXPECT_TRUE(model.has_value()) << model.error().message;
    std::filesystem::remove_all(path);
    return *model;
  }

  void Update(std::string text, bool final = false, const std::shared_ptr<const Understander>& model = *model_) {
    utterance_.text = std::move(text);
    utterance_.final = final;
    const base::Status read = reader_.Update(*model, utterance_, options_, *workspace_, frame_, stability_);
    ASSERT_TRUE(read.has_value()) << read.error().message;
    ASSERT_TRUE(model->Understand(utterance_, options_, *workspace_, expected_).has_value());
    EXPECT_TRUE(SameFrame(frame_, expected_)) << utterance_.text;
    EXPECT_EQ(stability_.slots.size(), frame_.slots.size());
  }
  void Type(const std::string& text, const std::shared_ptr<const Understander>& model = *model_) {
    for (std::size_t n = 1; n <= text.size(); ++n) Update(text.substr(0, n), false, model);
  }

  static std::shared_ptr<const Understander>* model_;
  static std::shared_ptr<const Understander>* old_model_;
  WorkspacePtr workspace_ = Understander::NewWorkspace();
  IncrementalReader reader_;
  UnderstandOptions options_;
  domain::Utterance utterance_;
  domain::Frame frame_, expected_;
  domain::FrameStability stability_;
};

std::shared_ptr<const Understander>* IncrementalReaderTest::model_ = nullptr;
std::shared_ptr<const Understander>* IncrementalReaderTest::old_model_ = nullptr;

TEST_F(IncrementalReaderTest, TypedTextGivesTheFramesFromScratch) {
  Type("what is the weather in london tomorrow, please");
  Type("播放周杰伦的歌 and wake me up at 7:30");
  EXPECT_FALSE(frame_.intent_ranking.empty());
}

TEST_F(IncrementalReaderTest, AnyRevisionGivesTheFramesFromScratch) {
  base::Random random(20261121);
  for (int sequence = 0; sequence < 60; ++sequence) {
    std::string text;
    for (int edit = 0; edit < 40; ++edit) {
      const std::uint64_t bits = random.Next();
      EditText(static_cast<unsigned char>(bits), static_cast<unsigned char>(bits >> 8),
               static_cast<unsigned char>(bits >> 16), text);
      if (text.size() > 400) text.clear();
      options_.ranking_max = bits >> 24 & 1 ? 0 : 2;
      options_.want_slots = (bits >> 25 & 7) != 0;
      options_.tokens_max = (bits >> 28 & 7) == 0 ? 5 : 512;
      Update(text);
    }
    if (sequence % 3 == 0) reader_.Reset();
    if (sequence % 3 == 1) reader_.Reset(*workspace_);
  }
}

TEST_F(IncrementalReaderTest, TruncatedAndVeryLongTextIsReadAsFromScratch) {
  std::string text;
  for (int word = 0; word < 400; ++word) text += word % 7 == 0 ? "北京 " : "play some jazz by adele ";
  for (const Truncation truncation : {Truncation::kHead, Truncation::kTail, Truncation::kMiddle}) {
    options_.truncation = truncation;
    for (const std::uint32_t tokens_max : {20U, 300U, 4000U}) {
      options_.tokens_max = tokens_max;
      for (const std::size_t bytes : {50U, 200U, 230U, 2000U, 2001U, 8000U, 100U}) Update(text.substr(0, bytes));
    }
  }
  options_ = {.tokens_max = 3, .truncation = Truncation::kError};
  utterance_.text = "one two three four";
  const auto refused = reader_.Update(**model_, utterance_, options_, *workspace_, frame_, stability_);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().reason, "text_too_long");
  Update("one two");
}

TEST_F(IncrementalReaderTest, AnotherModelStartsAfresh) {
  Type("wake me up at seven");
  const auto other = Trained("other", true);
  Update("wake me up at seven thirty", false, other);
  Update("wake me up at noon", false, *model_);
}

TEST_F(IncrementalReaderTest, FinalTextIsStableThroughout) {
  options_.early_risk_max = 0;
  Type("will it rain in paris tomorrow");
  EXPECT_FALSE(stability_.intent || stability_.out_of_scope || stability_.locale);
  Update("will it rain in paris tomorrow", true);
  EXPECT_TRUE(stability_.intent && stability_.out_of_scope && stability_.locale);
  ASSERT_FALSE(frame_.slots.empty());
  EXPECT_TRUE(stability_.slots[0]);
  EXPECT_EQ(stability_.intent_risk, 0);
}

TEST_F(IncrementalReaderTest, AllowedRiskMakesPromisesBeforeTheEnd) {
  options_.early_risk_max = 0.6F;
  Type("what is the weather in paris tom");
  EXPECT_TRUE(stability_.intent);
  EXPECT_LE(stability_.intent_risk, 0.6F);
  EXPECT_EQ(frame_.intent_ranking[0].name, "weather");
  // Another text altogether takes it back, and makes its own.
  Update("播放");
  const float risk = stability_.intent_risk;
  EXPECT_EQ(stability_.intent, risk <= 0.6F);
}

TEST_F(IncrementalReaderTest, APromiseOnceBrokenIsNotMadeAgain) {
  options_.early_risk_max = 1;  // Any intent is promised at once.
  Update("play ");
  ASSERT_TRUE(stability_.intent);
  ASSERT_EQ(frame_.intent_ranking[0].name, "play_music");
  Update("please wake me up at seven");  // It shares the first letter, so that it is a revision.
  ASSERT_EQ(frame_.intent_ranking[0].name, "set_alarm");
  EXPECT_FALSE(stability_.intent);
  Update("please wake me up at seven o'clock");
  EXPECT_FALSE(stability_.intent);
  Update("please wake me up at seven o'clock", true);
  EXPECT_TRUE(stability_.intent);
}

TEST_F(IncrementalReaderTest, AModelWithoutStabilityPromisesNothingBeforeTheEnd) {
  ASSERT_FALSE((*old_model_)->knows_stability());
  options_.early_risk_max = 1;
  Type("wake me up at seven", *old_model_);
  EXPECT_FALSE(stability_.intent || stability_.out_of_scope || stability_.locale);
  EXPECT_EQ(stability_.intent_risk, 1);
  Update("wake me up at seven", true, *old_model_);
  EXPECT_TRUE(stability_.intent);
}

TEST_F(IncrementalReaderTest, IdleReadersHoldNothingAndTheSteadyStateAllocatesNothing) {
  const std::string text = "will it rain in london tomorrow";
  const auto type = [&] {
    for (std::size_t n = 1; n <= text.size(); ++n) {
      utterance_.text.assign(text, 0, n);
      ASSERT_TRUE(reader_.Update(**model_, utterance_, options_, *workspace_, frame_, stability_).has_value());
    }
  };
  for (int round = 0; round < 3; ++round) {
    type();
    EXPECT_GT(reader_.bytes(), 1000U);
    reader_.Reset(*workspace_);
    EXPECT_LE(reader_.bytes(), kIdleReaderBytes);
  }
  const auto before = base::AllocationsOfThisThread();
  type();
  reader_.Reset(*workspace_);
  EXPECT_EQ(base::AllocationsOfThisThread() - before, 0U);
}

TEST_F(IncrementalReaderTest, TheTurnEndsSoonerAfterAWholeSentence) {
  Type("wake me up at seven.");
  const domain::TurnEnd whole = reader_.JudgeEnd(0, {});
  EXPECT_EQ(whole.wait_ms, TurnEndOptions{}.pause_ms_min);
  reader_.Reset(*workspace_);
  Type("wake me up at seven and");
  const domain::TurnEnd broken_off = reader_.JudgeEnd(0, {});
  EXPECT_GT(broken_off.wait_ms, whole.wait_ms);
  EXPECT_LT(broken_off.text_probability, whole.text_probability);
}

TEST_F(IncrementalReaderTest, EvaluationCountsWhatItTypes) {
  Dataset dataset = SmallAssistant();
  const auto evaluation = EvaluateIncremental(**model_, dataset, {.understand = {.early_risk_max = 0.3F}});
  ASSERT_TRUE(evaluation.has_value());
  EXPECT_EQ(evaluation->utterances, dataset.examples.size());
  EXPECT_GT(evaluation->updates, evaluation->utterances);
  EXPECT_TRUE(evaluation->knows_stability);
  EXPECT_GT(evaluation->settled_at, 0);
  EXPECT_LE(evaluation->settled_at, evaluation->stable_at);
  EXPECT_LE(evaluation->stable_at, 1);
  EXPECT_EQ(evaluation->any.taken_back.total, evaluation->utterances);
  EXPECT_EQ(evaluation->any.updates.total, evaluation->updates);
  EXPECT_EQ(evaluation->turn_text.gold, evaluation->utterances);
  EXPECT_GE(evaluation->turn_pauses.back().score.Recall(), evaluation->turn_pauses.front().score.Recall());
  EXPECT_FALSE(EvaluateIncremental(**model_, {}, {}).has_value());
}

}  // namespace
}  // namespace loquat::understanding
