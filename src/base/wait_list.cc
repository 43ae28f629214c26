#include "base/wait_list.h"

#include "base/check.h"

namespace loquat::base {

WaitList::~WaitList() {
  LOQUAT_CHECK(count_.load(std::memory_order_relaxed) == 0, "a list of waiters is destroyed while somebody waits");
}

void WaitList::Link(Waiter& waiter) {
  LOQUAT_CHECK(!waiter.listed_, "a waiter waits for one thing at a time");
  waiter.listed_ = true;
  waiter.next_ = nullptr;
  waiter.previous_ = last_;
  (last_ == nullptr ? first_ : last_->next_) = &waiter;
  last_ = &waiter;
  count_.fetch_add(1, std::memory_order_relaxed);
}

void WaitList::Unlink(Waiter& waiter) {
  (waiter.previous_ == nullptr ? first_ : waiter.previous_->next_) = waiter.next_;
  (waiter.next_ == nullptr ? last_ : waiter.next_->previous_) = waiter.previous_;
  waiter.listed_ = false;
  count_.fetch_sub(1, std::memory_order_relaxed);
}

bool WaitList::Remove(Waiter& waiter) {
  const MutexLock lock(mutex_);
  if (!waiter.listed_) return false;
  Unlink(waiter);
  return true;
}

void WaitList::WakeOne() {
  Waiter* waiter = nullptr;
  {
    const MutexLock lock(mutex_);
    waiter = first_;
    if (waiter == nullptr) return;
    Unlink(*waiter);
  }
  waiter->Notify();
}

Waiter* WaitList::TakeAll() {
  Waiter* chain = first_;
  for (Waiter* waiter = chain; waiter != nullptr; waiter = waiter->next_) waiter->listed_ = false;
  first_ = nullptr;
  last_ = nullptr;
  count_.store(0, std::memory_order_relaxed);
  return chain;
}

void WaitList::NotifyChain(Waiter* chain) {
  while (chain != nullptr) {
    Waiter* next = chain->next_;  // Before Notify, after which the waiter may be gone.
    chain->Notify();
    chain = next;
  }
}

void ThreadWaiter::Notify() noexcept {
  // Under the lock: the sleeper cannot return, and end our life, before we are done with the condition.
  const MutexLock lock(mutex_);
  notified_ = true;
  condition_.NotifyOne();
}

bool ThreadWaiter::WaitUntil(Deadline deadline) {
  const MutexLock lock(mutex_);
  while (!notified_) {
    if (deadline.unlimited()) {
      condition_.Wait(mutex_);
    } else if (!condition_.WaitUntil(mutex_, deadline.at()) && !notified_) {
      return false;
    }
  }
  notified_ = false;
  return true;
}

}  // namespace loquat::base
