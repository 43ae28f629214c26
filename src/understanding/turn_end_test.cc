// Endings of texts in both languages, and what a pause makes of them.

#include "understanding/turn_end.h"

#include <gtest/gtest.h>

#include <cmath>

namespace loquat::understanding {
namespace {

using domain::TextEnding;

TEST(TurnEnd, ReadsMarksOfBothLanguages) {
  for (const char* text : {"Play it.", "再见。", "what now? ", "真的吗？", "stop!", "\"go on.\"", "他说“好。”"}) {
    EXPECT_EQ(EndingOf(text), TextEnding::kFinalMark) << text;
  }
  for (const char* text : {"well...", "嗯……", "let me see…", "这个。。。"}) {
    EXPECT_EQ(EndingOf(text), TextEnding::kEllipsis) << text;
  }
  for (const char* text : {"first, ", "第一，", "牛奶、", "as follows:", "call (", "播放《"}) {
    EXPECT_EQ(EndingOf(text), TextEnding::kOpenMark) << text;
  }
  for (const char* text : {"play this and", "turn off THE ", "我想从", "小明和"}) {
    EXPECT_EQ(EndingOf(text), TextEnding::kUnfinished) << text;
  }
  for (const char* text : {"play jazz", "band", "明天天气", "\xFF", "3.5"}) {
    EXPECT_EQ(EndingOf(text), TextEnding::kPlain) << text;
  }
  for (const char* text : {"", " \t\n", "　"}) EXPECT_EQ(EndingOf(text), TextEnding::kEmpty) << text;
}

TEST(TurnEnd, TheLongestPauseEndsAnyTurnButAnEmptyOne) {
  const TurnEndOptions options;
  for (const TextEnding ending : {TextEnding::kPlain, TextEnding::kUnfinished, TextEnding::kOpenMark,
                                  TextEnding::kEllipsis, TextEnding::kFinalMark}) {
    for (const float logit : {-50.0F, -2.0F, 0.0F, 50.0F}) {
      const TurnEvidence evidence{
          .ending = ending, .learned = true, .whole_logit = logit, .pause_ms = options.pause_ms_max};
      EXPECT_TRUE(JudgeTurnEnd(evidence, options).likely);
    }
  }
  EXPECT_FALSE(JudgeTurnEnd({.pause_ms = 1'000'000}, options).likely);
}

TEST(TurnEnd, WaitsExactlyAsLongAsItSays) {
  const TurnEndOptions options;
  for (const float logit : {-9.0F, -3.0F, -1.0F, 0.0F, 1.0F, 2.5F, 9.0F}) {
    TurnEvidence evidence{.ending = TextEnding::kPlain, .learned = true, .whole_logit = logit};
    const domain::TurnEnd now = JudgeTurnEnd(evidence, options);
    ASSERT_FALSE(now.likely);
    EXPECT_GE(now.wait_ms, options.pause_ms_min);
    EXPECT_LE(now.wait_ms, options.pause_ms_max);
    evidence.pause_ms = now.wait_ms - 1;
    EXPECT_FALSE(JudgeTurnEnd(evidence, options).likely) << logit;
    EXPECT_EQ(JudgeTurnEnd(evidence, options).wait_ms, 1U);
    evidence.pause_ms = now.wait_ms;
    const domain::TurnEnd over = JudgeTurnEnd(evidence, options);
    EXPECT_TRUE(over.likely) << logit;
    EXPECT_EQ(over.wait_ms, 0U);
    EXPECT_GT(over.probability, now.probability);
    EXPECT_EQ(over.text_probability, now.text_probability);
  }
}

TEST(TurnEnd, ThePauseWeighsByBayesRule) {
  const TurnEndOptions options{.resume_ms = 400};
  const TurnEvidence evidence{.ending = TextEnding::kPlain, .learned = true, .whole_logit = -1, .pause_ms = 400};
  EXPECT_NEAR(JudgeTurnEnd(evidence, options).probability, 0.5F, 1e-6F);
  EXPECT_NEAR(JudgeTurnEnd(evidence, options).text_probability, 1 / (1 + std::exp(1.0F)), 1e-6F);
}

TEST(TurnEnd, ASlotAtTheEndMayGoOn) {
  domain::Slot slot;
  slot.span.byte_begin = 5;
  slot.span.byte_end = 9;
  const TurnEvidence open = EvidenceOf("play jazz ", std::span(&slot, 1));
  EXPECT_TRUE(open.slot_at_end);
  EXPECT_FALSE(EvidenceOf("play jazz now", std::span(&slot, 1)).slot_at_end);
  TurnEvidence closed = open;
  closed.slot_at_end = false;
  EXPECT_LT(JudgeTurnEnd(open, {}).text_probability, JudgeTurnEnd(closed, {}).text_probability);
}

}  // namespace
}  // namespace loquat::understanding
