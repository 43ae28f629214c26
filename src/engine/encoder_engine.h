// The engine for encoder models in this process: checks and admits requests on the caller's thread, hands them to a
// thread of its own through a bounded channel, and runs the EncoderLoop there until it is destroyed.
// Thread-safe. Registry, clock and the workspace's thread team outlive it; the model is shared.

#pragma once

#include <cstdint>
#include <memory>

#include "engine/admission.h"
#include "engine/encoder_loop.h"
#include "engine/engine.h"
#include "engine/engine_metrics.h"
#include "engine/loop_thread.h"
#include "observe/metrics.h"

namespace loquat::engine {

struct EncoderEngineOptions {
  EncoderLoopOptions loop;
  std::uint32_t queue_max = 1024;  // Requests that are not done, in each lane.
  std::uint64_t queue_tokens_max = std::uint64_t{1} << 22;
  int niceness = 0;                                     // Of the loop's thread, see base::LowerThisThread.
  base::Duration stall_max = std::chrono::seconds(30);  // A loop that takes longer for a step is not healthy.
};

class EncoderEngine final : public Engine {
 public:
  // `info` comes with name and tokenizer; the rest is filled in here. The workspace was made for
  // options.loop.batch_tokens_max tokens. Fails when a text as long as the context would not fit into a batch.
  static base::Result<std::unique_ptr<EncoderEngine>> Create(ModelInfo info,
                                                             std::shared_ptr<const model::EncoderModel> model,
                                                             std::unique_ptr<model::EncoderModel::Workspace> workspace,
                                                             const EncoderEngineOptions& options,
                                                             observe::Registry& registry, const base::Clock& clock);

  const ModelInfo& info() const override { return info_; }
  // Always kUnimplemented.
  base::Result<GenerationHandle> Generate(const base::CallContext& call, GenerateRequest request,
                                          std::shared_ptr<GenerationSink> sink) override;
  base::Status Encode(const base::CallContext& call, EncodeRequest request, EncodeDone done) override;
  base::Status Health() const override { return thread_.Health(); }
  EngineStats Stats() const override { return {.queued = admission_.queued()}; }

 private:
  EncoderEngine(ModelInfo info, EncoderParts parts, const EncoderEngineOptions& options, observe::Registry& registry,
                const base::Clock& clock);
  void PublishStats();

  // Constant after construction.
  const ModelInfo info_;
  const base::Clock& clock_;

  // Thread-safe.
  EngineMetrics metrics_;
  Admission admission_;

  EncoderLoop loop_;  // Of thread_ alone.
  LoopThread<EncodeJob, EncoderLoop> thread_;
};

}  // namespace loquat::engine
