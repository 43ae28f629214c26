// The I/O threads: N loops, each one thread with an io_context of its own. A connection lives and dies on one loop, so
// nothing on it needs a lock. Loops run coroutines and socket work; they never compute or block.
// Threads: EventLoops and EventLoop::Post/executor from any thread; the rest of EventLoop on its own thread.
// Lifetime: everything that runs on the loops ends before EventLoops is destroyed; coroutines still suspended then are
// destroyed with it.

#pragma once

#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <ctime>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "net/deadline_sweep.h"

namespace loquat::net {

namespace asio = boost::asio;

inline constexpr std::chrono::milliseconds kDefaultTick{100};

struct EventLoopOptions {
  std::size_t threads = 1;
  // How often deadlines are looked at: they may be late by this much.
  std::chrono::milliseconds tick = kDefaultTick;
  // Each thread stays on a core of its own, in the order of the cores that the process may use, while there are such.
  bool pin = false;
};

class EventLoop {
 public:
  EventLoop(std::size_t index, std::chrono::milliseconds tick);
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  asio::io_context& context() { return context_; }
  asio::any_io_executor executor() { return context_.get_executor(); }
  std::size_t index() const { return index_; }
  bool InLoopThread() const { return std::this_thread::get_id() == thread_id_.load(std::memory_order_relaxed); }

  // Runs `task` on the loop's thread, later.
  void Post(std::function<void()> task);
  // Runs `task` on the loop's thread after `delay`. Not cancellable: use it for rare things.
  void After(base::Duration delay, std::function<void()> task);

  // Loop thread only from here on.
  void AddDeadline(DeadlineNode& node);
  void RemoveDeadline(DeadlineNode& node) { sweep_.Remove(node); }
  // A buffer that is anybody's until the next suspension point; cleared by whoever takes it.
  std::string& scratch() { return scratch_; }
  // Room for reading into, anybody's until the next suspension point.
  std::span<char> read_scratch();
  // The Date header's value (RFC 9110 5.6.7), made once a second.
  std::string_view HttpDate();

 private:
  friend class EventLoops;
  void Run();
  void ArmTick();

  const std::size_t index_;
  const std::chrono::milliseconds tick_;
  // Written once by the loop's thread; relaxed, because only that thread must see its own id.
  std::atomic<std::thread::id> thread_id_{};

  // Loop thread only.
  DeadlineSweep sweep_;
  bool tick_armed_ = false;
  std::string scratch_;
  std::unique_ptr<char[]> read_scratch_;
  std::time_t date_second_ = 0;
  char date_[32] = {};
  std::size_t date_size_ = 0;

  // Destroyed before the above, which the coroutines that die with it may still use.
  asio::io_context context_{1};  // One thread: posts from inside need no wake-up.
  asio::steady_timer tick_timer_;
};

class EventLoops {
 public:
  explicit EventLoops(EventLoopOptions options = {});
  ~EventLoops();  // Stops and joins.
  EventLoops(const EventLoops&) = delete;
  EventLoops& operator=(const EventLoops&) = delete;

  void Start();
  // Each loop returns after what it is doing; suspended coroutines stay suspended. Drain servers first.
  void Stop();
  void Join();

  std::size_t size() const { return loops_.size(); }
  EventLoop& at(std::size_t index) { return *loops_[index]; }
  // The next loop in turn, for spreading connections.
  EventLoop& Next() { return *loops_[turn_.fetch_add(1, std::memory_order_relaxed) % loops_.size()]; }

 private:
  const bool pin_;
  std::vector<std::unique_ptr<EventLoop>> loops_;
  std::vector<std::jthread> threads_;
  std::atomic<std::size_t> turn_{0};
};

// Suspends the calling coroutine for `delay` on its own executor.
asio::awaitable<void> SleepFor(base::Duration delay);

}  // namespace loquat::net
