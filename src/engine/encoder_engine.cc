#include "engine/encoder_engine.h"

#include <fmt/format.h>

#include <utility>

namespace loquat::engine {

base::Result<std::unique_ptr<EncoderEngine>> EncoderEngine::Create(
    ModelInfo info, std::shared_ptr<const model::EncoderModel> model,
    std::unique_ptr<model::EncoderModel::Workspace> workspace, const EncoderEngineOptions& options,
    observe::Registry& registry, const base::Clock& clock) {
  const model::ModelConfig& config = model->config();
  if (options.loop.batch_tokens_max < config.context) {
    return base::InvalidArgument(
        fmt::format("a batch of {} tokens does not hold one text of {}, which model {} reads; allow larger batches",
                    options.loop.batch_tokens_max, config.context, config.name));
  }
  info.context = config.context;
  info.vocabulary = config.vocabulary;
  info.width = config.width;
  info.labels = config.labels;
  info.token_types = config.token_types;
  info.can_embed = config.pooling != model::Pooling::kNone;
  info.can_label_tokens = config.head == model::BertHead::kTokenClassification;
  info.can_classify = config.head != model::BertHead::kNone && !info.can_label_tokens;
  return std::unique_ptr<EncoderEngine>(new EncoderEngine(
      std::move(info), {.model = std::move(model), .workspace = std::move(workspace)}, options, registry, clock));
}

EncoderEngine::EncoderEngine(ModelInfo info, EncoderParts parts, const EncoderEngineOptions& options,
                             observe::Registry& registry, const base::Clock& clock)
    : info_(std::move(info)),
      clock_(clock),
      metrics_(registry, info_.name),
      admission_({.queue_max = options.queue_max, .queue_tokens_max = options.queue_tokens_max, .sequences_max = 1},
                 clock),
      loop_(std::move(parts), options.loop, admission_, metrics_, EncodeTokens(registry, info_.name), clock),
      // Both lanes full at once still fit.
      thread_(loop_, std::size_t{2} * options.queue_max + 1, options.niceness, options.stall_max, clock,
              [this] { PublishStats(); }) {}

void EncoderEngine::PublishStats() {
  for (const base::Priority lane : {base::Priority::kInteractive, base::Priority::kBatch}) {
    metrics_.queue_depth(lane).Set(admission_.queued(lane));
  }
}

base::Result<GenerationHandle> EncoderEngine::Generate(const base::CallContext&, GenerateRequest,
                                                       std::shared_ptr<GenerationSink>) {
  return base::Error{.code = base::Code::kUnimplemented,
                     .message = fmt::format("model {} encodes texts; it generates none", info_.name)};
}

base::Status EncoderEngine::Encode(const base::CallContext& call, EncodeRequest request, EncodeDone done) {
  auto job = EncodeJob::Create(call, std::move(request), std::move(done), info_, clock_.Now());
  if (!job.has_value()) {
    metrics_.OnRefused(job.error().reason.empty() ? "invalid" : job.error().reason);
    return std::move(job).error();
  }
  const Work work = (*job)->work;
  if (base::Status admitted = admission_.Enter(work, call.deadline); !admitted.has_value()) {
    metrics_.OnRefused(admitted.error().reason);
    return admitted;
  }
  if (!thread_.Post(*std::move(job))) {
    admission_.Leave(work);
    metrics_.OnRefused("stopping");
    return EngineStops();
  }
  return {};
}

}  // namespace loquat::engine
