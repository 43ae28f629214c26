#include "engine/scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <numeric>

namespace loquat::engine {
namespace {

constexpr base::Priority kInteractive = base::Priority::kInteractive;
constexpr base::Priority kBatch = base::Priority::kBatch;

// Runs the policy alone: a step "computes" what was planned and appends a token where a sequence is ready for one.
class SchedulerTest : public ::testing::Test {
 protected:
  SchedulerTest() { Make({}, 4096); }
  void Make(const SchedulerOptions& options, std::uint32_t pages) {
    scheduler_.reset();
    sequence_pages_.reset();
    index_.reset();
    kv_ = *KvPages::Create(64, std::size_t{64} * pages);
    index_ = std::make_unique<PrefixIndex>(*kv_);
    sequence_pages_ = std::make_unique<SequencePages>(*kv_, *index_);
    scheduler_ = std::make_unique<Scheduler>(options, *sequence_pages_);
  }
  // Prompts differ from the first token on, so that nothing is shared.
  Sequence& Add(std::uint32_t tokens, base::Priority priority = kInteractive) {
    Sequence& sequence = *sequences_.emplace_back(std::make_unique<Sequence>());
    sequence.arrival = sequences_.size();
    sequence.priority = priority;
    sequence.prompt_tokens = tokens;
    sequence.tokens.resize(tokens);
    std::iota(sequence.tokens.begin(), sequence.tokens.end(), static_cast<TokenId>(sequences_.size()) * 100'000);
    scheduler_->Enqueue(sequence);
    return sequence;
  }
  const StepPlan& Step(std::uint32_t prefill_max = 0) {
    const StepPlan& plan = scheduler_->Plan(prefill_max);
    for (const StepItem& item : plan.items) {
      item.sequence->computed += item.tokens;
      if (item.sequence->pending() == 0) item.sequence->tokens.push_back(1);
      sequence_pages_->Publish(*item.sequence);
    }
    return plan;
  }
  std::uint32_t TokensOf(const StepPlan& plan, const Sequence& sequence) {
    for (const StepItem& item : plan.items) {
      if (item.sequence == &sequence) return item.tokens;
    }
    return 0;
  }
  void Finish(Sequence& sequence) {
    scheduler_->Remove(sequence);
    sequence_pages_->Release(sequence, {});
  }
  static bool Answered(const Sequence& sequence) { return sequence.length() > sequence.prompt_tokens; }

  std::unique_ptr<KvPages> kv_;
  std::unique_ptr<PrefixIndex> index_;
  std::unique_ptr<SequencePages> sequence_pages_;
  std::unique_ptr<Scheduler> scheduler_;
  std::vector<std::unique_ptr<Sequence>> sequences_;
};

TEST_F(SchedulerTest, PlansNothingWhenNobodyIsThere) {
  EXPECT_TRUE(scheduler_->idle());
  EXPECT_TRUE(scheduler_->Plan(0).items.empty());
}

TEST_F(SchedulerTest, CutsAPromptIntoTheStepsBudget) {
  Sequence& prompt = Add(1000);
  EXPECT_EQ(TokensOf(Step(), prompt), 512U);
  EXPECT_EQ(TokensOf(Step(), prompt), 488U);
  EXPECT_TRUE(Answered(prompt));
  EXPECT_EQ(TokensOf(Step(), prompt), 1U);
}

TEST_F(SchedulerTest, DecodesEveryStreamInEveryStepWhileALongPromptIsComputed) {
  std::vector<Sequence*> streams;
  for (int i = 0; i < 8; ++i) streams.push_back(&Add(4));
  Step();
  Sequence& prompt = Add(8192);
  std::uint32_t steps = 0;
  while (!Answered(prompt)) {
    const StepPlan& plan = Step(64);
    ++steps;
    std::uint32_t prefill = TokensOf(plan, prompt);
    EXPECT_LE(prefill, 64U);
    for (const Sequence* stream : streams) EXPECT_EQ(TokensOf(plan, *stream), 1U);
  }
  EXPECT_EQ(steps, 8192U / 64);
}

TEST_F(SchedulerTest, DraftsGetWhatNoPromptWants) {
  Sequence& stream = Add(4);
  EXPECT_EQ(Step().spare, 508U);
  EXPECT_EQ(Step().spare, 511U) << "one decodes";
  EXPECT_EQ(Step(40).spare, 40U) << "bounded as prompts are";
  Sequence& prompt = Add(100);
  EXPECT_EQ(Step(64).spare, 0U);
  EXPECT_EQ(Step(64).spare, 28U);
  EXPECT_TRUE(Answered(prompt));
  Finish(stream);
  Finish(prompt);
  Add(20, kBatch);
  EXPECT_EQ(Step().spare, 492U);
}

TEST_F(SchedulerTest, ADraftTakesFreePagesAloneAndGivesThemBack) {
  Make({}, 4);
  Sequence& sequence = Add(kPageTokens - 2);
  Step();
  ASSERT_EQ(sequence.length(), kPageTokens - 1);
  const auto draft = [&](std::size_t tokens) {
    sequence.draft.assign(tokens, 7);
    sequence_pages_->ReserveDraft(sequence);
    return sequence.draft.size();
  };
  scheduler_->Plan(0);
  EXPECT_EQ(draft(1), 1U);
  EXPECT_EQ(kv_->in_use(), 1U) << "the page has room";
  EXPECT_EQ(draft(40), 40U);
  EXPECT_EQ(kv_->in_use(), 3U);
  sequence_pages_->DropDraft(sequence);
  EXPECT_TRUE(sequence.draft.empty());
  EXPECT_EQ(kv_->in_use(), 1U);
  EXPECT_EQ(draft(1000), 3 * kPageTokens + 1) << "cut to what there is";
  EXPECT_EQ(kv_->free(), 0U);
  // Thirty of them were accepted: they lie in the first two pages.
  sequence.computed = kPageTokens - 1 + 30;
  sequence.tokens.resize(sequence.computed + 1, 7);
  sequence_pages_->DropDraft(sequence);
  EXPECT_EQ(kv_->in_use(), 2U);
  sequence_pages_->Publish(sequence);
  EXPECT_EQ(index_->size(), 1U);
  Finish(sequence);

  // What is cached does not make way for a draft.
  Sequence& other = Add(2 * kPageTokens - 1);
  Step();
  scheduler_->Plan(0);
  ASSERT_EQ(kv_->free(), 0U);
  ASSERT_GT(kv_->idle(), 0U);
  other.draft.assign(10, 7);
  sequence_pages_->ReserveDraft(other);
  EXPECT_TRUE(other.draft.empty());
}

TEST_F(SchedulerTest, AShortPromptOvertakesALongOne) {
  Sequence& first = Add(8192);
  Step();
  Sequence& second = Add(200);
  Step();
  EXPECT_TRUE(Answered(second));
  EXPECT_FALSE(Answered(first));
}

TEST_F(SchedulerTest, PromptsOfOneLengthFinishInTurn) {
  std::vector<Sequence*> prompts;
  for (int i = 0; i < 4; ++i) prompts.push_back(&Add(2000));
  std::vector<int> done(4, 0);
  for (int step = 1; step < 40; ++step) {
    Step();
    for (std::size_t i = 0; i < 4; ++i) {
      if (done[i] == 0 && Answered(*prompts[i])) done[i] = step;
    }
  }
  EXPECT_LT(done[0], done[3]);
  EXPECT_LE(done[0], 8);   // Half of the budget: 2000 / 256.
  EXPECT_LE(done[3], 17);  // All of it: 8000 / 512, and what decoding took.
}

TEST_F(SchedulerTest, TheStepsBudgetIsNeverExceeded) {
  for (int i = 0; i < 200; ++i) Add(static_cast<std::uint32_t>(1 + i * 37 % 900), i % 3 == 0 ? kBatch : kInteractive);
  for (int step = 0; step < 300; ++step) {
    const StepPlan& plan = Step();
    std::uint32_t tokens = 0;
    for (const StepItem& item : plan.items) tokens += item.tokens;
    EXPECT_LE(tokens, 512U);
    EXPECT_LE(scheduler_->running().size(), 64U);
    for (const auto& sequence : sequences_) {
      if (sequence->length() > sequence->prompt_tokens + 20 && !sequence->pages.empty()) Finish(*sequence);
    }
  }
  for (const auto& sequence : sequences_) EXPECT_TRUE(Answered(*sequence));
}

TEST_F(SchedulerTest, InteractiveGoesFirstButTheBatchLaneIsOwedItsTurn) {
  Make({.step_tokens_max = 64, .sequences_max = 1, .batch_sequences_max = 1}, 4096);
  Sequence& batch = Add(4, kBatch);
  // There is always somebody interactive waiting, and one place.
  std::vector<Sequence*> others;
  for (int i = 0; i < 30; ++i) others.push_back(&Add(4));
  std::uint32_t before = 0;
  while (!Answered(batch)) {
    Step();
    for (Sequence* other : others) {
      if (Answered(*other) && !other->pages.empty()) {
        Finish(*other);
        ++before;
      }
    }
    ASSERT_LT(before, 30U);
  }
  EXPECT_EQ(before, kBatchAdmissionEvery - 1);
}

TEST_F(SchedulerTest, APromptOfTheBatchLaneKeepsItsShareOfTheBudget) {
  Sequence& batch = Add(4000, kBatch);
  Step();
  // Interactive prompts keep coming, more than the budget holds.
  int steps = 0;
  while (!Answered(batch)) {
    while (scheduler_->queued(kInteractive).size() < 4) Add(1000);
    const StepPlan& plan = Step();
    EXPECT_GE(TokensOf(plan, batch), 1U);
    for (const auto& sequence : sequences_) {
      if (sequence.get() != &batch && Answered(*sequence) && !sequence->pages.empty()) Finish(*sequence);
    }
    ASSERT_LT(++steps, 100);
  }
  EXPECT_LE(steps, 4000 / (512 / kBatchPrefillShare - 8) + 1);
}

TEST_F(SchedulerTest, TheBatchLaneLeavesRoomForTheInteractiveOne) {
  for (int i = 0; i < 100; ++i) Add(4, kBatch);
  Step();
  EXPECT_EQ(scheduler_->running().size(), 48U);
  Sequence& interactive = Add(4);
  Step();
  EXPECT_TRUE(Answered(interactive));
}

TEST_F(SchedulerTest, SharesPagesBetweenLiveSequences) {
  Sequence& first = Add(320);
  Step();
  Sequence& second = *sequences_.emplace_back(std::make_unique<Sequence>());
  second.arrival = 99;
  second.tokens.assign(first.tokens.begin(), first.tokens.begin() + 320);
  second.prompt_tokens = 320;
  scheduler_->Enqueue(second);
  const StepPlan& plan = Step();
  EXPECT_EQ(TokensOf(plan, second), 1U);  // The last token is always computed.
  EXPECT_EQ(second.reused, 319U);
  EXPECT_EQ(kv_->in_use(), 11U);  // Ten shared, for the copied one became the same; one for the first's answer.
}

TEST_F(SchedulerTest, PreemptsTheLastInRankWhenPagesRunShort) {
  Make({}, 8);
  Sequence& first = Add(3 * kPageTokens);
  Step();
  Sequence& second = Add(kPageTokens);
  Step();
  Sequence& batch = Add(kPageTokens - 4, kBatch);
  // Two pages for the second, four for the first, and decoding goes on.
  bool preempted = false;
  for (int step = 0; step < 200 && first.length() < 7 * kPageTokens; ++step) {
    const StepPlan& plan = Step();
    for (const Sequence* victim : plan.preempted) {
      EXPECT_NE(victim, &first) << "the first in rank always goes on";
      preempted = true;
    }
    EXPECT_EQ(TokensOf(plan, first), 1U);
  }
  EXPECT_TRUE(preempted);
  Finish(first);
  // The others come back and go on with the tokens that they had.
  const std::uint32_t had = second.length();
  for (int step = 0; step < 10; ++step) Step();
  EXPECT_GT(second.length(), had);
  EXPECT_TRUE(Answered(batch));
}

TEST_F(SchedulerTest, InteractivePushesTheBatchLaneOutButNotForEver) {
  Make({}, 8);
  Sequence& batch = Add(5 * kPageTokens, kBatch);
  for (std::uint32_t round = 1; round <= kPreemptionsMax; ++round) {
    Step();
    Sequence& interactive = Add(5 * kPageTokens);
    Step();
    EXPECT_EQ(batch.preemptions, round);
    EXPECT_TRUE(Answered(interactive));
    Finish(interactive);
  }
  Step();
  Sequence& late = Add(5 * kPageTokens);
  Step();
  EXPECT_EQ(batch.preemptions, kPreemptionsMax);
  EXPECT_FALSE(Answered(late)) << "who was pushed out so often ranks as interactive";
  Finish(batch);
  Step();
  EXPECT_TRUE(Answered(late));
}

TEST_F(SchedulerTest, SequencesThatCannotRunTogetherRunInTurn) {
  Make({}, 6);
  // Each needs up to five pages of six.
  for (int i = 0; i < 12; ++i) Add(2 * kPageTokens, i % 2 == 0 ? kInteractive : kBatch);
  std::size_t done = 0;
  for (int step = 0; step < 5000 && done < sequences_.size(); ++step) {
    ASSERT_FALSE(Step().items.empty()) << "every step computes something";
    for (const auto& sequence : sequences_) {
      if (!sequence->pages.empty() && sequence->length() >= 5 * kPageTokens) {
        Finish(*sequence);
        sequence->tokens.clear();
        ++done;
      }
    }
  }
  EXPECT_EQ(done, sequences_.size());
  EXPECT_EQ(kv_->in_use(), 0U);
}

TEST_F(SchedulerTest, APromptForSeveralChoicesTakesAsManyPlaces) {
  Make({.step_tokens_max = 64, .sequences_max = 4, .batch_sequences_max = 4}, 64);
  Sequence& one = Add(4);
  Sequence& many = Add(4);
  many.slots = 4;
  Step();
  EXPECT_TRUE(Answered(one));
  EXPECT_FALSE(Answered(many));
  Finish(one);
  Step();
  EXPECT_TRUE(Answered(many));
}

}  // namespace
}  // namespace loquat::engine
