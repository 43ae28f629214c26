// The loops with real models of random weights, on every tier of kernels that this machine has: whatever else is in the
// batch, however a prompt is cut, whoever is preempted or shares a prefix, a request gets the same bits as alone. And a
// step of the steady state allocates nothing.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "base/allocation_counter.h"
#include "engine/encoder_loop.h"
#include "engine/loop_test_support.h"
#include "model/arch/load.h"
#include "model/arch/test_model.h"

namespace loquat::engine {
namespace {

using kernels::Isa;
using kernels::WeightType;
using std::chrono::milliseconds;

constexpr std::uint64_t kSeed = 20261121;
constexpr std::uint32_t kContext = 320;

struct RealOptions {
  std::uint32_t pages = 200;
  std::uint32_t step_tokens_max = 256;
  std::uint32_t sequences_max = 16;
  unsigned threads = 1;
  bool drafts = false;
};

// A loop on a manual clock, stepped by the test.
class RealLoop {
 public:
  RealLoop(std::shared_ptr<const model::DecoderModel> model, const RealOptions& options)
      : vocabulary_(model->config().vocabulary),
        team_({.threads = options.threads}),
        admission_({.sequences_max = options.sequences_max}, clock_),
        metrics_(registry_, "real"),
        decoder_metrics_(registry_, "real"),
        loop_(Parts(std::move(model), options), LoopOptionsOf(options), admission_, metrics_, decoder_metrics_,
              clock_) {}
  ~RealLoop() { loop_.EndAll(base::Unavailable("the test ends")); }

  base::CancelSource Submit(GenerateRequest request, std::shared_ptr<GenerationSink> sink,
                            base::Priority priority = base::Priority::kInteractive) {
    base::CancelSource cancel;
    base::CallContext call;
    call.cancel = cancel.token();
    call.priority = priority;
    auto made = Generation::Create(call, std::move(request), std::move(sink),
                                   {.context = kContext, .vocabulary = vocabulary_}, texts_, clock_.Now());
    EXPECT_TRUE(made.has_value()) << made.error().message;
    EXPECT_TRUE(admission_.Enter((*made)->work, {}).has_value());
    loop_.Take(*std::move(made));
    return cancel;
  }
  bool Step() {
    clock_.Advance(milliseconds(1));
    return loop_.Step();
  }
  void RunUntilIdle() {
    while (Step()) {
    }
  }
  const DecoderLoop& loop() const { return loop_; }
  DecoderMetrics& metrics() { return decoder_metrics_; }

 private:
  static LoopOptions LoopOptionsOf(const RealOptions& options) {
    return {.scheduler = {.step_tokens_max = options.step_tokens_max,
                          .sequences_max = options.sequences_max,
                          .batch_sequences_max = options.sequences_max},
            .speculation = {.mode = options.drafts ? SpeculationMode::kAuto : SpeculationMode::kOff}};
  }
  DecoderParts Parts(std::shared_ptr<const model::DecoderModel> model, const RealOptions& options) {
    const std::size_t page_bytes = model->kv_layout().page_bytes();
    auto workspace = model->NewWorkspace(options.step_tokens_max, team_);
    return {.model = std::move(model),
            .workspace = std::move(workspace),
            .texts = std::make_shared<FakeTexts>(),
            .pages = *KvPages::Create(page_bytes, options.pages * page_bytes)};
  }

