// What the engine's thread does: takes generations in, lets the scheduler form a batch, runs the model on it, draws a
// token for each sequence that is ready for one, and tells the sinks. One Step is one forward pass. Everything that
// changes is owned here and touched by one thread, so a test may call Step itself.
//
// A sequence that repeats itself goes into the step with a draft of its next tokens (drafter.h). Each token is drawn as
// ever, from the logits after the tokens before it; while it is the one that the draft has there, the next one's logits
// are there too, and it is drawn in the same step. So drafts change when tokens come, and never which.
//
// A generation that fails, is cancelled or runs out of time ends between two steps, and its pages go back; the others
// do not notice. Nobody's tokens depend on who else is in the batch.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "engine/admission.h"
#include "engine/engine_metrics.h"
#include "engine/generation.h"
#include "engine/kv_pages.h"
#include "engine/prefix_index.h"
#include "engine/sampler.h"
#include "engine/scheduler.h"
#include "engine/sequence_pages.h"
#include "engine/speculation_options.h"
#include "model/decoder.h"

namespace loquat::engine {

struct DecoderParts {
  std::shared_ptr<const model::DecoderModel> model;
  std::unique_ptr<model::DecoderModel::Workspace> workspace;  // Made for SchedulerOptions::step_tokens_max tokens.
  std::shared_ptr<const TokenTextMaker> texts;
  std::unique_ptr<KvPages> pages;
};

struct LoopOptions {
  SchedulerOptions scheduler;
  base::Duration decode_stall_max = std::chrono::milliseconds(100);   // How long prompts may hold up a stream's token,
  base::Duration prompt_stall_max = std::chrono::milliseconds(1000);  // and a cancel, or who comes, while none waits.
  SpeculationOptions speculation;
};

class DecoderLoop {
 public:
  // References outlive the loop.
  DecoderLoop(DecoderParts parts, const LoopOptions& options, Admission& admission, EngineMetrics& metrics,
              DecoderMetrics& decoder_metrics, const base::Clock& clock);
  // REQUIRES: idle; see EndAll.
  ~DecoderLoop();

  // Queues it. It has been admitted, and fits into the pool alone.
  void Take(std::unique_ptr<Generation> generation);
  // Ends what is cancelled or late, then computes one batch. False: nothing is left to do.
  bool Step();
  // Ends everything with this error.
  void EndAll(const base::Error& error);

  EngineStats Stats() const;

 private:
  void Sweep(base::TimePoint now);
  void OnAdmitted(const StepPlan& plan, base::TimePoint now);
  void ReserveFor(Choice& choice);
  void GiveDrafts(const StepPlan& plan);
  std::span<const float> Compute(const StepPlan& plan);
  void Report(const StepPlan& plan, base::Duration took);
  std::span<const float> RowsOf(std::size_t item, std::span<const float> logits, std::size_t& row) const;
  void Advance(std::size_t item, const StepPlan& plan, std::span<const float> rows, base::TimePoint now);
  void Fork(Generation& generation);
  base::Status DrawEach(Choice& choice, const base::Result<TokenId>& first, std::span<const float> rows,
                        base::TimePoint now);
  void DrawFirstTokens(const StepPlan& plan, std::span<const float> logits);
  base::Result<TokenId> Sample(Sampler& sampler, const Choice& choice, std::span<const float> row) const;
  base::Status Accept(Choice& choice, const base::Result<TokenId>& drawn, std::span<const float> row,
                      base::TimePoint now);
  void FinishChoice(Choice& choice);
  void End(Generation& generation, base::Status status, base::TimePoint now);
  void DropEnded();
  void PublishGauges();

  // Constant after construction.
  const DecoderParts parts_;
  const LoopOptions options_;
  const std::uint32_t vocabulary_;
  Admission& admission_;
  EngineMetrics& metrics_;
  DecoderMetrics& decoder_metrics_;
  const base::Clock& clock_;

  // The engine's thread only.
  PrefixIndex index_;
  SequencePages pages_;
  Scheduler scheduler_;
  std::vector<Sampler> samplers_;  // One for each thread that draws; the first for what is drawn one by one.
  std::vector<std::unique_ptr<Generation>> generations_;
  std::vector<Generation*> ended_;
  std::uint64_t arrivals_ = 0;
  // Scratch of a step.
  std::vector<model::DecoderSlice> slices_;
  std::vector<std::vector<std::byte*>> page_tables_;
  std::vector<TokenId> draft_runs_;  // The slices of sequences with drafts: last token and draft, end to end.
  std::uint32_t decoded_ = 0;        // Sequences that got their next token,
  std::uint32_t accepted_ = 0;       // and tokens of drafts besides.
  std::vector<std::optional<base::Result<TokenId>>> first_tokens_;  // [item]: drawn by all threads, where it can be.
  std::vector<TokenLogprob> logprobs_;
};

}  // namespace loquat::engine
