#include "engine/decoder_loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "engine/loop_test_support.h"

namespace loquat::engine {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::StartsWith;

GenerateRequest Request(std::vector<TokenId> prompt, std::uint32_t tokens_max = 20) {
  return {.prompt = std::move(prompt), .sampling = {.temperature = 0}, .tokens_max = tokens_max, .ignore_eos = true};
}

TEST(DecoderLoop, AnswersAndCountsWhatItUsed) {
  LoopUnderTest test;
  const Submitted made = test.Submit(Request(PromptOf(100, 1)));
  test.RunUntilIdle();
  ASSERT_TRUE(made.sink->ok());
  EXPECT_EQ(made.sink->tokens[0].size(), 20U);
  EXPECT_EQ(made.sink->finishes[0], Finish::kLength);
  EXPECT_EQ(made.sink->end.usage.prompt_tokens, 100U);
  EXPECT_EQ(made.sink->end.usage.generated_tokens, 20U);
  EXPECT_EQ(made.sink->end.usage.cached_prompt_tokens, 0U);
  EXPECT_GT(made.sink->end.first_token, base::Duration::zero());
  EXPECT_GT(made.sink->end.total, made.sink->end.first_token);
  EXPECT_EQ(test.loop().Stats().kv_pages_used, 0U);
}

TEST(DecoderLoop, ComputesNothingFromDamagedWeights) {
  LoopUnderTest test;
  test.model().weights = base::DataLoss("chunk 3 is damaged");
  const Submitted one = test.Submit(Request(PromptOf(100, 1)));
  const Submitted two = test.Submit(Request(PromptOf(10, 2)));
  test.RunUntilIdle();
  for (const Submitted& made : {one, two}) {
    EXPECT_EQ(made.sink->ends, 1);
    ASSERT_FALSE(made.sink->ok());
    EXPECT_THAT(made.sink->end.status.error().message, HasSubstr("chunk 3"));
    EXPECT_TRUE(made.sink->tokens[0].empty());
  }
  EXPECT_EQ(test.model().steps, 0U);
  EXPECT_EQ(test.loop().Stats().kv_pages_used, 0U);
}

TEST(DecoderLoop, EndsAtTheModelsEndToken) {
  LoopUnderTest test;
  GenerateRequest request = Request(PromptOf(10, 2), 5000);
  request.ignore_eos = false;
  request.sampling = {.temperature = 5, .seed = 1};
  const Submitted made = test.Submit(std::move(request));
  test.RunUntilIdle();
  ASSERT_TRUE(made.sink->ok());
  EXPECT_EQ(made.sink->finishes[0], Finish::kStop);
  EXPECT_EQ(made.sink->tokens[0].back(), kFakeEos);
  EXPECT_THAT(made.sink->text[0], ::testing::EndsWith(".")) << "what the detokenizer held back comes out";
}

TEST(DecoderLoop, ASecondTurnComputesOnlyWhatIsNew) {
  LoopUnderTest test;
  GenerateRequest first = Request(PromptOf(500, 3), 40);
  first.session = "s";
  const Submitted one = test.Submit(first);
  test.RunUntilIdle();
  GenerateRequest second = Request(first.prompt, 10);
  second.session = "s";
  second.prompt.insert(second.prompt.end(), one.sink->tokens[0].begin(), one.sink->tokens[0].end());
  const auto news = PromptOf(30, 4);
  second.prompt.insert(second.prompt.end(), news.begin(), news.end());
  const std::uint64_t before = test.model().tokens_computed;
  const Submitted two = test.Submit(second);
  test.RunUntilIdle();
  // The last token of the answer was never computed: nobody needed what follows it.
  EXPECT_EQ(two.sink->end.usage.cached_prompt_tokens, 539U);
  EXPECT_EQ(test.model().tokens_computed - before, 1U + 30U + 9U);

  LoopUnderTest alone;
  const Submitted fresh = alone.Submit(second);
  alone.RunUntilIdle();
  EXPECT_EQ(fresh.sink->tokens, two.sink->tokens);
}

TEST(DecoderLoop, LiveSequencesShareTheirPrefix) {
  LoopUnderTest test;
  const auto system = PromptOf(640, 5);
  const Submitted first = test.Submit(Request(system, 200));
  for (int i = 0; i < 10; ++i) test.Step();
  ASSERT_EQ(first.sink->ends, 0);
  const std::uint32_t before = test.loop().Stats().kv_pages_used;
  std::vector<Submitted> others;
  for (std::uint64_t i = 0; i < 8; ++i) {
    auto prompt = system;
    prompt.push_back(static_cast<TokenId>(10 + i));
    others.push_back(test.Submit(Request(prompt, 10)));
  }
  test.Step();
  EXPECT_LE(test.loop().Stats().kv_pages_used, before + 8 + 1) << "a page each for what is its own";
  test.RunUntilIdle();
  for (const Submitted& other : others) EXPECT_EQ(other.sink->end.usage.cached_prompt_tokens, 640U);
}

TEST(DecoderLoop, ChoicesShareThePromptAndDiffer) {
  LoopUnderTest test;
  GenerateRequest request = Request(PromptOf(1000, 6), 30);
  request.choices = 8;
  request.sampling = {.seed = 11};
  const Submitted made = test.Submit(request);
  test.RunUntilIdle();
  ASSERT_TRUE(made.sink->ok());
  EXPECT_EQ(test.model().tokens_computed, 1000U + 8 * 29);
  EXPECT_EQ(made.sink->end.usage.prompt_tokens, 1000U);
  EXPECT_EQ(made.sink->end.usage.generated_tokens, 240U);
  std::set<std::vector<TokenId>> answers;
  for (const auto& [choice, tokens] : made.sink->tokens) answers.insert(tokens);
  EXPECT_EQ(answers.size(), 8U);

  // The first choice is what one choice alone would have been.
  LoopUnderTest other;
  request.choices = 1;
  const Submitted alone = other.Submit(request);
  other.RunUntilIdle();
  EXPECT_EQ(alone.sink->tokens[0], made.sink->tokens[0]);
}

TEST(DecoderLoop, StopsAtAStringThatCrossesTokens) {
  LoopUnderTest test;
  const Submitted whole = test.Submit(Request(PromptOf(20, 7), 60));
  test.RunUntilIdle();
  const std::string text = whole.sink->text[0];
  const std::string stop = text.substr(text.size() / 2, 5);
  GenerateRequest request = Request(PromptOf(20, 7), 60);
  request.stop = {"???", stop};
  const Submitted made = test.Submit(request);
  test.RunUntilIdle();
  EXPECT_EQ(made.sink->text[0], text.substr(0, text.find(stop)));
  EXPECT_EQ(made.sink->finishes[0], Finish::kStop);
}

TEST(DecoderLoop, ReportsLogProbabilities) {
  LoopUnderTest test;
  GenerateRequest request = Request(PromptOf(20, 8), 5);
  request.top_logprobs = 3;
  const Submitted made = test.Submit(request);
  test.RunUntilIdle();
  ASSERT_EQ(made.sink->logprobs.size(), 5U * 4);
  for (std::size_t i = 0; i < 5; ++i) {
    // Greedy: the token is the likeliest.
    EXPECT_EQ(made.sink->logprobs[4 * i].token, made.sink->tokens[0][i]);
    EXPECT_EQ(made.sink->logprobs[4 * i + 1].token, made.sink->tokens[0][i]);
    EXPECT_GE(made.sink->logprobs[4 * i + 1].logprob, made.sink->logprobs[4 * i + 2].logprob);
    EXPECT_LT(made.sink->logprobs[4 * i].logprob, 0);
  }
}

TEST(DecoderLoop, TheSeedThatWasDrawnGivesTheAnswerAgain) {
  LoopUnderTest test;
  GenerateRequest request = Request(PromptOf(20, 9), 30);
  request.sampling = {.temperature = 2};
  const Submitted first = test.Submit(request);
  test.RunUntilIdle();
  request.sampling.seed = first.sink->end.seed;
  const Submitted again = test.Submit(request);
  test.RunUntilIdle();
  EXPECT_EQ(again.sink->tokens, first.sink->tokens);
}

struct Refused {
  GenerateRequest request;
  std::string_view param;
};

TEST(DecoderLoop, RefusesRequestsThatMakeNoSenseWithAPointerToTheCulprit) {
  LoopUnderTest test;
  const auto with = [](auto change) {
    GenerateRequest request = Request({5, 6});
    change(request);
    return request;
  };
  const Refused cases[] = {
      {with([](auto& r) { r.prompt.clear(); }), "/prompt"},
      {with([](auto& r) {
         r.prompt = {5, 64};
       }),
       "/prompt/1"},
      {with([](auto& r) { r.prompt = {-1}; }), "/prompt/0"},
      {with([](auto& r) { r.choices = 0; }), "/n"},
      {with([](auto& r) { r.choices = 2; }), "/n"},  // Greedy.
      {with([](auto& r) { r.sampling.temperature = 1, r.choices = 65; }), "/n"},
      {with([](auto& r) { r.top_logprobs = 21; }), "/top_logprobs"},
      {with([](auto& r) { r.sampling.top_p = 2; }), "/top_p"},
      {with([](auto& r) { r.stop = std::vector<std::string>(10'000, "x"); }), "/stop"},
      {with([](auto& r) { r.session = std::string(300, 's'); }), "/session"},
  };
  for (const Refused& each : cases) {
    const Submitted made = test.Submit(each.request);
    ASSERT_EQ(made.sink->ends, 1);
    EXPECT_EQ(made.sink->code(), base::Code::kInvalidArgument) << each.param;
    EXPECT_EQ(made.sink->end.status.error().param, each.param);
  }
  EXPECT_TRUE(test.Submit(with([](auto& r) { r.sampling.temperature = 1, r.choices = 64; })).sink->ends == 0);
  test.RunUntilIdle();
}

// https://github.com/ggml-org/llama.cpp/issues/6607: one long prompt kept every other stream waiting.
TEST(LlamaCpp6607, ALongPromptDoesNotStallTheStreamsOfOthers) {
  LoopUnderTest test;
  std::vector<Submitted> streams;
  for (std::uint64_t i = 0; i < 16; ++i) streams.push_back(test.Submit(Request(PromptOf(20, 100 + i), 2000)));
  for (int i = 0; i < 50; ++i) test.Step();
  const Submitted heavy = test.Submit(Request(PromptOf(8192, 99), 5));
  std::vector<int> deltas(streams.size(), 0);
  while (heavy.sink->deltas == 0) {
    for (std::size_t i = 0; i < streams.size(); ++i) deltas[i] = streams[i].sink->deltas;
    const base::TimePoint before = test.clock().Now();
    test.Step();
    for (std::size_t i = 0; i < streams.size(); ++i) EXPECT_EQ(streams[i].sink->deltas, deltas[i] + 1);
    EXPECT_LE(test.clock().Now() - before, milliseconds(7));  // 1 ms and 512 tokens of 10 us, bounded by the budget.
  }
  // And a question that comes after the long prompt is answered before it.
  const Submitted again = test.Submit(Request(PromptOf(8192, 98), 5));
  test.Step();
  const Submitted quick = test.Submit(Request(PromptOf(50, 97), 5));
  while (quick.sink->ends == 0) test.Step();
  EXPECT_EQ(again.sink->deltas, 0);
  test.RunUntilIdle();
}

// https://github.com/ggml-org/llama.cpp/issues/24496: work went on after the client had disconnected.
TEST(LlamaCpp6607, AStepOfASlowModelStaysShortForWhoComesNext) {
  LoopUnderTest test;
  // A forward pass of 512 tokens takes 20 s.
  std::uint64_t before = 0;
  const auto computed = [&] {
    const std::uint64_t now = test.model().tokens_computed;
    return now - std::exchange(before, now);
  };
  test.model().before_step = [&] { test.clock().Advance(seconds(20)); };
  test.Submit(Request(PromptOf(3000, 1), 5));
  ASSERT_TRUE(test.Step());
  EXPECT_EQ(computed(), 512U) << "nothing is known yet";
  ASSERT_TRUE(test.Step());
  EXPECT_EQ(computed(), 25U) << "a second's worth";
}

TEST(LlamaCpp24496, AGenerationEndsWithinOneStepOfTheDisconnect) {
  LoopUnderTest test;
  const Submitted stays = test.Submit(Request(PromptOf(20, 1), 100));
  const Submitted leaves = test.Submit(Request(PromptOf(20, 2), 100));
  leaves.sink->gone_after = 10;
  for (int i = 0; i < 10; ++i) test.Step();
  EXPECT_EQ(leaves.sink->deltas, 10);
  EXPECT_EQ(leaves.sink->ends, 1) << "the step whose delta was refused is the last";
  EXPECT_EQ(leaves.sink->code(), base::Code::kCancelled);
  const std::uint64_t before = test.model().tokens_computed;
  test.Step();
  EXPECT_EQ(test.model().tokens_computed - before, 1U) << "nothing is computed for who left";
  EXPECT_THAT(test.metrics(), HasSubstr(R"(loquat_engine_wasted_tokens_total{model="fake",reason="cancelled"} 29)"));
  test.RunUntilIdle();
  EXPECT_TRUE(stays.sink->ok());

  // The same by the call's cancel token, in the middle of a prompt.
  Submitted prompt = test.Submit(Request(PromptOf(5000, 3), 100));
  test.Step();
  prompt.cancel.Cancel();
  EXPECT_FALSE(test.Step());
  EXPECT_EQ(prompt.sink->finishes[0], Finish::kCancelled);
  EXPECT_EQ(prompt.sink->ends, 1);
}

// https://github.com/ggml-org/llama.cpp/issues/13262: requests in the queue ran although their clients had gone.
TEST(LlamaCpp13262, AQueuedRequestOfAGoneClientNeverRuns) {
  LoopUnderTest test({.loop = {.scheduler = {.step_tokens_max = 64, .sequences_max = 1, .batch_sequences_max = 1}}});
  const Submitted runs = test.Submit(Request(PromptOf(20, 1), 50));
  Submitted queued = test.Submit(Request(PromptOf(20, 2), 50));
  const Submitted last = test.Submit(Request(PromptOf(20, 3), 50));
  test.Step();
  queued.cancel.Cancel();
  test.Step();
  EXPECT_EQ(queued.sink->ends, 1);
  EXPECT_EQ(queued.sink->code(), base::Code::kCancelled);
  EXPECT_TRUE(queued.sink->tokens[0].empty());
  EXPECT_EQ(test.admission().queued(), 1U);
  test.RunUntilIdle();
  EXPECT_TRUE(runs.sink->ok());
  EXPECT_TRUE(last.sink->ok());
  EXPECT_EQ(test.model().tokens_computed, 2U * (20 + 49));
}

// https://github.com/ggml-org/llama.cpp/issues/23652: one sequence at its context's end aborted every other.
TEST(LlamaCpp23652, ReachingTheContextEndsOneSequenceAlone) {
  LoopUnderTest test({.context = 256});
  GenerateRequest endless = Request(PromptOf(200, 1));
  endless.tokens_max = 0;
  const Submitted overflows = test.Submit(endless);
  const Submitted other = test.Submit(Request(PromptOf(20, 2), 150));
  test.RunUntilIdle();
  EXPECT_EQ(overflows.sink->finishes[0], Finish::kLength);
  EXPECT_EQ(overflows.sink->tokens[0].size(), 56U);
  ASSERT_TRUE(other.sink->ok());
  EXPECT_EQ(other.sink->tokens[0].size(), 150U);
}

TEST(LlamaCpp23652, ASequenceThatComputesNonsenseFailsAlone) {
  LoopUnderTest test;
  const Submitted good = test.Submit(Request(PromptOf(20, 2), 50));
  auto poisoned = PromptOf(100, 3);
  poisoned[50] = kPoisonToken;
  const Submitted bad = test.Submit(Request(poisoned, 50));
  test.RunUntilIdle();
  EXPECT_EQ(bad.sink->code(), base::Code::kInternal);
  EXPECT_EQ(bad.sink->finishes[0], Finish::kError);
  EXPECT_TRUE(good.sink->ok());

  // Choices fail together, in the middle of a step with others.
  GenerateRequest choices = Request(poisoned, 50);
  choices.sampling.temperature = 1;
  choices.choices = 4;
  const Submitted many = test.Submit(choices);
  const Submitted more = test.Submit(Request(PromptOf(20, 2), 50));
  test.RunUntilIdle();
  EXPECT_EQ(many.sink->code(), base::Code::kInternal);
  EXPECT_EQ(more.sink->tokens, good.sink->tokens);
}

TEST(LlamaCpp23652, WhenPagesRunOutSequencesWaitAndGiveTheSameTokens) {
  std::vector<Submitted> alone;
  std::vector<GenerateRequest> requests;
  for (std::uint64_t i = 0; i < 12; ++i) requests.push_back(Request(PromptOf(100, 50 + i), 150));
  LoopUnderTest roomy;
  for (const auto& request : requests) alone.push_back(roomy.Submit(request));
  roomy.RunUntilIdle();
  // 250 tokens take eight pages; here are twenty for all.
  LoopUnderTest tight({.pages = 20});
  std::vector<Submitted> made;
  for (const auto& request : requests) made.push_back(tight.Submit(request));
  tight.RunUntilIdle();
  for (std::size_t i = 0; i < made.size(); ++i) {
    ASSERT_TRUE(made[i].sink->ok());
    EXPECT_EQ(made[i].sink->tokens, alone[i].sink->tokens);
  }
  EXPECT_THAT(tight.metrics(), ::testing::Not(HasSubstr("loquat_engine_preemptions_total{model=\"fake\"} 0")));
}

// https://github.com/ollama/ollama/issues/17889: a prompt over the context was cut, and answered with a 200.
TEST(Ollama17889, APromptOverTheContextIsRefusedNotCut) {
  LoopUnderTest test({.context = 128});
  EXPECT_EQ(test.Submit(Request(PromptOf(127, 1))).sink->ends, 0);
  for (const std::size_t tokens : {std::size_t{128}, std::size_t{129}, std::size_t{160'689}}) {
    const Submitted made = test.Submit(Request(PromptOf(tokens, 1)));
    ASSERT_EQ(made.sink->ends, 1);
    EXPECT_EQ(made.sink->end.status.error().reason, "context_length_exceeded");
    EXPECT_THAT(made.sink->end.status.error().message, HasSubstr(std::to_string(tokens)));
  }
  test.RunUntilIdle();
}

TEST(DecoderLoop, ADeadlineEndsARequestQueuedOrRunning) {
  LoopUnderTest test({.loop = {.scheduler = {.step_tokens_max = 64, .sequences_max = 1, .batch_sequences_max = 1}}});
  const base::Deadline soon = base::Deadline::After(test.clock(), milliseconds(30));
  const Submitted runs = test.Submit(Request(PromptOf(20, 1), 5000), soon);
  const Submitted queued = test.Submit(Request(PromptOf(20, 2), 5000), soon);
  test.RunUntilIdle(100);
  EXPECT_EQ(runs.sink->code(), base::Code::kDeadlineExceeded);
  EXPECT_EQ(runs.sink->finishes[0], Finish::kError);
  EXPECT_GT(runs.sink->deltas, 10);
  EXPECT_EQ(queued.sink->code(), base::Code::kDeadlineExceeded);
  EXPECT_THAT(queued.sink->end.status.error().message, HasSubstr("queue"));
}

TEST(DecoderLoop, UnderLoadTheQueueIsBoundedAndSaysWhenToComeBack) {
  LoopUnderTest test({.loop = {.scheduler = {.step_tokens_max = 64, .sequences_max = 2, .batch_sequences_max = 1}},
                      .admission = {.queue_max = 8, .sequences_max = 2}});
  int refused = 0;
  for (std::uint64_t i = 0; i < 200; ++i) {
    const Submitted made = test.Submit(Request(PromptOf(50, i), 40));
    if (made.sink->ends == 1) {
      ++refused;
      EXPECT_EQ(made.sink->code(), base::Code::kResourceExhausted);
      EXPECT_EQ(made.sink->end.status.error().reason, "queue_full");
      EXPECT_GE(made.sink->end.status.error().retry_after, kRetryAfterMin);
    }
    if (i % 4 == 0) test.Step();
    EXPECT_LE(test.admission().queued(), 8U);
  }
  EXPECT_GT(refused, 100);
  test.RunUntilIdle();
}

TEST(DecoderLoop, GaugesSayThatEverythingIsBackAlsoAfterTheLastOneWasCancelled) {
  LoopUnderTest test;
  Submitted made = test.Submit(Request(PromptOf(3000, 1), 10));
  ASSERT_TRUE(test.Step());
  EXPECT_THAT(test.metrics(), HasSubstr(R"(loquat_engine_running_sequences{model="fake"} 1)"));
  EXPECT_GT(test.admission().ExpectedWait(base::Priority::kInteractive), base::Duration::zero());
  made.cancel.Cancel();
  EXPECT_FALSE(test.Step());
  EXPECT_EQ(made.sink->code(), base::Code::kCancelled);
  EXPECT_THAT(test.metrics(), HasSubstr(R"(loquat_engine_kv_pages{model="fake",state="in_use"} 0)"));
  EXPECT_THAT(test.metrics(), HasSubstr(R"(loquat_engine_running_sequences{model="fake"} 0)"));
  EXPECT_EQ(test.admission().ExpectedWait(base::Priority::kInteractive), base::Duration::zero());
}

TEST(DecoderLoop, MeasuresWhatAnSloNeeds) {
  LoopUnderTest test;
  test.Submit(Request(PromptOf(100, 1), 10));
  test.RunUntilIdle();
  const std::string text = test.metrics();
  for (const std::string_view line : {
           R"(loquat_engine_first_token_seconds_count{model="fake"} 1)",
           R"(loquat_engine_inter_token_seconds_count{model="fake"} 9)",
           R"(loquat_engine_generation_seconds_count{model="fake"} 1)",
           R"(loquat_engine_queue_wait_seconds_count{model="fake",lane="interactive"} 1)",
           R"(loquat_engine_tokens_total{model="fake",phase="prefill"} 100)",
           R"(loquat_engine_tokens_total{model="fake",phase="decode"} 9)",
           R"(loquat_engine_requests_total{model="fake",end="length"} 1)",
           R"(loquat_engine_kv_pages{model="fake",state="total"} 1024)",
           R"(loquat_engine_step_seconds_count{model="fake"} 10)",
       }) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

}  // namespace
}  // namespace loquat::engine
