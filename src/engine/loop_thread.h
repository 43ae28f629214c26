// The thread that owns an engine's loop: takes items in from any thread through a bounded channel, turns the loop while
// there is work, sleeps while there is none, and ends everything when it is destroyed. Post, Unread and health are
// thread-safe; the loop and what `after_turn` touches belong to the thread until Stop has returned.
//
// Loop has Take(std::unique_ptr<Item>), bool Step() and EndAll(const base::Error&).

#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <thread>
#include <utility>

#include "base/channel.h"
#include "base/clock.h"
#include "base/result.h"
#include "base/this_thread.h"
#include "engine/loop_health.h"

namespace loquat::engine {

inline base::Error EngineStops() {
  return base::Unavailable("the engine stops; try another server, or again in a while");
}

template <typename Item, typename Loop>
class LoopThread {
 public:
  // References outlive it. `niceness`: of the thread, see base::LowerThisThread. `after_turn` runs on the thread after
  // each turn of the loop.
  LoopThread(Loop& loop, std::size_t inbox_max, int niceness, base::Duration stall_max, const base::Clock& clock,
             std::function<void()> after_turn)
      : loop_(loop),
        after_turn_(std::move(after_turn)),
        inbox_(inbox_max),
        health_(clock, stall_max),
        thread_([this, niceness] {
          base::NameThisThread("loquat-engine");
          base::LowerThisThread(niceness);
          Run();
        }) {}
  ~LoopThread() { Stop(); }
  LoopThread(const LoopThread&) = delete;
  LoopThread& operator=(const LoopThread&) = delete;

  // Everything that was posted has ended when this returns. Once; the destructor calls it otherwise.
  void Stop() {
    if (!thread_.joinable()) return;
    stopping_.store(true, std::memory_order_release);
    inbox_.Close();
    thread_.join();
  }

  // False: it stops, or the inbox is full.
  [[nodiscard]] bool Post(std::unique_ptr<Item> item) {
    health_.OnWork();
    return inbox_.TryPush(std::move(item)).has_value();
  }
  base::Status Health() const { return health_.Check(inbox_.size() > 0); }

 private:
  void Run() {
    health_.SetWaiting(false);
    while (!stopping_.load(std::memory_order_acquire)) {
      health_.Beat();
      while (auto next = inbox_.TryPop()) loop_.Take(*std::move(next));
      const bool worked = loop_.Step();
      after_turn_();
      if (worked) continue;
      health_.SetWaiting(true);
      auto next = inbox_.Pop();
      health_.Beat();
      health_.SetWaiting(false);
      if (next.has_value()) loop_.Take(*std::move(next));
    }
    // Closed by now: ends when nothing can come any more.
    while (auto next = inbox_.Pop()) loop_.Take(*std::move(next));
    health_.Stop();
    loop_.EndAll(EngineStops());
    after_turn_();
  }

  Loop& loop_;
  const std::function<void()> after_turn_;
  base::Channel<std::unique_ptr<Item>> inbox_;
  LoopHealth health_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace loquat::engine
