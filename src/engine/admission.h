// Who may queue: bounds on what waits, and a refusal at once for what could not be answered before its deadline, with
// the time after which it is worth coming back. Thread-safe: asked by the callers, told by the engine.
//
// The estimate: prompts ahead and the own one at the measured time a prompt token; when all sequences are taken, one
// place comes free each (mean answer × time between tokens ÷ sequences); then the own answer, as long as answers are on
// average. Of a prompt, the part counts that prompts had to compute of late; the rest came from the cache. Nothing is
// refused for its deadline before there is something measured, nor by an engine that has been idle for a while: one
// slow step (a cold file, a busy machine) would else be believed for ever, for who is refused measures nothing.

#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/call_context.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"
#include "engine/cost_model.h"

namespace loquat::engine {

inline constexpr std::chrono::milliseconds kRetryAfterMin{1000};
inline constexpr std::chrono::milliseconds kRetryAfterMax{60000};
// After so long without a step an idle engine takes the next request whatever it believed.
inline constexpr std::chrono::milliseconds kEstimateTrustedFor{10000};

struct AdmissionOptions {
  std::uint32_t queue_max = 256;             // Requests that wait, in each lane.
  std::uint64_t queue_tokens_max = 1 << 21;  // Prompt tokens that wait, in each lane.
  std::uint32_t sequences_max = 64;          // That run at once.
};

struct Work {
  base::Priority lane = base::Priority::kInteractive;
  std::uint32_t prompt_tokens = 0;
  std::uint32_t answer_tokens_max = 0;
};

class Admission {
 public:
  Admission(const AdmissionOptions& options, const base::Clock& clock) : options_(options), clock_(clock) {}

  // Counts the work as queued, or refuses; Error::reason is "queue_full", "deadline_unreachable" or "deadline_passed".
  base::Status Enter(const Work& work, base::Deadline deadline) LOQUAT_EXCLUDES(mutex_);
  // It left the queue: to run, or for good.
  void Leave(const Work& work) LOQUAT_EXCLUDES(mutex_);

  struct Step {
    std::uint32_t prefilled = 0, decoded = 0;  // Tokens of prompts; sequences that got their next token.
    std::uint32_t drafted = 0;                 // Tokens of these sequences' drafts.
    base::Duration took{};
    std::uint64_t prefill_pending = 0;  // Prompt tokens of running sequences that are still to come.
    std::uint32_t running = 0;          // Sequences.
  };
  void OnStep(const Step& step) LOQUAT_EXCLUDES(mutex_);
  // The sequences that decoded in a step got so many tokens of their drafts besides.
  void OnAccepted(std::uint32_t decoded, std::uint32_t accepted) LOQUAT_EXCLUDES(mutex_);
  // Nothing runs any more, and nothing has since the last step.
  void OnIdle() LOQUAT_EXCLUDES(mutex_);
  // A prompt got its first answer; so many of its tokens were found computed.
  void OnPrompt(std::uint32_t tokens, std::uint32_t cached) LOQUAT_EXCLUDES(mutex_);
  void OnAnswer(std::uint32_t tokens) LOQUAT_EXCLUDES(mutex_);

  // How long a request of this lane that came now would wait to start, as far as is known.
  base::Duration ExpectedWait(base::Priority lane) const LOQUAT_EXCLUDES(mutex_);
  std::uint32_t ChunkWithin(base::Duration stall, std::uint32_t most) const LOQUAT_EXCLUDES(mutex_);
  // As CostModel::TokenShare.
  std::optional<double> TokenShare(std::uint32_t sequences) const LOQUAT_EXCLUDES(mutex_);
  std::uint32_t queued() const LOQUAT_EXCLUDES(mutex_);
  std::uint32_t queued(base::Priority lane) const LOQUAT_EXCLUDES(mutex_);

 private:
  struct Lane {
    std::uint32_t requests = 0;
    std::uint64_t prompt_tokens = 0;
  };
  double WaitSeconds(base::Priority lane) const LOQUAT_REQUIRES(mutex_);
  double OwnSeconds(const Work& work) const LOQUAT_REQUIRES(mutex_);
  bool Idle() const LOQUAT_REQUIRES(mutex_);
  base::Status CheckDeadline(const Work& work, base::Deadline deadline) const LOQUAT_REQUIRES(mutex_);
  base::Error QueueFull(base::Priority lane, std::string_view what) const LOQUAT_REQUIRES(mutex_);

  // Constant after construction.
  const AdmissionOptions options_;
  const base::Clock& clock_;

  mutable base::Mutex mutex_;
  std::array<Lane, 2> lanes_ LOQUAT_GUARDED_BY(mutex_);  // [Priority]
  CostModel cost_ LOQUAT_GUARDED_BY(mutex_);
  std::uint64_t prefill_pending_ LOQUAT_GUARDED_BY(mutex_) = 0;
  std::uint32_t running_ LOQUAT_GUARDED_BY(mutex_) = 0;
  base::TimePoint last_step_ LOQUAT_GUARDED_BY(mutex_);
};

}  // namespace loquat::engine
