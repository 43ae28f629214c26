#include "base/gate.h"

#include "base/check.h"

namespace loquat::base {

Gate::~Gate() {
  LOQUAT_CHECK(inside() == 0, "a gate is destroyed while somebody is inside");
}

Gate::Pass Gate::Enter() {
  // Relaxed: entering publishes nothing; a close is seen through this one variable.
  std::uint64_t state = state_.load(std::memory_order_relaxed);
  do {
    if (state & kClosedBit) return Pass();
  } while (!state_.compare_exchange_weak(state, state + 1, std::memory_order_relaxed));
  return Pass(this);
}

void Gate::Leave() {
  std::uint64_t state = state_.load(std::memory_order_relaxed);
  while (state != (kClosedBit | 1)) {
    // Release: what was done inside is seen by whoever finds the gate empty.
    if (state_.compare_exchange_weak(state, state - 1, std::memory_order_release, std::memory_order_relaxed)) return;
  }
  // The last of a closed gate: nobody else can change the state. Under the list's lock, because whoever sees the gate
  // empty may destroy it.
  waiters_.WakeAllAfter([this] { state_.fetch_sub(1, std::memory_order_acq_rel); });
}

void Gate::Close() {
  if ((state_.fetch_or(kClosedBit, std::memory_order_acq_rel) & ~kClosedBit) == 0) waiters_.WakeAll();
}

bool Gate::AwaitEmpty(Waiter& waiter) {
  return waiters_.AddUnless(waiter, [this] { return state_.load(std::memory_order_acquire) == kClosedBit; });
}

bool Gate::WaitUntilEmpty(Deadline deadline) {
  ThreadWaiter waiter;
  if (!AwaitEmpty(waiter)) return true;
  if (waiter.WaitUntil(deadline)) return true;
  if (waiters_.Remove(waiter)) return false;
  waiter.WaitUntil(Deadline());
  return true;
}

}  // namespace loquat::base
