// Drafts in the decoder's loop: whatever is guessed, every answer is bit for bit the one without drafts, and nobody but
// the clock notices.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "engine/loop_test_support.h"

namespace loquat::engine {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

LoopUnderTest::Options With(bool drafts, LoopUnderTest::Options options = {}) {
  options.drafts = drafts;
  if (options.habit == 0) options.habit = 3000;
  return options;
}

GenerateRequest Request(std::vector<TokenId> prompt, std::uint32_t tokens_max = 200) {
  return {.prompt = std::move(prompt), .sampling = {.temperature = 0}, .tokens_max = tokens_max, .ignore_eos = true};
}

// As a text that is quoted from: a run, again and again.
std::vector<TokenId> RepeatingPrompt(std::size_t times, std::uint64_t seed) {
  const auto run = PromptOf(12, seed);
  std::vector<TokenId> prompt;
  for (std::size_t i = 0; i < times; ++i) prompt.insert(prompt.end(), run.begin(), run.end());
  return prompt;
}

void ExpectSame(const RecordingSink& with, const RecordingSink& without) {
  EXPECT_EQ(with.tokens, without.tokens);
  EXPECT_EQ(with.text, without.text);
  EXPECT_EQ(with.finishes, without.finishes);
  EXPECT_EQ(with.deltas, without.deltas);
  EXPECT_EQ(with.end.usage.prompt_tokens, without.end.usage.prompt_tokens);
  EXPECT_EQ(with.end.usage.generated_tokens, without.end.usage.generated_tokens);
  EXPECT_EQ(with.end.usage.cached_prompt_tokens, without.end.usage.cached_prompt_tokens);
  ASSERT_EQ(with.logprobs.size(), without.logprobs.size());
  for (std::size_t i = 0; i < with.logprobs.size(); ++i) {
    EXPECT_EQ(with.logprobs[i].token, without.logprobs[i].token);
    EXPECT_EQ(std::memcmp(&with.logprobs[i].logprob, &without.logprobs[i].logprob, sizeof(float)), 0);
  }
}

// One after the other on each loop, so that nobody's place in a batch differs.
std::uint64_t ExpectSameAnswers(const std::vector<GenerateRequest>& requests,
                                const LoopUnderTest::Options& options = {}) {
  LoopUnderTest with(With(true, options));
  LoopUnderTest without(With(false, options));
  for (std::size_t i = 0; i < requests.size(); ++i) {
    SCOPED_TRACE(i);
    const Submitted one = with.Submit(requests[i]);
    const Submitted two = without.Submit(requests[i]);
    with.RunUntilIdle();
    without.RunUntilIdle();
    EXPECT_EQ(two.sink->ends, 1);
    ExpectSame(*one.sink, *two.sink);
  }
  EXPECT_EQ(with.loop().Stats().kv_pages_cached, without.loop().Stats().kv_pages_cached);
  EXPECT_EQ(without.drafted(), 0U);
  return with.accepted();
}

TEST(Speculation, AGreedyAnswerThatRepeatsItselfTakesFewerStepsAndIsTheSame) {
  LoopUnderTest with(With(true));
  LoopUnderTest without(With(false));
  const Submitted one = with.Submit(Request(PromptOf(50, 1), 1000));
  const Submitted two = without.Submit(Request(PromptOf(50, 1), 1000));
  with.RunUntilIdle();
  without.RunUntilIdle();
  ASSERT_TRUE(one.sink->ok());
  ExpectSame(*one.sink, *two.sink);
  EXPECT_EQ(one.sink->deltas, 1000) << "each token by itself";
  EXPECT_LT(with.model().steps * 3, without.model().steps);
  EXPECT_EQ(with.accepted(), 1000 - with.model().steps) << "a token a step, and what was accepted";
}

TEST(Speculation, EverySamplerSeesTheTokensInOrder) {
  std::vector<GenerateRequest> requests;
  const auto add = [&](SamplingOptions sampling) -> GenerateRequest& {
    GenerateRequest& request = requests.emplace_back(Request(RepeatingPrompt(4, requests.size())));
    sampling.seed = requests.size();
    request.sampling = sampling;
    request.top_logprobs = 3;
    return request;
  };
  add({.temperature = 0});
  add({.temperature = 1});
  add({.temperature = 10, .top_k = 5});
  add({.temperature = 1, .typical_p = 0.9F, .top_p = 0.9F, .min_p = 0.01F});
  add({.temperature = 0, .repetition_penalty = 1.05F});
  add({.temperature = 1, .presence_penalty = 0.5F, .frequency_penalty = 0.1F});
  add({.temperature = 0, .no_repeat_ngram = 12});
  add({.temperature = 1, .logit_bias = {{.token = 9, .bias = 3}}});
  GenerateRequest& several = add({.temperature = 1});
  several.choices = 4;
  several.top_logprobs.reset();  // Those of the choices come in the batch's order.
  add({.temperature = 0}).session = "s";
  EXPECT_GT(ExpectSameAnswers(requests), 200U);
}

TEST(Speculation, EndsWhereTheAnswerWouldEndAlsoInTheMiddleOfADraft) {
  std::vector<GenerateRequest> requests;
  // Any number of tokens, so that ends lie at every place of a draft.
  for (std::uint32_t tokens = 1; tokens <= 60; ++tokens) requests.push_back(Request(RepeatingPrompt(4, 7), tokens));
  LoopUnderTest once(With(false));
  const Submitted whole = once.Submit(requests.back());
  once.RunUntilIdle();
  const std::string text = whole.sink->text[0];
  // Stop strings that cross tokens, at several places.
  for (std::size_t at = 20; at + 4 < text.size(); at += 7) {
    requests.push_back(Request(RepeatingPrompt(4, 7)));
    requests.back().stop = {text.substr(at, 4)};
  }
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    requests.push_back(Request(RepeatingPrompt(4, seed), 500));
    requests.back().ignore_eos = false;
    requests.back().sampling = {.temperature = 2, .seed = seed};
  }
  EXPECT_GT(ExpectSameAnswers(requests), 500U);
}

