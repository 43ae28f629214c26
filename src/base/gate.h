// Counts work in progress, so that stopping can refuse the new and know when the old is done.
// Thread-safe. The gate outlives its passes; it may be destroyed as soon as WaitUntilEmpty has said true or the waiter
// of AwaitEmpty was notified.

#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

#include "base/deadline.h"
#include "base/wait_list.h"

namespace loquat::base {

class Gate {
 public:
  // Leaves the gate when destroyed. A value that moves; an empty one let nobody in.
  class Pass {
   public:
    Pass() = default;
    ~Pass() { Release(); }
    Pass(Pass&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)) {}
    Pass& operator=(Pass&& other) noexcept {
      std::swap(gate_, other.gate_);
      return *this;
    }
    explicit operator bool() const { return gate_ != nullptr; }
    void Release() {
      if (gate_ != nullptr) std::exchange(gate_, nullptr)->Leave();
    }

   private:
    friend class Gate;
    explicit Pass(Gate* gate) : gate_(gate) {}

    Gate* gate_ = nullptr;
  };

  Gate() = default;
  // REQUIRES: nobody is inside.
  ~Gate();
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  // An empty pass once the gate is closed.
  [[nodiscard]] Pass Enter();

  // Lets nobody in any more. Any number of times.
  void Close();
  bool closed() const { return (state_.load(std::memory_order_acquire) & kClosedBit) != 0; }
  // A snapshot.
  std::uint64_t inside() const { return state_.load(std::memory_order_acquire) & ~kClosedBit; }

  // Sleeps until the gate is closed and the last one has left (true), or the deadline of the system's steady clock has
  // passed (false).
  [[nodiscard]] bool WaitUntilEmpty(Deadline deadline = {});
  // Registers `waiter` to be notified once when the gate is closed and empty. False: it is already.
  [[nodiscard]] bool AwaitEmpty(Waiter& waiter);
  // True: will not be notified. False: its Notify was called, is running, or comes at once.
  [[nodiscard]] bool CancelEmpty(Waiter& waiter) { return waiters_.Remove(waiter); }

 private:
  static constexpr std::uint64_t kClosedBit = std::uint64_t{1} << 63;

  void Leave();

  std::atomic<std::uint64_t> state_{0};  // The closed bit, and how many are inside.
  WaitList waiters_;
};

}  // namespace loquat::base
