// The engines with their own threads: many clients at once, cancels and disconnects from other threads, health that
// follows the loop, and an end that leaves nobody without an answer. Made to be run under the thread sanitizer.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <thread>

#include "base/gate.h"
#include "engine/decoder_engine.h"
#include "engine/encoder_engine.h"
#include "engine/fake_decoder.h"
#include "engine/fake_encoder.h"

namespace loquat::engine {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Written on the engine's thread, read by the test after the end was told.
struct WaitingSink final : GenerationSink {
  bool OnDelta(const Delta& delta) override {
    for (const TokenId token : delta.tokens) tokens.push_back(token);
    if (on_delta) on_delta();
    return tokens.size() < gone_after;
  }
  void OnEnd(const GenerationEnd& given) override {
    end = given;
    EXPECT_EQ(++ends, 1);
    ended.count_down();
  }
  std::vector<TokenId> tokens;
  GenerationEnd end;
  std::atomic<int> ends{0};
  std::latch ended{1};
  std::function<void()> on_delta;
  std::size_t gone_after = SIZE_MAX;
};

std::vector<TokenId> Prompt(base::Random& random, std::size_t tokens) {
  std::vector<TokenId> prompt(tokens);
  for (TokenId& token : prompt) token = static_cast<TokenId>(2 + random.Below(62));
  return prompt;
}

class EngineThreads : public ::testing::Test {
 protected:
  std::unique_ptr<DecoderEngine> MakeDecoder(std::uint32_t pages, std::uint32_t queue_max = 256) {
    DecoderEngineOptions options;
    options.kv_bytes = pages * model_->kv_layout().page_bytes();
    options.context = 800;
    options.queue_max = queue_max;
    options.loop.scheduler = {.step_tokens_max = 128, .sequences_max = 16, .batch_sequences_max = 12};
    auto engine = DecoderEngine::Create({.name = "fake"}, model_, FakeDecoder::MakeWorkspace(128),
                                        std::make_shared<FakeTexts>(), options, registry_, clock_);
    EXPECT_TRUE(engine.has_value()) << engine.error().message;
    return *std::move(engine);
  }

