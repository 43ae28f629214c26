#include "engine/loop_health.h"

#include <fmt/format.h>

namespace loquat::engine {

base::Status LoopHealth::Check(bool unread) const {
  if (stopped_.load(std::memory_order_acquire)) return base::Unavailable("the engine has stopped");
  if (waiting_.load(std::memory_order_acquire) && !unread) return {};
  const base::TimePoint beat{base::Duration(beat_.load(std::memory_order_acquire))};
  const base::Duration silent = clock_.Now() - beat;
  if (silent <= stall_max_) return {};
  base::Error error = base::Unavailable(
      fmt::format("the engine's loop has not turned for {} s; the model hangs, or the machine is far too slow for it",
                  std::chrono::duration_cast<std::chrono::seconds>(silent).count()));
  error.reason = "engine_stalled";
  return error;
}

}  // namespace loquat::engine
