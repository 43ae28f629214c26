#include "understanding/worker_team.h"

#include <algorithm>

namespace loquat::understanding {

WorkerTeam::WorkerTeam(unsigned threads) {
  const unsigned wanted = threads > 0 ? threads : std::max(1U, std::thread::hardware_concurrency());
  for (unsigned t = 1; t < wanted; ++t) threads_.emplace_back([this] { Loop(); });
}

WorkerTeam::~WorkerTeam() {
  {
    const base::MutexLock lock(mutex_);
    stop_ = true;
  }
  wake_.NotifyAll();
  for (std::thread& thread : threads_) thread.join();
}

void WorkerTeam::Run(std::uint32_t n, const std::function<void(std::uint32_t)>& work) {
  if (threads_.empty() || n <= 1) {
    for (std::uint32_t i = 0; i < n; ++i) work(i);
    return;
  }
  {
    const base::MutexLock lock(mutex_);
    work_ = &work;
    count_ = n;
    next_.store(0, std::memory_order_relaxed);
    busy_ = static_cast<unsigned>(threads_.size());
    ++round_;
  }
  wake_.NotifyAll();
  Drain();
  const base::MutexLock lock(mutex_);
  while (busy_ > 0) done_.Wait(mutex_);
}

void WorkerTeam::Drain() {
  for (;;) {
    const std::uint32_t i = next_.fetch_add(1, std::memory_order_relaxed);
    if (i >= count_) return;
    (*work_)(i);
  }
}

void WorkerTeam::Loop() {
  std::uint64_t seen = 0;
  for (;;) {
    {
      const base::MutexLock lock(mutex_);
      while (round_ == seen && !stop_) wake_.Wait(mutex_);
      if (stop_) return;
      seen = round_;
    }
    Drain();
    const base::MutexLock lock(mutex_);
    if (--busy_ == 0) done_.NotifyOne();
  }
}

}  // namespace loquat::understanding
