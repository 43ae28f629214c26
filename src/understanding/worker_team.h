// A few threads that do the same kind of work together, again and again: training. Run hands out the numbers 0 ... n -
// 1 and returns when all are done; the caller works too. One thread calls Run; `work` must not throw.

#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

#include "base/mutex.h"

namespace loquat::understanding {

class WorkerTeam {
 public:
  // `threads` includes the caller; zero: one a core.
  explicit WorkerTeam(unsigned threads);
  ~WorkerTeam();
  WorkerTeam(const WorkerTeam&) = delete;
  WorkerTeam& operator=(const WorkerTeam&) = delete;

  unsigned size() const { return static_cast<unsigned>(threads_.size()) + 1; }

  // Calls work(i) once for each i below n, in any order, on any of the threads.
  void Run(std::uint32_t n, const std::function<void(std::uint32_t)>& work);

 private:
  void Loop();
  void Drain();

  base::Mutex mutex_;
  base::CondVar wake_, done_;
  std::uint64_t round_ LOQUAT_GUARDED_BY(mutex_) = 0;
  unsigned busy_ LOQUAT_GUARDED_BY(mutex_) = 0;  // Threads that have not finished this round.
  bool stop_ LOQUAT_GUARDED_BY(mutex_) = false;
  const std::function<void(std::uint32_t)>* work_ = nullptr;  // Written between rounds, under mutex_.
  std::uint32_t count_ = 0;                                   // Likewise.
  std::atomic<std::uint32_t> next_{0};  // Relaxed: the mutex orders rounds, and a number is all that is handed out.
  std::vector<std::thread> threads_;
};

}  // namespace loquat::understanding
