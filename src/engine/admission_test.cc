#include "engine/admission.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/clock.h"

namespace loquat::engine {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr base::Priority kInteractive = base::Priority::kInteractive;
constexpr base::Priority kBatch = base::Priority::kBatch;

TEST(CostModel, LearnsWhatPromptsAndStepsTake) {
  CostModel cost;
  EXPECT_FALSE(cost.prefill_token().has_value());
  EXPECT_EQ(cost.ChunkWithin(milliseconds(100), 512), 512U);
  for (int i = 0; i < 50; ++i) cost.OnStep(0, 4, milliseconds(20));
  EXPECT_NEAR(*cost.decode_step(), 0.020, 1e-9);
  // 100 prompt tokens beside the decoding: 10 ms for these.
  for (int i = 0; i < 50; ++i) cost.OnStep(100, 4, milliseconds(30));
  EXPECT_NEAR(*cost.prefill_token(), 0.0001, 1e-6);
  EXPECT_NEAR(*cost.decode_step(), 0.030, 1e-4);
}

TEST(CostModel, SizesChunksToTheStallThatIsAllowed) {
  CostModel cost;
  for (int i = 0; i < 50; ++i) cost.OnStep(0, 1, milliseconds(20));
  for (int i = 0; i < 50; ++i) cost.OnStep(100, 1, milliseconds(120));
  // 80 ms are left for prompts, at 1 ms a token.
  EXPECT_NEAR(cost.ChunkWithin(milliseconds(100), 512), 80, 1);
  EXPECT_EQ(cost.ChunkWithin(milliseconds(10), 512), CostModel::kChunkTokensMin);
  EXPECT_EQ(cost.ChunkWithin(seconds(10), 512), 512U);
}

TEST(CostModel, LearnsWhatATokenOfADecodeStepTakes) {
  CostModel cost;
  EXPECT_FALSE(cost.TokenShare(1).has_value());
  cost.OnStep(0, 1, milliseconds(20));
  EXPECT_DOUBLE_EQ(*cost.TokenShare(1), CostModel::kFirstTokenShare) << "no more is believed before it is seen";
  // 19 ms and 1 ms a token: steps of one, and of one with a draft of eight.
  for (int i = 0; i < 50; ++i) {
    cost.OnStep(0, 1, milliseconds(20));
    cost.OnStep(0, 1, milliseconds(28), 8);
  }
  EXPECT_NEAR(*cost.TokenShare(1), 1.0 / 20, 1e-3);
  EXPECT_NEAR(*cost.TokenShare(19), 0.5, 1e-2);
  // The machine becomes half as fast.
  for (int i = 0; i < 50; ++i) {
    cost.OnStep(0, 1, milliseconds(40));
    cost.OnStep(0, 1, milliseconds(56), 8);
  }
  EXPECT_NEAR(*cost.TokenShare(1), 1.0 / 20, 1e-3);
}

TEST(CostModel, OneSlowDraftIsNotBelievedForEver) {
  CostModel cost;
  for (int i = 0; i < 50; ++i) cost.OnStep(0, 1, milliseconds(20));
  cost.OnStep(0, 1, seconds(2), 8);
  EXPECT_GT(*cost.TokenShare(1), 0.5);
  for (int i = 0; i < 200; ++i) cost.OnStep(0, 1, milliseconds(20));
  EXPECT_LE(*cost.TokenShare(1), CostModel::kFirstTokenShare + 0.01);
}

TEST(CostModel, ImpossibleMeasurementsGiveAShareThatIsOne) {
  CostModel cost;
  // More tokens, less time.
  for (int i = 0; i < 50; ++i) {
    cost.OnStep(0, 1, milliseconds(30));
    cost.OnStep(0, 9, milliseconds(20));
  }
  EXPECT_EQ(*cost.TokenShare(4), 0);
  // Three times the tokens, ten times the time.
  for (int i = 0; i < 200; ++i) {
    cost.OnStep(0, 1, milliseconds(10));
    cost.OnStep(0, 3, milliseconds(100));
  }
  EXPECT_LE(*cost.TokenShare(4), 1);
  EXPECT_GT(*cost.TokenShare(4), 0.9);
  // On a clock that stands.
  CostModel still;
  still.OnStep(0, 1, {});
  EXPECT_EQ(*still.TokenShare(1), 0);
}

TEST(CostModel, AcceptedDraftsShortenTheTimeBetweenTokensAndChargeNothingToPrompts) {
  CostModel cost;
  const auto decode = [&] {
    for (int i = 0; i < 50; ++i) {
      cost.OnStep(0, 1, milliseconds(20));
      cost.OnAccepted(1, 0);
      cost.OnStep(0, 1, milliseconds(28), 8);
      cost.OnAccepted(1, 0);
    }
  };
  decode();
  EXPECT_NEAR(*cost.decode_step(), 0.024, 2e-3);
  for (int i = 0; i < 50; ++i) cost.OnAccepted(1, 3);
  EXPECT_NEAR(*cost.decode_step(), 0.006, 5e-4) << "four tokens a step";
  // Beside a draft of eight, 100 prompt tokens: 120 ms less the step of 20 and the 8 of the draft.
  for (int i = 0; i < 50; ++i) cost.OnStep(100, 1, milliseconds(120), 8);
  EXPECT_NEAR(*cost.prefill_token(), 0.00092, 2e-5);
}

class AdmissionTest : public ::testing::Test {
 protected:
  // One prompt token takes 1 ms, a step of decoding 50 ms, an answer 100 tokens.
  void Measure() {
    for (int i = 0; i < 100; ++i) {
      admission_.OnStep({.decoded = 1, .took = milliseconds(50), .running = 1});
      admission_.OnStep({.prefilled = 100, .took = milliseconds(100), .running = 1});
      admission_.OnAnswer(100);
    }
    admission_.OnStep({.decoded = 1, .took = milliseconds(50), .running = 0});
  }
  base::Deadline In(base::Duration time) { return base::Deadline::After(clock_, time); }

