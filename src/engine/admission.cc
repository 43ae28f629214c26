#include "engine/admission.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "engine/engine_metrics.h"

namespace loquat::engine {
namespace {

std::chrono::milliseconds RetryAfter(double seconds) {
  const double ms = std::ceil(seconds * 1000);
  if (!(ms < static_cast<double>(kRetryAfterMax.count()))) return kRetryAfterMax;
  return std::max(kRetryAfterMin, std::chrono::milliseconds(static_cast<std::int64_t>(ms)));
}

double Seconds(base::Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

double Admission::WaitSeconds(base::Priority lane) const {
  // The batch lane waits for the interactive one as well.
  std::uint64_t prompts = prefill_pending_;
  std::uint64_t ahead = 0;
  for (std::size_t i = 0; i <= static_cast<std::size_t>(lane); ++i) {
    prompts += lanes_[i].prompt_tokens;
    ahead += lanes_[i].requests;
  }
  const double waiting = static_cast<double>(prompts - prefill_pending_) * cost_.fresh_share();
  double seconds = (static_cast<double>(prefill_pending_) + waiting) * cost_.prefill_token().value_or(0);
  const std::uint32_t places = options_.sequences_max > running_ ? options_.sequences_max - running_ : 0;
  if (ahead >= places) {
    const double release = cost_.answer_tokens().value_or(0) * cost_.decode_step().value_or(0) / options_.sequences_max;
    seconds += static_cast<double>(ahead - places + 1) * release;
  }
  return seconds;
}

double Admission::OwnSeconds(const Work& work) const {
  const double prompt = work.prompt_tokens * cost_.fresh_share() * cost_.prefill_token().value_or(0);
  const double answer = std::min<double>(work.answer_tokens_max, cost_.answer_tokens().value_or(1));
  return prompt + answer * cost_.decode_step().value_or(0);
}

bool Admission::Idle() const {
  return running_ == 0 && prefill_pending_ == 0 && lanes_[0].requests + lanes_[1].requests == 0;
}

base::Status Admission::CheckDeadline(const Work& work, base::Deadline deadline) const {
  if (deadline.unlimited() || (Idle() && clock_.Now() - last_step_ >= kEstimateTrustedFor)) return {};
  const double left = Seconds(deadline.Left(clock_));
  const double own = OwnSeconds(work);
  const double wait = WaitSeconds(work.lane);
  if (own > left) {
    base::Error error = base::DeadlineExceeded(fmt::format(
        "the answer would take about {:.1f} s, and {:.1f} s are left; allow more time or ask for less", own, left));
    error.reason = "deadline_unreachable";
    return error;
  }
  if (wait + own > left) {
    base::Error error = base::ResourceExhausted(
        fmt::format("the answer would come in about {:.1f} s, and {:.1f} s are left; try again when others are done",
                    wait + own, left),
        "deadline_unreachable");
    error.retry_after = RetryAfter(wait + own - left);
    return error;
  }
  return {};
}

base::Error Admission::QueueFull(base::Priority lane, std::string_view what) const {
  base::Error error = base::ResourceExhausted(
      fmt::format("the model's {} queue is full: {}; try again later", LaneName(lane), what), "queue_full");
  // By then half of what waits has gone, if nothing more comes.
  error.retry_after = RetryAfter(WaitSeconds(lane) / 2);
  return error;
}

base::Status Admission::Enter(const Work& work, base::Deadline deadline) {
  const base::MutexLock lock(mutex_);
  Lane& lane = lanes_[static_cast<std::size_t>(work.lane)];
  if (deadline.Passed(clock_)) {
    base::Error error = base::DeadlineExceeded("the deadline passed before the model was reached; allow more time");
    error.reason = "deadline_passed";
    return error;
  }
  if (lane.requests >= options_.queue_max) {
    return QueueFull(work.lane, fmt::format("{} requests wait", lane.requests));
  }
  if (lane.requests > 0 && lane.prompt_tokens + work.prompt_tokens > options_.queue_tokens_max) {
    return QueueFull(work.lane, fmt::format("{} prompt tokens wait", lane.prompt_tokens));
  }
  LOQUAT_TRY(CheckDeadline(work, deadline));
  ++lane.requests;
  lane.prompt_tokens += work.prompt_tokens;
  return {};
}

void Admission::Leave(const Work& work) {
  const base::MutexLock lock(mutex_);
  Lane& lane = lanes_[static_cast<std::size_t>(work.lane)];
  LOQUAT_CHECK(lane.requests > 0 && lane.prompt_tokens >= work.prompt_tokens, "only what entered leaves");
  --lane.requests;
  lane.prompt_tokens -= work.prompt_tokens;
}

void Admission::OnStep(const Step& step) {
  const base::MutexLock lock(mutex_);
  cost_.OnStep(step.prefilled, step.decoded, step.took, step.drafted);
  prefill_pending_ = step.prefill_pending;
  running_ = step.running;
  last_step_ = clock_.Now();
}

void Admission::OnAccepted(std::uint32_t decoded, std::uint32_t accepted) {
  const base::MutexLock lock(mutex_);
  cost_.OnAccepted(decoded, accepted);
}

void Admission::OnIdle() {
  const base::MutexLock lock(mutex_);
  prefill_pending_ = 0;
  running_ = 0;
}

void Admission::OnPrompt(std::uint32_t tokens, std::uint32_t cached) {
  const base::MutexLock lock(mutex_);
  cost_.OnPrompt(tokens, cached);
}

void Admission::OnAnswer(std::uint32_t tokens) {
  const base::MutexLock lock(mutex_);
  cost_.OnAnswer(tokens);
}

base::Duration Admission::ExpectedWait(base::Priority lane) const {
  const base::MutexLock lock(mutex_);
  return std::chrono::duration_cast<base::Duration>(std::chrono::duration<double>(WaitSeconds(lane)));
}

std::uint32_t Admission::ChunkWithin(base::Duration stall, std::uint32_t most) const {
  const base::MutexLock lock(mutex_);
  return cost_.ChunkWithin(stall, most);
}

std::optional<double> Admission::TokenShare(std::uint32_t sequences) const {
  const base::MutexLock lock(mutex_);
  return cost_.TokenShare(sequences);
}

std::uint32_t Admission::queued() const {
  const base::MutexLock lock(mutex_);
  return lanes_[0].requests + lanes_[1].requests;
}

std::uint32_t Admission::queued(base::Priority lane) const {
  const base::MutexLock lock(mutex_);
  return lanes_[static_cast<std::size_t>(lane)].requests;
}

}  // namespace loquat::engine