TEST(Speculation, AStopStringInTheMiddleOfADraftIsTheEnd) {
  // An answer that runs in a circle already, so that its stop string is guessed with it.
  LoopUnderTest once(With(false));
  GenerateRequest request = Request(RepeatingPrompt(4, 7), 500);
  const Submitted whole = once.Submit(request);
  once.RunUntilIdle();
  constexpr std::ptrdiff_t kBefore = 400;
  const std::vector<TokenId>& answer = whole.sink->tokens[0];
  request.prompt.insert(request.prompt.end(), answer.begin(), answer.begin() + kBefore);
  request.tokens_max = 100;
  std::vector<GenerateRequest> requests;
  for (std::ptrdiff_t at = kBefore + 10; at < kBefore + 60; ++at) {
    request.stop = {FakeText(answer[at]) + FakeText(answer[at + 1]) + FakeText(answer[at + 2])};
    requests.push_back(request);
  }
  EXPECT_GT(ExpectSameAnswers(requests), 300U);
}

TEST(Speculation, TheContextsEndIsReachedAndNotPassed) {
  for (const std::uint32_t context : {256U, 250U, 257U}) {
    std::vector<GenerateRequest> requests{Request(RepeatingPrompt(10, 1), 0), Request(RepeatingPrompt(20, 2), 0)};
    // The pool holds the context and the spare page.
    EXPECT_GT(ExpectSameAnswers(requests, {.pages = 10, .context = context}), 50U);
  }
}

TEST(Speculation, WhoComesLaterFindsWhatTheyWouldHaveFound) {
  // The same prefix, with answers cut in the middle of drafts before it.
  std::vector<GenerateRequest> requests;
  LoopUnderTest once(With(false));
  const Submitted whole = once.Submit(Request(RepeatingPrompt(5, 3), 200));
  once.RunUntilIdle();
  for (std::uint32_t i = 0; i < 20; ++i) {
    requests.push_back(Request(RepeatingPrompt(5, 3), 20 + 7 * i));
    GenerateRequest next = Request(RepeatingPrompt(5, 3), 30);
    const auto& answer = whole.sink->tokens[0];
    next.prompt.insert(next.prompt.end(), answer.begin(), answer.begin() + 15 + 8 * i);
    if (i % 2 == 0) next.prompt.push_back(static_cast<TokenId>(2 + i));
    requests.push_back(next);
  }
  EXPECT_GT(ExpectSameAnswers(requests), 200U);
}

TEST(Speculation, AClientWhoLeavesInTheMiddleOfADraftHearsNoMore) {
  for (std::size_t gone_after = 150; gone_after < 180; ++gone_after) {
    LoopUnderTest test(With(true));
    const Submitted leaves = test.Submit(Request(RepeatingPrompt(5, 1), 500));
    leaves.sink->gone_after = gone_after;
    test.RunUntilIdle();
    EXPECT_EQ(leaves.sink->deltas, static_cast<int>(gone_after));
    EXPECT_EQ(leaves.sink->ends, 1);
    EXPECT_EQ(leaves.sink->code(), base::Code::kCancelled);
    EXPECT_GT(test.accepted(), 0U);
    EXPECT_EQ(test.loop().Stats().kv_pages_used, 0U);
  }
}