  std::shared_ptr<FakeDecoder> model_ = std::make_shared<FakeDecoder>();
  observe::Registry registry_;
  base::SystemClock clock_;
};

TEST_F(EngineThreads, ManyClientsAtOnceAreEachAnsweredOnce) {
  auto engine = MakeDecoder(80);
  constexpr int kClients = 8;
  constexpr int kRequests = 60;
  std::atomic<int> ok{0};
  std::atomic<int> refused{0};
  std::vector<std::thread> clients;
  for (int c = 0; c < kClients; ++c) {
    clients.emplace_back([&, c] {
      base::Random random(static_cast<std::uint64_t>(c) + 1);
      for (int r = 0; r < kRequests; ++r) {
        base::CancelSource cancel;
        base::CallContext call;
        call.cancel = cancel.token();
        call.priority = random.Chance(0.3) ? base::Priority::kBatch : base::Priority::kInteractive;
        if (random.Chance(0.1)) call.deadline = base::Deadline::After(clock_, milliseconds(random.Between(0, 20)));
        auto sink = std::make_shared<WaitingSink>();
        if (random.Chance(0.2)) sink->gone_after = 1 + random.Below(10);
        GenerateRequest request{.prompt = Prompt(random, 1 + random.Below(200)),
                                .sampling = {.seed = random.Next()},
                                .choices = static_cast<std::uint32_t>(1 + random.Below(3)),
                                .tokens_max = static_cast<std::uint32_t>(1 + random.Below(40))};
        auto handle = engine->Generate(call, std::move(request), sink);
        if (!handle.has_value()) {
          ++refused;
          continue;
        }
        switch (random.Below(4)) {
          case 0:
            cancel.Cancel();
            break;
          case 1:
            handle->Cancel();
            break;
          case 2: {
            const GenerationHandle dropped = *std::move(handle);
          } break;
          default:
            break;
        }
        sink->ended.wait();
        ok += sink->end.status.has_value() ? 1 : 0;
        EXPECT_TRUE(engine->Health().has_value());
        static_cast<void>(engine->Stats());
      }
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_GT(ok, 0);
  EXPECT_EQ(model_->faults, 0U);
  engine.reset();  // Checks that every page came back.
}

TEST_F(EngineThreads, DestroyingTheEngineEndsEverythingThatRunsOrWaits) {
  auto engine = MakeDecoder(80);
  base::Random random(1);
  std::vector<std::shared_ptr<WaitingSink>> sinks;
  std::vector<GenerationHandle> handles;
  for (int i = 0; i < 60; ++i) {
    sinks.push_back(std::make_shared<WaitingSink>());
    GenerateRequest request{.prompt = Prompt(random, 50), .tokens_max = 700, .ignore_eos = true};
    auto handle = engine->Generate({}, std::move(request), sinks.back());
    ASSERT_TRUE(handle.has_value());
    handles.push_back(*std::move(handle));
  }
  engine.reset();
  for (const auto& sink : sinks) {
    ASSERT_TRUE(sink->ended.try_wait());
    EXPECT_TRUE(sink->end.status.has_value() || sink->end.status.error().code == base::Code::kUnavailable);
  }
}

TEST_F(EngineThreads, ASinkMayAskForTheNextGenerationAndCancelItsOwn) {
  auto engine = MakeDecoder(80);
  base::Random random(2);
  auto second = std::make_shared<WaitingSink>();
  auto first = std::make_shared<WaitingSink>();
  GenerationHandle mine;
  GenerationHandle theirs;
  std::latch have_handle(1);
  first->on_delta = [&, once = false]() mutable {
    if (std::exchange(once, true)) return;
    have_handle.wait();
    theirs = *engine->Generate({}, {.prompt = {5, 6}, .tokens_max = 3, .ignore_eos = true}, second);
    mine.Cancel();
  };
  mine = *engine->Generate({}, {.prompt = Prompt(random, 20), .tokens_max = 500, .ignore_eos = true}, first);
  have_handle.count_down();
  first->ended.wait();
  second->ended.wait();
  EXPECT_EQ(first->end.status.error().code, base::Code::kCancelled);
  EXPECT_EQ(first->tokens.size(), 1U);
  EXPECT_TRUE(second->end.status.has_value());
}

TEST_F(EngineThreads, UnderLoadMoreIsRefusedAtOnceWithATimeToComeBack) {
  auto engine = MakeDecoder(80, 4);
  std::latch go(1);
  model_->before_step = [&] { go.wait(); };
  base::Random random(3);
  std::vector<std::shared_ptr<WaitingSink>> sinks;
  std::vector<GenerationHandle> handles;
  int refused = 0;
  for (int i = 0; i < 100; ++i) {
    auto sink = std::make_shared<WaitingSink>();
    auto handle = engine->Generate({}, {.prompt = Prompt(random, 20), .tokens_max = 5}, sink);
    if (handle.has_value()) {
      handles.push_back(*std::move(handle));
      sinks.push_back(std::move(sink));
    } else {
      ++refused;
      EXPECT_EQ(handle.error().code, base::Code::kResourceExhausted);
      EXPECT_GE(handle.error().retry_after, kRetryAfterMin);
    }
  }
  // Four wait, and those that the first step took, at most, run.
  EXPECT_GE(refused, 100 - 4 - 16);
  go.count_down();
  for (const auto& sink : sinks) sink->ended.wait();
}

// https://github.com/vllm-project/vllm/issues/39863: /health said 200 while the engine was dead.
TEST_F(EngineThreads, Vllm39863HealthFollowsTheLoop) {
  base::ManualClock clock;
  DecoderEngineOptions options;
  options.kv_bytes = 80 * model_->kv_layout().page_bytes();
  options.stall_max = seconds(30);
  std::latch hangs(1);
  std::latch go(1);
  std::atomic<bool> hang{false};
  model_->before_step = [&] {
    if (!hang.exchange(false)) return;
    hangs.count_down();
    go.wait();
  };
  auto engine = *DecoderEngine::Create({.name = "fake"}, model_, FakeDecoder::MakeWorkspace(512),
                                       std::make_shared<FakeTexts>(), options, registry_, clock);
  EXPECT_TRUE(engine->Health().has_value());
  clock.Advance(seconds(3600));
  // A loop without work is well, once the thread has seen that there is none.
  while (!engine->Health().has_value()) std::this_thread::yield();

  hang = true;
  auto sink = std::make_shared<WaitingSink>();
  auto handle = engine->Generate({}, {.prompt = {5, 6, 7}, .tokens_max = 3}, sink);
  hangs.wait();
  EXPECT_TRUE(engine->Health().has_value());
  clock.Advance(seconds(31));
  const base::Status health = engine->Health();
  EXPECT_EQ(health.has_value() ? "" : health.error().reason, "engine_stalled");
  // More work does not make it look alive.
  auto more = std::make_shared<WaitingSink>();
  auto other = engine->Generate({}, {.prompt = {5, 6, 7}, .tokens_max = 3}, more);
  EXPECT_FALSE(engine->Health().has_value());
  go.count_down();
  sink->ended.wait();
  more->ended.wait();
  EXPECT_TRUE(engine->Health().has_value());
}

TEST_F(EngineThreads, AnEngineSaysWhatItCannotDo) {
  auto decoder = MakeDecoder(80);
  EXPECT_TRUE(decoder->info().can_generate);
  EXPECT_EQ(decoder->Encode({}, {.texts = {{5}}}, [](auto) {}).error().code, base::Code::kUnimplemented);
  auto encoder = *EncoderEngine::Create({.name = "fake"}, std::make_shared<FakeEncoder>(), FakeEncoder::MakeWorkspace(),
                                        {}, registry_, clock_);
  EXPECT_TRUE(encoder->info().can_embed);
  EXPECT_TRUE(encoder->info().can_classify);
  EXPECT_EQ(encoder->Generate({}, {.prompt = {5}}, nullptr).error().code, base::Code::kUnimplemented);
}

TEST_F(EngineThreads, SaysBeforeItStartsThatMemoryDoesNotSuffice) {
  const auto create = [&](std::size_t pages, std::uint32_t context) {
    DecoderEngineOptions options;
    options.kv_bytes = pages * model_->kv_layout().page_bytes();
    options.context = context;
    return DecoderEngine::Create({.name = "fake"}, model_, FakeDecoder::MakeWorkspace(512),
                                 std::make_shared<FakeTexts>(), options, registry_, clock_);
  };
  EXPECT_EQ(create(0, 0).error().code, base::Code::kInvalidArgument);
  EXPECT_EQ(create(1, 0).error().code, base::Code::kInvalidArgument);
  EXPECT_EQ(create(10, 320).error().code, base::Code::kInvalidArgument);  // One page is spare.
  EXPECT_EQ(create(100, 16385).error().code, base::Code::kInvalidArgument);
  EXPECT_EQ((*create(11, 320))->info().context, 320U);
  EXPECT_EQ((*create(11, 0))->info().context, 320U);
  EXPECT_EQ((*create(1024, 0))->info().context, 16384U);

  EncoderEngineOptions small;
  small.loop.batch_tokens_max = 511;
  EXPECT_EQ(EncoderEngine::Create({.name = "fake"}, std::make_shared<FakeEncoder>(), FakeEncoder::MakeWorkspace(),
                                  small, registry_, clock_)
                .error()
                .code,
            base::Code::kInvalidArgument);
}

TEST_F(EngineThreads, EncodersAnswerManyClientsAtOnce) {
  const auto model = std::make_shared<FakeEncoder>();
  auto encoder = *EncoderEngine::Create({.name = "fake"}, model, FakeEncoder::MakeWorkspace(), {}, registry_, clock_);
  std::atomic<int> answered{0};
  std::atomic<int> sent{0};
  std::vector<std::thread> clients;
  for (std::uint64_t c = 0; c < 8; ++c) {
    clients.emplace_back([&, c] {
      base::Random random(c);
      for (int r = 0; r < 100; ++r) {
        EncodeRequest request;
        for (std::uint64_t n = 1 + random.Below(4); n > 0; --n)
          request.texts.push_back(Prompt(random, 1 + random.Below(99)));
        base::CancelSource cancel;
        base::CallContext call;
        call.cancel = cancel.token();
        if (encoder->Encode(call, std::move(request), [&](auto) { ++answered; }).has_value()) ++sent;
        if (random.Chance(0.3)) cancel.Cancel();
      }
    });
  }
  for (std::thread& client : clients) client.join();
  encoder.reset();
  EXPECT_EQ(answered, sent);
  EXPECT_GT(sent, 0);
}

}  // namespace
}  // namespace loquat::engine
