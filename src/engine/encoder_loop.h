// What an encoder engine's thread does: forms batches by token budget, runs the model once for all heads that the batch
// asks for, and hands each request its rows when the last is there. Everything that changes is owned here and touched
// by one thread, so a test may call Step itself. A request that is cancelled, late or broken ends between two steps
// and the others do not notice.

#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/call_context.h"
#include "base/clock.h"
#include "engine/admission.h"
#include "engine/encode_batcher.h"
#include "engine/engine.h"
#include "engine/engine_metrics.h"
#include "model/encoder.h"

namespace loquat::engine {

inline constexpr std::size_t kEncodeTextsMax = 2048;  // Of one request, as OpenAI has it.

struct EncodeJob : EncodeTurns {
  // Checks the request; an error names the text. `call` is copied from, not kept.
  static base::Result<std::unique_ptr<EncodeJob>> Create(const base::CallContext& call, EncodeRequest asked,
                                                         EncodeDone done, const ModelInfo& info, base::TimePoint now);

  EncodeRequest request;
  EncodeDone done;
  base::CancelToken cancel;
  base::Deadline deadline;
  base::TimePoint received_at;
  Work work;
  // Engine thread only.
  EncodeResult result;
  std::uint32_t finished = 0;  // Texts.
  bool started = false;
  bool ended = false;
};

struct EncoderParts {
  std::shared_ptr<const model::EncoderModel> model;
  std::unique_ptr<model::EncoderModel::Workspace> workspace;  // Made for EncoderLoopOptions::batch_tokens_max tokens.
};

struct EncoderLoopOptions {
  std::uint32_t batch_tokens_max = 2048;  // Of all texts of a pass together; at least the longest text allowed.
  std::uint32_t batch_texts_max = 256;
};

class EncoderLoop {
 public:
  // References outlive the loop.
  EncoderLoop(EncoderParts parts, const EncoderLoopOptions& options, Admission& admission, EngineMetrics& metrics,
              observe::Counter& tokens, const base::Clock& clock);
  // REQUIRES: idle; see EndAll.
  ~EncoderLoop();

  // It has been admitted.
  void Take(std::unique_ptr<EncodeJob> job);
  // Ends what is cancelled or late, then computes one batch. False: nothing is left to do.
  bool Step();
  void EndAll(const base::Error& error);

 private:
  void Sweep();
  void Compute(std::span<const EncodeItem> items, base::TimePoint start);
  // Moves the batch's rows to their requests.
  void Deliver(std::span<const EncodeItem> items, std::uint32_t tokens);
  base::Status Keep(EncodeJob& job, std::uint32_t text, std::span<const float> row);
  void End(EncodeJob& job, base::Status status);
  void DropEnded();

  // Constant after construction.
  const EncoderParts parts_;
  const EncoderLoopOptions options_;
  Admission& admission_;
  EngineMetrics& metrics_;
  observe::Counter& tokens_;
  const base::Clock& clock_;

  // The engine's thread only.
  EncodeBatcher batcher_;
  std::vector<std::unique_ptr<EncodeJob>> jobs_;
  std::vector<model::EncoderText> texts_;  // Scratch of a step.
};

}  // namespace loquat::engine
