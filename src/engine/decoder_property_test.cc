// Random arrivals, cancels, disconnects, deadlines and poisoned prompts on a pool that is too small for all: whatever
// comes, every page goes back, every client is answered once, and whoever gets an answer gets the one that they would
// have got alone.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/loop_test_support.h"

namespace loquat::engine {
namespace {

using std::chrono::milliseconds;

struct Client {
  GenerateRequest request;
  Submitted made;
  bool poisoned = false;
};

GenerateRequest RandomRequest(base::Random& random, const std::vector<std::vector<TokenId>>& systems, bool& poisoned) {
  GenerateRequest request;
  if (random.Chance(0.6)) {
    request.prompt = systems[random.Below(systems.size())];
    request.prompt.resize(1 + random.Below(request.prompt.size()));
  }
  const auto own = PromptOf(1 + random.Below(random.Chance(0.1) ? 300 : 40), random.Next());
  request.prompt.insert(request.prompt.end(), own.begin(), own.end());
  poisoned = random.Chance(0.03);
  if (poisoned) request.prompt[random.Below(request.prompt.size())] = kPoisonToken;
  request.tokens_max = static_cast<std::uint32_t>(1 + random.Below(60));
  request.ignore_eos = random.Chance(0.5);
  request.sampling.seed = random.Next();
  request.sampling.temperature = random.Chance(0.3) ? 0.0F : 1.5F;
  if (!request.sampling.greedy()) {
    if (random.Chance(0.3)) request.choices = static_cast<std::uint32_t>(2 + random.Below(4));
    if (random.Chance(0.3)) request.sampling.top_k = 10;
    if (random.Chance(0.3)) request.sampling.top_p = 0.8F;
  }
  if (random.Chance(0.2)) request.sampling.repetition_penalty = 1.2F;
  if (random.Chance(0.2)) request.sampling.no_repeat_ngram = 2;
  if (random.Chance(0.3)) request.stop = {FakeText(static_cast<TokenId>(2 + random.Below(62))) + "a", "zzz"};
  if (random.Chance(0.3)) request.session = "session " + std::to_string(random.Below(6));
  if (random.Chance(0.2)) request.top_logprobs = static_cast<std::uint32_t>(random.Below(4));
  return request;
}

constexpr float kHabit = 1000;  // Where there are drafts: answers run in circles, and now and then out of them.

// What the client would have got with the engine to themselves, a token a step.
std::shared_ptr<RecordingSink> Alone(const GenerateRequest& request, bool drafts) {
  LoopUnderTest::Options options;
  if (drafts) options.habit = kHabit;
  LoopUnderTest test(options);
  const Submitted made = test.Submit(request);
  test.RunUntilIdle();
  return made.sink;
}

void ExpectAnsweredOnce(const Client& client, bool drafts) {
  const RecordingSink& sink = *client.made.sink;
  ASSERT_EQ(sink.ends, 1);
  if (sink.end.status.has_value()) {
    EXPECT_FALSE(client.poisoned);
    EXPECT_EQ(sink.finishes.size(), client.request.choices);
    const auto alone = Alone(client.request, drafts);
    EXPECT_EQ(sink.tokens, alone->tokens);
    EXPECT_EQ(sink.text, alone->text);
    EXPECT_EQ(sink.finishes, alone->finishes);
    return;
  }
  switch (sink.end.status.error().code) {
    case base::Code::kCancelled:
      EXPECT_TRUE(client.made.cancel.cancelled() || sink.gone_after != SIZE_MAX);
      break;
    case base::Code::kInternal:
      EXPECT_TRUE(client.poisoned);
      break;
    case base::Code::kFailedPrecondition:
      EXPECT_GT(client.request.sampling.no_repeat_ngram, 0U);
      break;
    case base::Code::kDeadlineExceeded:
    case base::Code::kResourceExhausted:
      break;
    default:
      ADD_FAILURE() << sink.end.status.error().message;
  }
}

// The tokens of drafts that were accepted.
std::uint64_t Play(std::uint64_t seed, bool drafts) {
  SCOPED_TRACE(seed);
  base::Random random(seed);
  LoopUnderTest::Options options;
  options.pages = static_cast<std::uint32_t>(24 + random.Below(60));
  options.context = 700;
  options.loop.scheduler.sequences_max = static_cast<std::uint32_t>(6 + random.Below(20));
  options.loop.scheduler.batch_sequences_max = options.loop.scheduler.sequences_max / 2;
  options.loop.scheduler.step_tokens_max = static_cast<std::uint32_t>(32 + random.Below(200));
  options.admission.sequences_max = options.loop.scheduler.sequences_max;
  options.admission.queue_max = 40;
  options.drafts = drafts;
  if (drafts) options.habit = kHabit;
  std::vector<std::vector<TokenId>> systems;
  for (int i = 0; i < 3; ++i) systems.push_back(PromptOf(50 + random.Below(150), random.Next()));

  std::vector<Client> clients;
  std::size_t ok = 0;
  std::uint64_t accepted = 0;
  {
    LoopUnderTest test(options);
    for (int step = 0; step < 400; ++step) {
      while (random.Chance(0.25)) {
        Client& client = clients.emplace_back();
        client.request = RandomRequest(random, systems, client.poisoned);
        const base::Deadline deadline = random.Chance(0.2)
                                            ? base::Deadline::After(test.clock(), milliseconds(random.Between(0, 150)))
                                            : base::Deadline();
        client.made = test.Submit(client.request, deadline,
                                  random.Chance(0.3) ? base::Priority::kBatch : base::Priority::kInteractive);
        if (random.Chance(0.1)) client.made.sink->gone_after = 1 + random.Below(20);
      }
      if (!clients.empty() && random.Chance(0.05)) clients[random.Below(clients.size())].made.cancel.Cancel();
      test.Step();
    }
    test.RunUntilIdle();
    EXPECT_EQ(test.loop().Stats().kv_pages_used, 0U);
    EXPECT_EQ(test.loop().Stats().running, 0U);
    EXPECT_EQ(test.admission().queued(), 0U);
    accepted = test.accepted();
  }
  for (const Client& client : clients) {
    ExpectAnsweredOnce(client, drafts);
    ok += client.made.sink->ok() ? 1 : 0;
  }
  EXPECT_GT(ok, clients.size() / 3);
  return accepted;
}

TEST(DecoderLoopProperty, EveryPageReturnsEveryClientIsAnsweredOnceAndTokensEqualTheSoloRun) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) EXPECT_EQ(Play(seed, false), 0U);
}

TEST(DecoderLoopProperty, SoItIsWhereDraftsAreVerified) {
  std::uint64_t accepted = 0;
  for (std::uint64_t seed = 101; seed <= 140; ++seed) accepted += Play(seed, true);
  EXPECT_GT(accepted, 1000U);
}

}  // namespace
}  // namespace loquat::engine
