// Threads that compute one operation together: each Run splits into parts, the caller takes parts too, and nobody
// leaves before all are done. Waiting threads spin briefly and then sleep, so that a busy machine loses nothing to
// them.
//
// One thread at a time calls Run, and not from within a part. The destructor stops and joins the threads.

#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <type_traits>

#include "base/cache_line.h"

namespace loquat::kernels {

inline constexpr unsigned kTeamThreadsMax = 256;

struct ThreadTeamOptions {
  unsigned threads = 0;  // Including the caller's; zero: one a core that this process may use.
  bool pin = false;      // Each thread of the team's own stays on one core; the first core is left to the caller.
  int niceness = 0;      // Of the team's own threads, see base::LowerThisThread; the caller sets its own.
};

class ThreadTeam {
 public:
  explicit ThreadTeam(const ThreadTeamOptions& options = {});
  ~ThreadTeam();
  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;

  unsigned size() const;  // Threads, the caller's included.

  // Calls work(part) once for each part in [0, parts), on any thread, in any order. REQUIRES: work does not throw.
  template <typename Work>
  void Run(std::size_t parts, Work&& work) {
    using Plain = std::remove_reference_t<Work>;
    RunParts(
        parts, [](void* erased, std::size_t part) { (*static_cast<Plain*>(erased))(part); },
        const_cast<void*>(static_cast<const void*>(&work)));
  }

  // The same, where a thread gains by parts that follow each other, as when it streams memory: each thread begins with
  // a range of its own, and who is done takes what others have not begun.
  template <typename Work>
  void RunInOrder(std::size_t parts, Work&& work) {
    const std::size_t ranges = size();
    if (parts <= 1 || ranges == 1) return Run(parts, work);
    for (std::size_t i = 0; i < ranges; ++i) ranges_[i].next.store(parts * i / ranges, std::memory_order_relaxed);
    Run(ranges, [&](std::size_t own) {
      for (std::size_t i = 0; i < ranges; ++i) {
        const std::size_t range = (own + i) % ranges, end = parts * (range + 1) / ranges;
        // Relaxed: a part is named by the number alone, and Run orders all else.
        for (;;) {
          const std::size_t part = ranges_[range].next.fetch_add(1, std::memory_order_relaxed);
          if (part >= end) break;
          work(part);
        }
      }
    });
  }

 private:
  struct alignas(base::kCacheLineBytes) Range {
    std::atomic<std::size_t> next{0};  // Part that nobody has taken yet.
  };

  struct State;
  void RunParts(std::size_t parts, void (*call)(void*, std::size_t), void* work);
  const std::unique_ptr<State> state_;
  const std::unique_ptr<Range[]> ranges_;  // [size()], of the RunInOrder under way.
};

}  // namespace loquat::kernels
