// Whether an engine's loop still turns, told by its own beats: a process that answers while its engine hangs must not
// be called healthy. Thread-safe; the clock outlives it.

#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace loquat::engine {

class LoopHealth {
 public:
  LoopHealth(const base::Clock& clock, base::Duration stall_max) : clock_(clock), stall_max_(stall_max) { Beat(); }

  // By the loop, once a turn, before it works.
  void Beat() { beat_.store(clock_.Now().time_since_epoch().count(), std::memory_order_release); }
  // By who gives it work, before: a loop that waits has not been silent for lack of breath.
  void OnWork() {
    if (waiting_.load(std::memory_order_acquire)) Beat();
  }
  // By the loop, when it goes to wait for work and when it got some.
  void SetWaiting(bool waiting) { waiting_.store(waiting, std::memory_order_release); }
  void Stop() { stopped_.store(true, std::memory_order_release); }

  // `unread`: there is work that the loop has not taken.
  base::Status Check(bool unread) const;

 private:
  const base::Clock& clock_;
  const base::Duration stall_max_;
  // Release and acquire: who sees the loop wait sees the beat before it.
  std::atomic<base::Duration::rep> beat_{0};
  std::atomic<bool> waiting_{true};
  std::atomic<bool> stopped_{false};
};

}  // namespace loquat::engine
