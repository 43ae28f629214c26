// What tests of the decoder's loop share: a sink that writes down what it hears, and a loop on a manual clock with the
// fake model, stepped by the test. One thread.

#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "engine/decoder_loop.h"
#include "engine/fake_decoder.h"

namespace loquat::engine {

struct RecordingSink final : GenerationSink {
  bool OnDelta(const Delta& delta) override {
    EXPECT_EQ(ends, 0) << "nothing follows the end";
    EXPECT_FALSE(finishes.contains(delta.choice)) << "nothing follows a choice's last delta";
    text[delta.choice] += delta.text;
    tokens[delta.choice].insert(tokens[delta.choice].end(), delta.tokens.begin(), delta.tokens.end());
    logprobs.insert(logprobs.end(), delta.logprobs.begin(), delta.logprobs.end());
    if (delta.finish.has_value()) finishes[delta.choice] = *delta.finish;
    ++deltas;
    if (on_delta) on_delta();
    return static_cast<std::size_t>(deltas) < gone_after;
  }
  void OnEnd(const GenerationEnd& given) override {
    ++ends;
    end = given;
  }
  bool ok() const { return ends == 1 && end.status.has_value(); }
  base::Code code() const { return end.status.has_value() ? base::Code::kOk : end.status.error().code; }

  std::map<std::uint32_t, std::string> text;             // [choice]
  std::map<std::uint32_t, std::vector<TokenId>> tokens;  // [choice]
  std::map<std::uint32_t, Finish> finishes;              // [choice]
  std::vector<TokenLogprob> logprobs;
  GenerationEnd end;
  int deltas = 0;
  int ends = 0;
  std::size_t gone_after = SIZE_MAX;  // The client disconnects at this delta.
  std::function<void()> on_delta;
};

struct Submitted {
  std::shared_ptr<RecordingSink> sink;
  base::CancelSource cancel;
};

class LoopUnderTest {
 public:
  struct Options {
    std::uint32_t pages = 1024;
    std::uint32_t vocabulary = 64;
    std::uint32_t context = 16384;
    LoopOptions loop;
    AdmissionOptions admission;
    bool drafts = false;                                        // Most tests count steps, which drafts would change.
    float habit = 0;                                            // The model's.
    base::Duration step_fixed = std::chrono::milliseconds(1);   // What a step takes on the manual clock, and
    base::Duration step_token = std::chrono::microseconds(10);  // more for each token.
  };

  explicit LoopUnderTest(const Options& options)
      : options_(options),
        model_(std::make_shared<FakeDecoder>(options.vocabulary, options.context)),
        admission_(options.admission, clock_),
        metrics_(registry_, "fake"),
        decoder_metrics_(registry_, "fake"),
        loop_(Parts(), LoopOptionsOf(options), admission_, metrics_, decoder_metrics_, clock_) {
    model_->before_step = [this] { clock_.Advance(options_.step_fixed); };
    model_->habit = options.habit;
  }
  LoopUnderTest() : LoopUnderTest(Options{}) {}
  ~LoopUnderTest() {
    EXPECT_EQ(model_->faults.load(), 0U) << "the model read pages that are not its sequence's";
    loop_.EndAll(base::Unavailable("the test ends"));
  }

  // What DecoderEngine::Generate does. An error goes to the sink as the end.
  Submitted Submit(GenerateRequest request, base::Deadline deadline = {},
                   base::Priority priority = base::Priority::kInteractive) {
    Submitted made{.sink = std::make_shared<RecordingSink>(), .cancel = {}};
    base::CallContext call;
    call.deadline = deadline;
    call.priority = priority;
    call.cancel = made.cancel.token();
    const GenerateLimits limits{.context = std::min(options_.context, (options_.pages - 1) * kPageTokens),
                                .vocabulary = options_.vocabulary,
                                .choices_max = options_.loop.scheduler.sequences_max};
    auto generation = Generation::Create(call, std::move(request), made.sink, limits, texts_, clock_.Now());
    base::Status admitted = generation.has_value() ? admission_.Enter((*generation)->work, deadline)
                                                   : base::Status(std::move(generation).error());
    if (admitted.has_value()) {
      loop_.Take(*std::move(generation));
    } else {
      made.sink->OnEnd({.status = std::move(admitted)});
    }
    return made;
  }

  bool Step() {
    const std::uint64_t before = model_->tokens_computed.load();
    const bool worked = loop_.Step();
    clock_.Advance(options_.step_token * static_cast<std::int64_t>(model_->tokens_computed.load() - before));
    return worked;
  }
  void RunUntilIdle(int steps_max = 100'000) {
    while (Step()) {
      ASSERT_GT(--steps_max, 0) << "the loop never comes to rest";
    }
  }

  FakeDecoder& model() { return *model_; }
  base::ManualClock& clock() { return clock_; }
  Admission& admission() { return admission_; }
  DecoderLoop& loop() { return loop_; }
  std::string metrics() const { return registry_.Text(); }
  std::uint64_t drafted() const { return decoder_metrics_.drafted_tokens.value(); }
  std::uint64_t accepted() const { return decoder_metrics_.accepted_tokens.value(); }
  std::uint64_t preemptions() const { return decoder_metrics_.preemptions.value(); }

 private:
  static LoopOptions LoopOptionsOf(const Options& options) {
    LoopOptions loop = options.loop;
    if (!options.drafts) loop.speculation.mode = SpeculationMode::kOff;
    return loop;
  }
  DecoderParts Parts() {
    return {
        .model = model_,
        .workspace = FakeDecoder::MakeWorkspace(options_.loop.scheduler.step_tokens_max),
        .texts = std::make_shared<FakeTexts>(),
        .pages = *KvPages::Create(model_->kv_layout().page_bytes(), options_.pages * model_->kv_layout().page_bytes())};
  }

  const Options options_;
  base::ManualClock clock_;
  observe::Registry registry_;
  FakeTexts texts_;
  std::shared_ptr<FakeDecoder> model_;
  Admission admission_;
  EngineMetrics metrics_;
  DecoderMetrics decoder_metrics_;
  DecoderLoop loop_;
};

inline std::vector<TokenId> PromptOf(std::size_t tokens, std::uint64_t seed, std::uint32_t vocabulary = 64) {
  base::Random random(seed);
  std::vector<TokenId> prompt(tokens);
  for (TokenId& token : prompt) token = static_cast<TokenId>(2 + random.Below(vocabulary - 2));
  return prompt;
}

}  // namespace loquat::engine