  const std::uint32_t vocabulary_;
  base::ManualClock clock_;
  observe::Registry registry_;
  FakeTexts texts_;
  kernels::ThreadTeam team_;
  Admission admission_;
  EngineMetrics metrics_;
  DecoderMetrics decoder_metrics_;
  DecoderLoop loop_;
};

std::shared_ptr<const model::DecoderModel> Decoder(model::Architecture architecture, WeightType type, Isa isa) {
  const model::TestModel made = model::RandomDecoder(architecture, type, kSeed);
  auto loaded = model::LoadDecoder(made.config, made.weights, isa);
  EXPECT_TRUE(loaded.has_value()) << loaded.error().message;
  return std::move(loaded).value();
}

GenerateRequest RandomRequest(base::Random& random, std::span<const TokenId> system, std::uint32_t vocabulary) {
  GenerateRequest request;
  if (random.Chance(0.7)) request.prompt.assign(system.begin(), system.begin() + random.Between(1, 80));
  const auto own = PromptOf(1 + random.Below(60), random.Next(), vocabulary);
  request.prompt.insert(request.prompt.end(), own.begin(), own.end());
  request.tokens_max = static_cast<std::uint32_t>(1 + random.Below(24));
  request.ignore_eos = true;
  request.sampling.seed = random.Next();
  if (random.Chance(0.3)) {
    request.sampling.temperature = 0;
  } else {
    request.choices = static_cast<std::uint32_t>(1 + random.Below(3));
    if (random.Chance(0.5)) request.sampling.top_p = 0.9F;
  }
  if (random.Chance(0.5)) request.session = "session " + std::to_string(random.Below(3));
  request.top_logprobs = 4;  // Bits of the logits, seen from outside.
  return request;
}

// The order of deltas of several choices is the batch's; each choice's own is not.
struct BitsSink final : GenerationSink {
  bool OnDelta(const Delta& delta) override {
    auto& own = bits[delta.choice];
    for (const TokenLogprob& each : delta.logprobs) {
      std::uint32_t logprob = 0;
      std::memcpy(&logprob, &each.logprob, sizeof logprob);
      own.emplace_back(each.token, logprob);
    }
    return true;
  }
  void OnEnd(const GenerationEnd& end) override { ok = end.status.has_value(); }
  std::map<std::uint32_t, std::vector<std::pair<TokenId, std::uint32_t>>> bits;  // [choice][token, alternative]
  bool ok = false;
};

class EveryTier : public ::testing::TestWithParam<Isa> {
 protected:
  void SetUp() override {
    if (!kernels::Supports(GetParam())) GTEST_SKIP() << "this machine lacks " << kernels::IsaName(GetParam());
  }
};

TEST_P(EveryTier, ARequestGetsTheSameBitsInAnyBatchAsAlone) {
  constexpr std::pair<model::Architecture, WeightType> kModels[] = {
      {model::Architecture::kLlama, WeightType::kF32},
      {model::Architecture::kQwen2, WeightType::kQ8_0},
      {model::Architecture::kQwen3, WeightType::kBF16},
      {model::Architecture::kChatGlm, WeightType::kQ4_K},
  };
  std::uint64_t preempted = 0;
  for (const auto& [architecture, type] : kModels) {
    const auto decoder = Decoder(architecture, type, GetParam());
    const std::uint32_t vocabulary = decoder->config().vocabulary;
    base::Random random(kSeed + static_cast<std::uint64_t>(architecture));
    SCOPED_TRACE(kSeed + static_cast<std::uint64_t>(architecture));
    const auto system = PromptOf(100, 1, vocabulary);
    std::vector<GenerateRequest> requests;
    std::vector<std::shared_ptr<BitsSink>> sinks;
    {
      // Pages for about a third of them: they wait, are preempted and come back.
      RealLoop together(decoder, {.pages = 16, .step_tokens_max = 48, .sequences_max = 8, .threads = 3});
      for (int step = 0; requests.size() < 14 || step < 40; ++step) {
        if (requests.size() < 14 && random.Chance(0.6)) {
          requests.push_back(RandomRequest(random, system, vocabulary));
          sinks.push_back(std::make_shared<BitsSink>());
          together.Submit(requests.back(), sinks.back(),
                          random.Chance(0.4) ? base::Priority::kBatch : base::Priority::kInteractive);
        }
        // Others come and go.
        if (random.Chance(0.1)) {
          together.Submit(RandomRequest(random, system, vocabulary), std::make_shared<BitsSink>()).Cancel();
        }
        together.Step();
      }
      together.RunUntilIdle();
      EXPECT_EQ(together.loop().Stats().kv_pages_used, 0U);
      preempted += together.metrics().preemptions.value();
      EXPECT_GT(together.metrics().prefix_hit_tokens.value(), 0U);
    }
    for (std::size_t i = 0; i < requests.size(); ++i) {
      RealLoop alone(decoder, {});
      const auto sink = std::make_shared<BitsSink>();
      alone.Submit(requests[i], sink);
      alone.RunUntilIdle();
      ASSERT_TRUE(sink->ok);
      ASSERT_TRUE(sinks[i]->ok);
      EXPECT_EQ(sinks[i]->bits, sink->bits) << "request " << i;
    }
  }
  EXPECT_GT(preempted, 0U) << "the pool was too large to show anything";
}

TEST_P(EveryTier, ARequestGetsTheSameBitsWithDraftsAsWithout) {
  constexpr std::pair<model::Architecture, WeightType> kModels[] = {{model::Architecture::kLlama, WeightType::kF32},
                                                                    {model::Architecture::kLlama, WeightType::kQ4_0},
                                                                    {model::Architecture::kQwen2, WeightType::kQ8_0},
                                                                    {model::Architecture::kQwen3, WeightType::kBF16},
                                                                    {model::Architecture::kChatGlm, WeightType::kQ4_K}};
  std::uint64_t rejected = 0;
  for (const auto& [architecture, type] : kModels) {
    const auto decoder = Decoder(architecture, type, GetParam());
    const std::uint32_t vocabulary = decoder->config().vocabulary;
    base::Random random(kSeed + static_cast<std::uint64_t>(type));
    SCOPED_TRACE(kSeed + static_cast<std::uint64_t>(type));
    std::vector<GenerateRequest> requests;
    for (int i = 0; i < 8; ++i) {
      GenerateRequest& request = requests.emplace_back();
      // What is repeated is guessed at; that it is seldom the answer is as well, for guesses that are wrong.
      const auto run = PromptOf(1 + random.Below(12), random.Next(), vocabulary);
      while (request.prompt.size() < 60) request.prompt.insert(request.prompt.end(), run.begin(), run.end());
      request.tokens_max = static_cast<std::uint32_t>(40 + random.Below(160));
      request.ignore_eos = true;
      request.top_logprobs = 4;
      request.sampling.seed = random.Next();
      request.sampling.temperature = i % 2 == 0 ? 0.0F : i % 4 == 1 ? 3.0F : 10.0F;
      if (i % 3 == 0) request.sampling.frequency_penalty = 2;
    }
    std::vector<std::shared_ptr<BitsSink>> sinks;
    RealLoop together(decoder, {.pages = 30, .step_tokens_max = 64, .sequences_max = 8, .threads = 2, .drafts = true});
    for (const GenerateRequest& request : requests) {
      sinks.push_back(std::make_shared<BitsSink>());
      together.Submit(request, sinks.back());
      together.Step();
    }
    together.RunUntilIdle();
    EXPECT_GT(together.metrics().accepted_tokens.value(), 40U);
    rejected += together.metrics().drafted_tokens.value() - together.metrics().accepted_tokens.value();
    for (std::size_t i = 0; i < requests.size(); ++i) {
      RealLoop alone(decoder, {});
      const auto sink = std::make_shared<BitsSink>();
      alone.Submit(requests[i], sink);
      alone.RunUntilIdle();
      EXPECT_EQ(alone.metrics().drafted_tokens.value(), 0U);
      ASSERT_TRUE(sink->ok && sinks[i]->ok);
      EXPECT_EQ(sinks[i]->bits, sink->bits) << "request " << i;
    }
  }
  EXPECT_GT(rejected, 100U) << "all drafts were right: nothing shows what becomes of the others";
}

TEST_P(EveryTier, ATextGetsTheSameVectorInAnyBatchAsAlone) {
  const model::TestModel made = model::RandomEncoder(WeightType::kQ8_0, kSeed, {});
  const model::ModelConfig& config = made.config;
  auto loaded = model::LoadEncoder(config, made.weights, GetParam());
  ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
  const std::shared_ptr<const model::EncoderModel> encoder = std::move(loaded).value();
  base::Random random(kSeed);
  std::vector<std::vector<TokenId>> texts;
  for (int i = 0; i < 24; ++i) {
    texts.push_back(model::RandomTokens(random, 1 + random.Below(90), config.vocabulary));
  }

  const auto rows_of = [&](std::uint32_t batch_tokens, unsigned threads, std::size_t texts_a_job) {
    base::ManualClock clock;
    observe::Registry registry;
    kernels::ThreadTeam team({.threads = threads});
    Admission admission({.queue_max = 64, .sequences_max = 1}, clock);
    EngineMetrics metrics(registry, "encoder");
    EncoderLoop loop({.model = encoder, .workspace = encoder->NewWorkspace(batch_tokens, team)},
                     {.batch_tokens_max = batch_tokens}, admission, metrics, EncodeTokens(registry, "encoder"), clock);
    const ModelInfo info{.context = config.context, .vocabulary = config.vocabulary, .can_embed = true};
    std::vector<std::vector<float>> rows(texts.size());
    for (std::size_t at = 0; at < texts.size(); at += texts_a_job) {
      const std::size_t count = std::min(texts_a_job, texts.size() - at);
      EncodeRequest request;
      request.texts.assign(texts.begin() + static_cast<std::ptrdiff_t>(at),
                           texts.begin() + static_cast<std::ptrdiff_t>(at + count));
      auto job = EncodeJob::Create(
          {}, std::move(request),
          [&rows, at](base::Result<EncodeResult> result) {
            ASSERT_TRUE(result.has_value()) << result.error().message;
            std::move(result->rows.begin(), result->rows.end(), rows.begin() + static_cast<std::ptrdiff_t>(at));
          },
          info, clock.Now());
      EXPECT_TRUE(job.has_value()) << job.error().message;
      EXPECT_TRUE(admission.Enter((*job)->work, {}).has_value());
      loop.Take(*std::move(job));
      // One text a job: each is computed before the next one comes.
      if (texts_a_job == 1) loop.Step();
    }
    while (loop.Step()) {
    }
    return rows;
  };

  const auto alone = rows_of(config.context, 1, 1);
  for (const std::size_t texts_a_job : {3UL, 24UL}) {
    const auto together = rows_of(config.context + 77, 3, texts_a_job);
    for (std::size_t i = 0; i < texts.size(); ++i) {
      ASSERT_EQ(together[i].size(), config.width);
      EXPECT_EQ(std::memcmp(together[i].data(), alone[i].data(), alone[i].size() * sizeof(float)), 0) << "text " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Tiers, EveryTier, ::testing::ValuesIn(kernels::kIsas),
                         [](const auto& info) { return std::string(kernels::IsaName(info.param)); });

// Counts, and allocates nothing itself.
struct CountingSink final : GenerationSink {
  bool OnDelta(const Delta& delta) override {
    tokens += delta.tokens.size();
    return true;
  }
  void OnEnd(const GenerationEnd&) override { ended = true; }
  std::size_t tokens = 0;
  bool ended = false;
};

TEST(RealDecoder, AStepOfTheSteadyStateAllocatesNothingWithDraftsEither) {
  const auto decoder = Decoder(model::Architecture::kLlama, WeightType::kQ8_0, kernels::DetectIsa());
  RealLoop loop(decoder, {.step_tokens_max = 64, .sequences_max = 4, .threads = 2, .drafts = true});
  std::vector<std::shared_ptr<CountingSink>> sinks;
  for (TokenId i = 0; i < 4; ++i) {
    sinks.push_back(std::make_shared<CountingSink>());
    loop.Submit({.prompt = std::vector<TokenId>(30, 5 + i),
                 .sampling = {.temperature = 0},
                 .tokens_max = 250,
                 .ignore_eos = true},
                sinks.back());
  }
  while (sinks.back()->tokens < 8) ASSERT_TRUE(loop.Step());
  const std::uint64_t accepted = loop.metrics().accepted_tokens.value();
  const std::uint64_t before = base::AllocationsOfThisThread();
  while (sinks.front()->tokens < 200) ASSERT_TRUE(loop.Step());  // Over several page borders.
  EXPECT_EQ(base::AllocationsOfThisThread() - before, 0U);
  EXPECT_GT(loop.metrics().accepted_tokens.value(), accepted);
}

TEST(RealDecoder, AStepOfTheSteadyStateAllocatesNothing) {
  const auto decoder = Decoder(model::Architecture::kLlama, WeightType::kQ8_0, kernels::DetectIsa());
  const std::uint32_t vocabulary = decoder->config().vocabulary;
  RealLoop loop(decoder, {.pages = 100, .step_tokens_max = 64, .sequences_max = 8, .threads = 2});
  std::vector<std::shared_ptr<CountingSink>> sinks;
  for (std::uint64_t i = 0; i < 5; ++i) {
    GenerateRequest request{.prompt = PromptOf(20 + 10 * i, i, vocabulary), .tokens_max = 200, .ignore_eos = true};
    request.sampling.seed = i;
    if (i == 1) request.sampling.top_k = 20;
    if (i == 2) request.sampling = {.typical_p = 0.9F, .top_p = 0.9F, .min_p = 0.01F, .seed = i};
    if (i == 3) request.sampling = {.repetition_penalty = 1.1F, .presence_penalty = 0.5F, .no_repeat_ngram = 4};
    if (i == 4) {
      request.stop = {"never said", "nor this"};
      request.top_logprobs = 5;
    }
    sinks.push_back(std::make_shared<CountingSink>());
    loop.Submit(std::move(request), sinks.back());
  }
  while (sinks.back()->tokens < 8) ASSERT_TRUE(loop.Step());
  const std::size_t before_tokens = sinks.front()->tokens;
  const std::uint64_t before = base::AllocationsOfThisThread();
  // Over several page borders.
  for (int i = 0; i < 120; ++i) ASSERT_TRUE(loop.Step());
  EXPECT_EQ(base::AllocationsOfThisThread() - before, 0U);
  EXPECT_EQ(sinks.front()->tokens, before_tokens + 120);
}

}  // namespace
}  // namespace loquat::engine