TEST(Speculation, ACancelInTheMiddleOfADraftTakesEffectAtOnce) {
  for (int cancel_at = 150; cancel_at < 180; ++cancel_at) {
    LoopUnderTest test(With(true));
    Submitted made = test.Submit(Request(RepeatingPrompt(5, 1), 500));
    made.sink->on_delta = [&] {
      if (made.sink->deltas == cancel_at) made.cancel.Cancel();
    };
    test.RunUntilIdle();
    EXPECT_EQ(made.sink->tokens[0].size(), static_cast<std::size_t>(cancel_at));
    EXPECT_EQ(made.sink->finishes[0], Finish::kCancelled);
    EXPECT_EQ(made.sink->code(), base::Code::kCancelled);
    EXPECT_GT(test.accepted(), 0U);
    EXPECT_EQ(test.loop().Stats().kv_pages_used, 0U);
  }
}

TEST(Speculation, SeveralSequencesGetTheAnswersThatTheyGetAlone) {
  LoopUnderTest together(With(true));
  std::vector<GenerateRequest> requests;
  std::vector<Submitted> made;
  for (std::uint64_t i = 0; i < 16; ++i) {
    requests.push_back(Request(i % 3 == 0 ? PromptOf(40 + i, i) : RepeatingPrompt(3, i), 150));
    requests.back().sampling = {.temperature = i % 2 == 0 ? 0.0F : 1.0F, .seed = i};
    made.push_back(together.Submit(requests.back()));
    together.Step();
  }
  together.RunUntilIdle();
  for (std::size_t i = 0; i < made.size(); ++i) {
    LoopUnderTest alone(With(false));
    const Submitted one = alone.Submit(requests[i]);
    alone.RunUntilIdle();
    EXPECT_EQ(made[i].sink->tokens, one.sink->tokens);
  }
  EXPECT_GT(together.accepted(), 500U);
}

TEST(Speculation, WhereMemoryIsShortNobodyGivesWayToAGuess) {
  const auto run = [](bool drafts) {
    // Twelve sequences of up to eight pages, twenty pages for all.
    auto test = std::make_unique<LoopUnderTest>(With(drafts, {.pages = 20}));
    std::vector<Submitted> made;
    for (std::uint64_t i = 0; i < 12; ++i) made.push_back(test->Submit(Request(RepeatingPrompt(8, i), 150)));
    test->RunUntilIdle();
    std::vector<std::vector<TokenId>> tokens;
    for (const Submitted& each : made) {
      EXPECT_TRUE(each.sink->ok());
      tokens.push_back(each.sink->tokens[0]);
    }
    return std::tuple(tokens, test->preemptions(), test->accepted());
  };
  const auto [with, preempted_with, accepted] = run(true);
  const auto [without, preempted_without, none] = run(false);
  EXPECT_EQ(with, without);
  EXPECT_GT(accepted, 0U);
  EXPECT_EQ(none, 0U);
  EXPECT_GT(preempted_without, 0U);
  EXPECT_LE(preempted_with, preempted_without);
}

TEST(Speculation, APromptIsComputedInAsManyStepsAsWithoutDrafts) {
  const auto steps_to_answer = [](bool drafts) {
    LoopUnderTest test(
        With(drafts, {.loop = {.scheduler = {.step_tokens_max = 64, .sequences_max = 8, .batch_sequences_max = 6}}}));
    for (std::uint64_t i = 0; i < 4; ++i) test.Submit(Request(RepeatingPrompt(5, i), 4000));
    for (int i = 0; i < 400; ++i) test.Step();
    const Submitted prompt = test.Submit(Request(PromptOf(600, 9), 5));
    int steps = 0;
    while (prompt.sink->deltas == 0) {
      test.Step();
      ++steps;
    }
    EXPECT_EQ(test.accepted() > 0, drafts);
    return steps;
  };
  EXPECT_EQ(steps_to_answer(true), steps_to_answer(false));
}

TEST(Speculation, ModelsWhoseTokensCostAsMuchAsTheirWeightsGetFewDrafts) {
  const auto drafted = [](std::uint64_t sequences, base::Duration token) {
    LoopUnderTest test(With(true));
    test.model().after_step = [&](std::size_t tokens) {
      test.clock().Advance(token * static_cast<std::int64_t>(tokens));
    };
    for (std::uint64_t i = 0; i < sequences; ++i) test.Submit(Request(RepeatingPrompt(5, i), 300));
    test.RunUntilIdle();
    return static_cast<double>(test.drafted()) / static_cast<double>(300 * sequences);
  };
  // A step takes 1 ms besides.
  EXPECT_GT(drafted(1, std::chrono::microseconds(50)), 0.5);
  EXPECT_GT(drafted(8, std::chrono::microseconds(20)), 0.5);
  EXPECT_LT(drafted(8, milliseconds(1)), 0.05);
}

