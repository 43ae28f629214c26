#include "engine/encoder_loop.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/check.h"

namespace loquat::engine {
namespace {

base::Status CheckText(std::span<const TokenId> text, std::size_t i, const ModelInfo& info) {
  const std::string param = fmt::format("/input/{}", i);
  if (text.empty()) return base::InvalidArgument(fmt::format("text {} has no tokens", i), param);
  if (text.size() > info.context) {
    base::Error error = base::InvalidArgument(
        fmt::format("text {} has {} tokens; the model reads at most {}: shorten it, for nothing is cut silently", i,
                    text.size(), info.context),
        param);
    error.reason = "context_length_exceeded";
    return error;
  }
  const auto bad = std::find_if(text.begin(), text.end(), [&](TokenId id) {
    return id < 0 || static_cast<std::uint32_t>(id) >= info.vocabulary;
  });
  if (bad == text.end()) return {};
  return base::InvalidArgument(
      fmt::format("text {} holds token {}; the model's tokens are 0 to {}", i, *bad, info.vocabulary - 1),
      fmt::format("{}/{}", param, bad - text.begin()));
}

base::Status CheckTokenTypes(const EncodeRequest& request, std::uint32_t types) {
  if (request.token_types.empty()) return {};
  bool good = request.token_types.size() == request.texts.size();
  for (std::size_t i = 0; good && i < request.texts.size(); ++i) {
    const auto& given = request.token_types[i];
    good = given.empty() || (given.size() == request.texts[i].size() && std::ranges::all_of(given, [&](auto type) {
                               return type >= 0 && static_cast<std::uint32_t>(type) < types;
                             }));
  }
  if (good) return {};
  return base::InvalidArgument(
      fmt::format("token types are one a token, below {}; or none for a text, or none at all", types), "/token_types");
}

base::Status CheckOutput(EncodeOutput output, const ModelInfo& info) {
  const bool can = output == EncodeOutput::kPooled ? info.can_embed : info.can_classify || info.can_label_tokens;
  if (can) return {};
  return base::FailedPrecondition(fmt::format("model {} gives no {}", info.name,
                                              output == EncodeOutput::kPooled ? "embeddings" : "classification"));
}

// All turns of this module are those of a job.
EncodeJob& JobOf(const EncodeItem& item) {
  return static_cast<EncodeJob&>(*item.turns);
}

}  // namespace

base::Result<std::unique_ptr<EncodeJob>> EncodeJob::Create(const base::CallContext& call, EncodeRequest asked,
                                                           EncodeDone done, const ModelInfo& info,
                                                           base::TimePoint now) {
  if (asked.texts.empty()) return base::InvalidArgument("there is no text to encode", "/input");
  if (asked.texts.size() > kEncodeTextsMax) {
    return base::InvalidArgument(
        fmt::format("{} texts were given; at most {} are allowed in one request", asked.texts.size(), kEncodeTextsMax),
        "/input");
  }
  std::uint64_t tokens = 0;
  for (std::size_t i = 0; i < asked.texts.size(); ++i) {
    LOQUAT_TRY(CheckText(asked.texts[i], i, info));
    tokens += asked.texts[i].size();
  }
  LOQUAT_TRY(CheckTokenTypes(asked, std::max(1U, info.token_types)));
  LOQUAT_TRY(CheckOutput(asked.output, info));
  auto job = std::make_unique<EncodeJob>();
  job->request = std::move(asked);
  job->done = std::move(done);
  job->cancel = call.cancel;
  job->deadline = call.deadline;
  job->received_at = now;
  job->work = {.lane = call.priority, .prompt_tokens = static_cast<std::uint32_t>(tokens)};
  job->lane = call.priority;
  job->texts = job->request.texts;
  job->result.rows.resize(job->request.texts.size());
  job->result.tokens = static_cast<std::uint32_t>(tokens);
  return job;
}

EncoderLoop::EncoderLoop(EncoderParts parts, const EncoderLoopOptions& options, Admission& admission,
                         EngineMetrics& metrics, observe::Counter& tokens, const base::Clock& clock)
    : parts_(std::move(parts)),
      options_(options),
      admission_(admission),
      metrics_(metrics),
      tokens_(tokens),
      clock_(clock),
      batcher_(options.batch_tokens_max, options.batch_texts_max) {}

EncoderLoop::~EncoderLoop() {
  LOQUAT_CHECK(jobs_.empty(), "a loop is destroyed after EndAll");
}

void EncoderLoop::Take(std::unique_ptr<EncodeJob> job) {
  batcher_.Add(*job);
  jobs_.push_back(std::move(job));
}

void EncoderLoop::End(EncodeJob& job, base::Status status) {
  job.ended = true;
  batcher_.Remove(job);
  admission_.Leave(job.work);
  if (status.has_value()) {
    metrics_.OnEnd("stop");
    job.done(std::move(job.result));
    return;
  }
  const base::Error& error = status.error();
  const std::string_view how = error.reason.empty() ? CodeName(error.code) : error.reason;
  metrics_.OnEnd(how);
  std::uint64_t wasted = 0;
  for (std::uint32_t i = 0; i < job.next; ++i) wasted += job.request.texts[i].size();
  metrics_.OnWasted(how, wasted);
  job.done(std::move(status).error());
}

void EncoderLoop::DropEnded() {
  std::erase_if(jobs_, [](const auto& job) { return job->ended; });
}

void EncoderLoop::Sweep() {
  for (const auto& job : jobs_) {
    if (job->cancel.cancelled()) {
      End(*job, base::Cancelled("the client went away, or cancelled"));
    } else if (job->deadline.Passed(clock_)) {
      End(*job, base::DeadlineExceeded("the deadline passed before all texts were encoded; allow more time"));
    }
  }
  DropEnded();
}

void EncoderLoop::Compute(std::span<const EncodeItem> items, base::TimePoint start) {
  texts_.clear();
  for (const EncodeItem& item : items) {
    EncodeJob& job = JobOf(item);
    if (!job.started) {
      job.started = true;
      metrics_.queue_wait(job.work.lane).Observe(std::chrono::duration<double>(start - job.received_at).count());
    }
    model::EncoderText text{.tokens = job.request.texts[item.text], .token_types = {}};
    if (!job.request.token_types.empty()) text.token_types = job.request.token_types[item.text];
    texts_.push_back(text);
  }
  static_cast<void>(parts_.model->Forward(texts_, *parts_.workspace));
}

base::Status EncoderLoop::Keep(EncodeJob& job, std::uint32_t text, std::span<const float> row) {
  if (!std::ranges::all_of(row, [](float value) { return std::isfinite(value); })) {
    return base::Internal(fmt::format(
        "the model gave numbers that are none for text {}; check its file with: loquat model verify", text));
  }
  job.result.rows[text].assign(row.begin(), row.end());
  ++job.finished;
  return {};
}

void EncoderLoop::Deliver(std::span<const EncodeItem> items, std::uint32_t tokens) {
  const auto wants = [&](EncodeOutput output) {
    return std::any_of(items.begin(), items.end(),
                       [&](const EncodeItem& item) { return JobOf(item).request.output == output; });
  };
  std::span<const float> pooled;
  std::span<const float> logits;
  if (wants(EncodeOutput::kPooled)) pooled = parts_.model->Pooled(*parts_.workspace);
  if (wants(EncodeOutput::kLogits)) logits = parts_.model->Logits(*parts_.workspace);
  const bool by_token = parts_.model->config().head == model::BertHead::kTokenClassification;
  const std::size_t vector_width = pooled.size() / items.size();
  const std::size_t logits_width = logits.size() / (by_token ? tokens : items.size());
  std::size_t logits_at = 0;
  for (std::size_t i = 0; i < items.size(); ++i) {
    EncodeJob& job = JobOf(items[i]);
    const std::size_t logits_size = logits_width * (by_token ? texts_[i].tokens.size() : 1);
    const std::size_t logits_from = std::exchange(logits_at, logits_at + logits_size);
    if (job.ended) continue;
    const bool is_pooled = job.request.output == EncodeOutput::kPooled;
    base::Status kept =
        Keep(job, items[i].text,
             is_pooled ? pooled.subspan(i * vector_width, vector_width) : logits.subspan(logits_from, logits_size));
    if (!kept.has_value() || job.finished == job.request.texts.size()) End(job, std::move(kept));
  }
}

bool EncoderLoop::Step() {
  const base::TimePoint start = clock_.Now();
  Sweep();
  const std::span<const EncodeItem> items = batcher_.Next();
  if (items.empty()) return false;
  // Nothing is computed from weights that are not what their maker wrote.
  if (const base::Status sound = parts_.model->CheckWeights(*parts_.workspace); !sound.has_value()) {
    EndAll(sound.error());
    return false;
  }
  Compute(items, start);
  const base::Duration took = clock_.Now() - start;
  std::uint32_t tokens = 0;
  for (const model::EncoderText& text : texts_) tokens += static_cast<std::uint32_t>(text.tokens.size());
  admission_.OnStep({.prefilled = tokens, .took = took});
  tokens_.Increment(tokens);
  metrics_.step_seconds.Observe(std::chrono::duration<double>(took).count());
  metrics_.batch_sequences.Observe(static_cast<double>(items.size()));
  metrics_.batch_tokens.Observe(tokens);
  Deliver(items, tokens);
  DropEnded();
  return true;
}

void EncoderLoop::EndAll(const base::Error& error) {
  for (const auto& job : jobs_) End(*job, error);
  DropEnded();
}

}  // namespace loquat::engine