  base::ManualClock clock_;
  Admission admission_{{.queue_max = 4, .queue_tokens_max = 10'000, .sequences_max = 2}, clock_};
};

TEST_F(AdmissionTest, RefusesWhatTheQueueDoesNotHoldAndSaysWhenToComeBack) {
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(admission_.Enter({.prompt_tokens = 100}, {}).has_value());
  const base::Status refused = admission_.Enter({.prompt_tokens = 100}, {});
  EXPECT_EQ(refused.error().code, base::Code::kResourceExhausted);
  EXPECT_EQ(refused.error().reason, "queue_full");
  EXPECT_EQ(refused.error().retry_after, kRetryAfterMin);  // Nothing is measured yet.
  // The other lane has a queue of its own.
  EXPECT_TRUE(admission_.Enter({.lane = kBatch, .prompt_tokens = 100}, {}).has_value());
  admission_.Leave({.prompt_tokens = 100});
  EXPECT_TRUE(admission_.Enter({.prompt_tokens = 100}, {}).has_value());
  EXPECT_EQ(admission_.queued(), 5U);
  EXPECT_EQ(admission_.queued(kBatch), 1U);
}

TEST_F(AdmissionTest, BoundsTheTokensThatWait) {
  EXPECT_TRUE(admission_.Enter({.prompt_tokens = 20'000}, {}).has_value()) << "an empty queue takes any one prompt";
  EXPECT_EQ(admission_.Enter({.prompt_tokens = 1}, {}).error().reason, "queue_full");
}

TEST_F(AdmissionTest, ComputesRetryAfterFromTheBacklog) {
  Measure();
  // Both places are taken and four wait: half of 4 × 100 prompt tokens × 1 ms and of five places at 2.5 s each.
  admission_.OnStep({.decoded = 2, .took = milliseconds(50), .running = 2});
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(admission_.Enter({.prompt_tokens = 100}, {}).has_value());
  const base::Status refused = admission_.Enter({.prompt_tokens = 100}, {});
  EXPECT_NEAR(static_cast<double>(refused.error().retry_after.count()), (0.4 + 5 * 2.5) / 2 * 1000, 100);
}

TEST_F(AdmissionTest, RetryAfterIsBounded) {
  for (int i = 0; i < 30; ++i) admission_.OnStep({.prefilled = 1, .took = seconds(100), .running = 2});
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(admission_.Enter({.prompt_tokens = 100}, {}).has_value());
  EXPECT_EQ(admission_.Enter({.prompt_tokens = 100}, {}).error().retry_after, kRetryAfterMax);
}

TEST_F(AdmissionTest, RefusesNothingForItsDeadlineBeforeItKnowsAnything) {
  EXPECT_TRUE(admission_.Enter({.prompt_tokens = 5000, .answer_tokens_max = 5000}, In(milliseconds(1))).has_value());
}

TEST_F(AdmissionTest, RefusesADeadlineThatHasPassed) {
  const base::Deadline deadline = In(seconds(1));
  clock_.Advance(seconds(1));
  const base::Status refused = admission_.Enter({.prompt_tokens = 1}, deadline);
  EXPECT_EQ(refused.error().code, base::Code::kDeadlineExceeded);
  EXPECT_EQ(refused.error().reason, "deadline_passed");
}

TEST_F(AdmissionTest, RefusesAtOnceWhatCannotFinishInTime) {
  Measure();
  // 1000 prompt tokens take 1 s, the answer of 100 takes 5 s.
  const Work work{.prompt_tokens = 1000, .answer_tokens_max = 400};
  const base::Status refused = admission_.Enter(work, In(seconds(5)));
  EXPECT_EQ(refused.error().code, base::Code::kDeadlineExceeded);
  EXPECT_EQ(refused.error().reason, "deadline_unreachable");
  EXPECT_EQ(refused.error().retry_after.count(), 0) << "coming back would not help";
  EXPECT_TRUE(admission_.Enter(work, In(seconds(7))).has_value());
  // A short answer is quick.
  EXPECT_TRUE(admission_.Enter({.prompt_tokens = 1, .answer_tokens_max = 10}, In(seconds(4))).has_value());
}

TEST_F(AdmissionTest, AnIdleEngineTakesTheNextRequestWhateverItBelievedAWhileAgo) {
  // A file that had to be read from disk, once: 10 s a token.
  admission_.OnStep({.prefilled = 1, .took = seconds(10), .running = 1});
  admission_.OnIdle();
  const Work work{.prompt_tokens = 100, .answer_tokens_max = 10};
  EXPECT_EQ(admission_.Enter(work, In(seconds(30))).error().reason, "deadline_unreachable");
  clock_.Advance(kEstimateTrustedFor - milliseconds(1));
  EXPECT_EQ(admission_.Enter(work, In(seconds(30))).error().reason, "deadline_unreachable");
  clock_.Advance(milliseconds(1));
  EXPECT_TRUE(admission_.Enter(work, In(seconds(30))).has_value());
  // One, to measure anew: the next one waits for what it shows.
  EXPECT_EQ(admission_.Enter(work, In(seconds(30))).error().reason, "deadline_unreachable");
}

TEST_F(AdmissionTest, ForgetsWhatRanWhenNothingRunsAnyMore) {
  Measure();
  admission_.OnStep({.decoded = 1, .took = milliseconds(50), .prefill_pending = 8000, .running = 2});
  EXPECT_GT(admission_.ExpectedWait(kInteractive), seconds(8));
  admission_.OnIdle();  // It was cancelled.
  EXPECT_LT(admission_.ExpectedWait(kInteractive), milliseconds(1));
}

TEST_F(AdmissionTest, APromptThatMostlyComesFromTheCacheIsShort) {
  Measure();
  const Work work{.prompt_tokens = 9000, .answer_tokens_max = 10};
  EXPECT_EQ(admission_.Enter(work, In(seconds(5))).error().reason, "deadline_unreachable");
  for (int i = 0; i < 50; ++i) admission_.OnPrompt(9000, 8900);
  EXPECT_TRUE(admission_.Enter(work, In(seconds(5))).has_value());
}

TEST_F(AdmissionTest, CountsWhatIsAhead) {
  Measure();
  const Work work{.prompt_tokens = 1000, .answer_tokens_max = 400};
  admission_.OnStep({.decoded = 2, .took = milliseconds(50), .prefill_pending = 2000, .running = 2});
  // 2 s of prompts and 2.5 s for a place come before its own 6 s.
  const base::Status refused = admission_.Enter(work, In(seconds(9)));
  EXPECT_EQ(refused.error().code, base::Code::kResourceExhausted);
  EXPECT_EQ(refused.error().reason, "deadline_unreachable");
  EXPECT_NEAR(static_cast<double>(refused.error().retry_after.count()), 1500, 100);
  EXPECT_TRUE(admission_.Enter(work, In(seconds(11))).has_value());
}

TEST_F(AdmissionTest, TheInteractiveLaneDoesNotWaitForTheBatchLane) {
  Measure();
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(admission_.Enter({.lane = kBatch, .prompt_tokens = 1000}, {}).has_value());
  EXPECT_LT(admission_.ExpectedWait(kInteractive), milliseconds(1));
  EXPECT_GT(admission_.ExpectedWait(kBatch), seconds(4));
}

}  // namespace
}  // namespace loquat::engine
