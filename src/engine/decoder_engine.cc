#include "engine/decoder_engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace loquat::engine {
namespace {

// One page is for the copy of a shared page that is taken before the original is let go.
constexpr std::uint32_t kSparePages = 1;

base::Result<std::uint32_t> ContextOf(const model::ModelConfig& config, const DecoderEngineOptions& options,
                                      const KvPages& pages) {
  if (options.context > config.context) {
    return base::InvalidArgument(fmt::format("a context of {} tokens is more than the {} that model {} was made for",
                                             options.context, config.context, config.name));
  }
  const std::uint64_t held = std::uint64_t{pages.size() > kSparePages ? pages.size() - kSparePages : 0} * kPageTokens;
  if (options.context > held) {
    return base::InvalidArgument(
        fmt::format("{} bytes for keys and values hold {} tokens, less than one context of {}; give more memory or ask "
                    "for a shorter context",
                    options.kv_bytes, held, options.context));
  }
  if (held == 0) {
    return base::InvalidArgument(fmt::format("{} bytes for keys and values hold a single page of {} tokens; give more",
                                             options.kv_bytes, kPageTokens));
  }
  return options.context > 0 ? options.context
                             : static_cast<std::uint32_t>(std::min<std::uint64_t>(config.context, held));
}

}  // namespace

base::Result<std::unique_ptr<DecoderEngine>> DecoderEngine::Create(
    ModelInfo info, std::shared_ptr<const model::DecoderModel> model,
    std::unique_ptr<model::DecoderModel::Workspace> workspace, std::shared_ptr<const TokenTextMaker> texts,
    const DecoderEngineOptions& options, observe::Registry& registry, const base::Clock& clock) {
  DecoderParts parts{.model = std::move(model), .workspace = std::move(workspace), .texts = std::move(texts)};
  LOQUAT_ASSIGN(parts.pages, KvPages::Create(parts.model->kv_layout().page_bytes(), options.kv_bytes));
  const model::ModelConfig& config = parts.model->config();
  LOQUAT_ASSIGN(info.context, ContextOf(config, options, *parts.pages));
  info.vocabulary = config.vocabulary;
  info.width = config.width;
  info.can_generate = true;
  return std::unique_ptr<DecoderEngine>(new DecoderEngine(std::move(info), std::move(parts), options, registry, clock));
}

DecoderEngine::DecoderEngine(ModelInfo info, DecoderParts parts, const DecoderEngineOptions& options,
                             observe::Registry& registry, const base::Clock& clock)
    : info_(std::move(info)),
      limits_{.context = info_.context,
              .vocabulary = info_.vocabulary,
              .choices_max = options.loop.scheduler.sequences_max},
      texts_(parts.texts),
      clock_(clock),
      metrics_(registry, info_.name),
      decoder_metrics_(registry, info_.name),
      admission_({.queue_max = options.queue_max,
                  .queue_tokens_max = options.queue_tokens_max,
                  .sequences_max = options.loop.scheduler.sequences_max},
                 clock),
      pages_all_(parts.pages->size()),
      loop_(std::move(parts), options.loop, admission_, metrics_, decoder_metrics_, clock),
      // Both lanes full at once still fit.
      thread_(loop_, std::size_t{2} * options.queue_max + 1, options.niceness, options.stall_max, clock,
              [this] { PublishStats(); }) {}

void DecoderEngine::PublishStats() {
  const EngineStats stats = loop_.Stats();
  running_.store(stats.running, std::memory_order_relaxed);
  pages_used_.store(stats.kv_pages_used, std::memory_order_relaxed);
  pages_cached_.store(stats.kv_pages_cached, std::memory_order_relaxed);
  for (const base::Priority lane : {base::Priority::kInteractive, base::Priority::kBatch}) {
    metrics_.queue_depth(lane).Set(admission_.queued(lane));
  }
}

base::Result<GenerationHandle> DecoderEngine::Generate(const base::CallContext& call, GenerateRequest request,
                                                       std::shared_ptr<GenerationSink> sink) {
  auto generation = Generation::Create(call, std::move(request), std::move(sink), limits_, *texts_, clock_.Now());
  if (!generation.has_value()) {
    metrics_.OnRefused(generation.error().reason.empty() ? "invalid" : generation.error().reason);
    return std::move(generation).error();
  }
  const Work work = (*generation)->work;
  GenerationHandle handle((*generation)->handle_cancel);
  if (base::Status admitted = admission_.Enter(work, call.deadline); !admitted.has_value()) {
    metrics_.OnRefused(admitted.error().reason);
    return std::move(admitted).error();
  }
  if (!thread_.Post(*std::move(generation))) {
    admission_.Leave(work);
    metrics_.OnRefused("stopping");
    return EngineStops();
  }
  return handle;
}

base::Status DecoderEngine::Encode(const base::CallContext&, EncodeRequest, EncodeDone) {
  return base::Error{.code = base::Code::kUnimplemented,
                     .message = fmt::format("model {} generates text; it gives no embeddings", info_.name)};
}

base::Status DecoderEngine::Health() const {
  return thread_.Health();
}

EngineStats DecoderEngine::Stats() const {
  return {.running = running_.load(std::memory_order_relaxed),
          .queued = admission_.queued(),
          .kv_pages_used = pages_used_.load(std::memory_order_relaxed),
          .kv_pages_cached = pages_cached_.load(std::memory_order_relaxed),
          .kv_pages = pages_all_};
}

}  // namespace loquat::engine