TEST(Speculation, TextThatRepeatsNothingIsHardlyEverGuessedAt) {
  LoopUnderTest::Options options{.vocabulary = 4096};
  options.drafts = true;
  LoopUnderTest test(options);
  const Submitted made = test.Submit(Request(PromptOf(500, 1, 4096), 2000));
  test.RunUntilIdle();
  EXPECT_TRUE(made.sink->ok());
  EXPECT_LT(test.drafted(), 40U);
}

TEST(Speculation, IsCountedAndTimesStayThoseOfTheClient) {
  LoopUnderTest test(With(true));
  test.Submit(Request(RepeatingPrompt(5, 1), 300));
  test.RunUntilIdle();
  ASSERT_GT(test.accepted(), 100U);
  ASSERT_GE(test.drafted(), test.accepted());
  const std::string text = test.metrics();
  const auto line = [](const std::string& name, std::uint64_t value) {
    return "loquat_engine_" + name + "{model=\"fake\"} " + std::to_string(value);
  };
  EXPECT_THAT(text, HasSubstr(line("drafted_tokens_total", test.drafted())));
  EXPECT_THAT(text, HasSubstr(line("accepted_tokens_total", test.accepted())));
  EXPECT_THAT(text, HasSubstr("loquat_engine_tokens_total{model=\"fake\",phase=\"decode\"} 299"));
  EXPECT_THAT(text, HasSubstr("loquat_engine_tokens_total{model=\"fake\",phase=\"prefill\"} 60"));
  EXPECT_THAT(text, HasSubstr(line("inter_token_seconds_count", 299)));
  EXPECT_THAT(text, HasSubstr(line("batch_tokens_sum", 60 + 299 + test.drafted() - test.accepted())));
  EXPECT_EQ(test.model().tokens_computed, 60 + 299 + test.drafted() - test.accepted());
}

TEST(Speculation, OffIsOff) {
  LoopUnderTest test(With(false));
  test.Submit(Request(RepeatingPrompt(5, 1), 100));
  test.RunUntilIdle();
  EXPECT_EQ(test.drafted(), 0U);
  EXPECT_EQ(test.model().steps, 100U);
}

// Two samples of one distribution: of 2,000 values the chi-square statistic of k categories is that of k - 1 degrees of
// freedom (Pearson 1900). The seeds are fixed, so this passes always or never.
TEST(Speculation, AnswersAreDrawnFromTheSameDistribution) {
  constexpr std::uint32_t kVocabulary = 10;
  constexpr std::uint64_t kDraws = 2000;
  constexpr std::size_t kTokens = 6;
  const auto counts = [](bool drafts, std::uint64_t first_seed) {
    LoopUnderTest test(With(drafts, {.vocabulary = kVocabulary, .habit = 60}));
    // Of the last three tokens of each answer.
    std::vector<std::vector<double>> counted(3, std::vector<double>(kVocabulary));
    for (std::uint64_t i = 0; i < kDraws; ++i) {
      GenerateRequest request = Request(PromptOf(60, 5, kVocabulary), kTokens);
      // Flat enough that a draft is refused as often as not.
      request.sampling = {.temperature = 8, .seed = first_seed + i};
      const Submitted made = test.Submit(std::move(request));
      test.RunUntilIdle();
      const std::vector<TokenId>& tokens = made.sink->tokens[0];
      for (std::size_t k = 0; k < 3; ++k) ++counted[k][static_cast<std::size_t>(tokens[kTokens - 3 + k])];
    }
    EXPECT_EQ(test.accepted() > kDraws / 4, drafts);
    EXPECT_EQ(test.drafted() > test.accepted() + kDraws / 4, drafts);
    return counted;
  };
  const auto with = counts(true, 1);
  const auto without = counts(false, 1'000'000);
  for (std::size_t k = 0; k < 3; ++k) {
    double statistic = 0;
    int categories = 0;
    for (std::uint32_t token = 0; token < kVocabulary; ++token) {
      const double sum = with[k][token] + without[k][token];
      if (sum == 0) continue;
      ++categories;
      statistic += (with[k][token] - without[k][token]) * (with[k][token] - without[k][token]) / sum;
    }
    EXPECT_GT(categories, 4);
    // The 0.9999 quantile for 9 degrees of freedom.
    EXPECT_LT(statistic, 33.7) << "token " << kTokens - 3 + k;
  }
}

}  // namespace
}  // namespace loquat::engine
