// The engine for decoder models in this process: checks and admits requests on the caller's thread, hands them to a
// thread of its own through a bounded channel, and runs the DecoderLoop there until it is destroyed.
// Thread-safe. Registry, clock and the workspace's thread team outlive it; model and texts are shared.

#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "engine/admission.h"
#include "engine/decoder_loop.h"
#include "engine/engine.h"
#include "engine/engine_metrics.h"
#include "engine/generation.h"
#include "engine/loop_thread.h"
#include "observe/metrics.h"

namespace loquat::engine {

struct DecoderEngineOptions {
  std::size_t kv_bytes = std::size_t{1} << 30;  // For keys and values of all sequences and of what stays cached.
  std::uint32_t context = 0;                    // Longest sequence. Zero: the model's, or what kv_bytes hold if less.
  LoopOptions loop;
  std::uint32_t queue_max = 256;  // Requests that wait, in each lane.
  std::uint64_t queue_tokens_max = std::uint64_t{1} << 21;
  int niceness = 0;                                     // Of the loop's thread, see base::LowerThisThread.
  base::Duration stall_max = std::chrono::seconds(30);  // A loop that takes longer for a step is not healthy.
};

class DecoderEngine final : public Engine {
 public:
  // `info` comes with name, tokenizer and template; the rest is filled in here. The workspace was made for
  // options.loop.scheduler.step_tokens_max tokens. Fails when the memory does not hold one sequence of the context.
  static base::Result<std::unique_ptr<DecoderEngine>> Create(ModelInfo info,
                                                             std::shared_ptr<const model::DecoderModel> model,
                                                             std::unique_ptr<model::DecoderModel::Workspace> workspace,
                                                             std::shared_ptr<const TokenTextMaker> texts,
                                                             const DecoderEngineOptions& options,
                                                             observe::Registry& registry, const base::Clock& clock);

  const ModelInfo& info() const override { return info_; }
  base::Result<GenerationHandle> Generate(const base::CallContext& call, GenerateRequest request,
                                          std::shared_ptr<GenerationSink> sink) override;
  // Always kUnimplemented.
  base::Status Encode(const base::CallContext& call, EncodeRequest request, EncodeDone done) override;
  base::Status Health() const override;
  EngineStats Stats() const override;

 private:
  DecoderEngine(ModelInfo info, DecoderParts parts, const DecoderEngineOptions& options, observe::Registry& registry,
                const base::Clock& clock);
  void PublishStats();

  // Constant after construction.
  const ModelInfo info_;
  const GenerateLimits limits_;
  const std::shared_ptr<const TokenTextMaker> texts_;
  const base::Clock& clock_;

  // Thread-safe.
  EngineMetrics metrics_;
  DecoderMetrics decoder_metrics_;
  Admission admission_;
  // Relaxed: a snapshot for people, each number for itself.
  std::atomic<std::uint32_t> running_{0}, pages_used_{0}, pages_cached_{0};
  const std::uint32_t pages_all_;

  DecoderLoop loop_;  // Of thread_ alone.
  LoopThread<Generation, DecoderLoop> thread_;
};

}  // namespace loquat::engine
