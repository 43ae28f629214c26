// Time through an interface, so that schedulers, timeouts and sessions run on a manual clock in tests.
// Thread-safe. A Clock outlives everything that holds a reference to it.

#pragma once

#include <atomic>
#include <chrono>

namespace loquat::base {

using TimePoint = std::chrono::steady_clock::time_point;
using Duration = std::chrono::steady_clock::duration;
using WallTime = std::chrono::system_clock::time_point;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual TimePoint Now() const = 0;     // Never goes back; for intervals and deadlines.
  virtual WallTime WallNow() const = 0;  // The calendar; may jump.
};

class SystemClock final : public Clock {
 public:
  TimePoint Now() const override { return std::chrono::steady_clock::now(); }
  WallTime WallNow() const override { return std::chrono::system_clock::now(); }
};

// Stands still until told to advance.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(WallTime wall_start = WallTime{}) : wall_start_(wall_start) {}
  TimePoint Now() const override { return TimePoint{} + Elapsed(); }
  WallTime WallNow() const override { return wall_start_ + std::chrono::duration_cast<WallTime::duration>(Elapsed()); }
  void Advance(Duration by) { elapsed_.fetch_add(by.count(), std::memory_order_relaxed); }

 private:
  Duration Elapsed() const { return Duration(elapsed_.load(std::memory_order_relaxed)); }

  const WallTime wall_start_;
  // Relaxed: a clock orders nothing but itself.
  std::atomic<Duration::rep> elapsed_{0};
};

}  // namespace loquat::base
