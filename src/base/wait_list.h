// Who waits for something to become possible: the sleeping half of channels and gates, an eventcount with callbacks.
// Thread-safe. The list outlives its waiters' registration; a waiter lives until it was notified or removed.
//
// No wake-up is lost: a waiter registers, then looks again, while the other side acts, then looks for waiters. With a
// sequentially consistent fence between the two steps of each side, at least one of them sees the other (Dekker's
// pattern; C++ standard, [atomics.order]).

#pragma once

#include <atomic>
#include <cstddef>
#include <utility>

#include "base/deadline.h"
#include "base/mutex.h"

namespace loquat::base {

// Told once for each registration, on the notifying thread, without a lock held. Notify must not block; from its call
// on the list no longer knows the waiter, which may register again or go away.
class Waiter {
 public:
  virtual void Notify() noexcept = 0;

 protected:
  Waiter() = default;
  ~Waiter() = default;
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;

 private:
  friend class WaitList;
  // Guarded by the list's mutex_.
  Waiter* previous_ = nullptr;
  Waiter* next_ = nullptr;
  bool listed_ = false;
};

class WaitList {
 public:
  WaitList() = default;
  // REQUIRES: nobody is listed.
  ~WaitList();
  WaitList(const WaitList&) = delete;
  WaitList& operator=(const WaitList&) = delete;

  // Lists `waiter` and returns true, unless `ready()` says on a second look that there is nothing to wait for. After
  // true, the waiter may be notified, and gone, at any moment.
  template <typename Ready>
  bool AddUnless(Waiter& waiter, Ready ready) LOQUAT_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    Link(waiter);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (!ready()) return true;
    Unlink(waiter);
    return false;
  }

  // True: it was listed and now will not be notified. False: its Notify was called, is running, or comes at once.
  bool Remove(Waiter& waiter) LOQUAT_EXCLUDES(mutex_);

  // Whether anybody is listed. Call it after the act that waiters wait for, with FenceBeforeLook between.
  bool Any() const { return count_.load(std::memory_order_relaxed) > 0; }
  static void FenceBeforeLook() { std::atomic_thread_fence(std::memory_order_seq_cst); }

  // Wakes who has waited longest; does nothing when nobody waits.
  void WakeOne() LOQUAT_EXCLUDES(mutex_);
  void WakeAll() LOQUAT_EXCLUDES(mutex_) {
    WakeAllAfter([] {});
  }
  // Does `act()` under the list's lock, then wakes all. Touches the list no more once the lock is released, so that
  // whoever sees the act by way of AddUnless may destroy the list.
  template <typename Act>
  void WakeAllAfter(Act act) LOQUAT_EXCLUDES(mutex_) {
    Waiter* chain = nullptr;
    {
      const MutexLock lock(mutex_);
      act();
      chain = TakeAll();
    }
    NotifyChain(chain);
  }

 private:
  void Link(Waiter& waiter) LOQUAT_REQUIRES(mutex_);
  void Unlink(Waiter& waiter) LOQUAT_REQUIRES(mutex_);
  Waiter* TakeAll() LOQUAT_REQUIRES(mutex_);
  static void NotifyChain(Waiter* chain);

  Mutex mutex_;
  Waiter* first_ LOQUAT_GUARDED_BY(mutex_) = nullptr;
  Waiter* last_ LOQUAT_GUARDED_BY(mutex_) = nullptr;
  std::atomic<std::size_t> count_{0};  // Changed under mutex_, read without: the fences order it.
};

// Puts the calling thread to sleep. Lives on its stack.
class ThreadWaiter final : public Waiter {
 public:
  ThreadWaiter() = default;
  // REQUIRES: not listed.
  ~ThreadWaiter() = default;

  void Notify() noexcept override LOQUAT_EXCLUDES(mutex_);

  // Sleeps until notified (true) or until the deadline, by the system's steady clock, has passed (false). After true
  // the waiter may be listed again.
  bool WaitUntil(Deadline deadline) LOQUAT_EXCLUDES(mutex_);

 private:
  Mutex mutex_;
  CondVar condition_;
  bool notified_ LOQUAT_GUARDED_BY(mutex_) = false;
};

}  // namespace loquat::base
