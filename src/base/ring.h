// Bounded lock-free rings. They never block and never allocate after construction; a full ring refuses.
// The ring outlives every call on it. What is left inside is destroyed with it.
//
//   SpscRing: one thread pushes, one thread pops.
//   MpmcRing: any number of each. Dmitry Vyukov's bounded MPMC queue
//             (https://www.1024cores.net/home/lock-free-algorithms/queues/bounded-mpmc-queue).
//
// Both may be closed by any thread: pushes that succeed are exactly those before the close, so a popper that sees the
// ring drained misses nothing. The closed flag is the top bit of the push position, which each push swaps in one step.

#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>

#include "base/cache_line.h"
#include "base/check.h"

namespace loquat::base {

enum class PushResult : std::uint8_t { kOk, kFull, kClosed };

namespace ring_internal {

inline constexpr std::uint64_t kClosedBit = std::uint64_t{1} << 63;
inline constexpr std::size_t kMaxCapacity = std::size_t{1} << 32;

// A power of two, so that a position becomes an index by a mask.
inline std::size_t RoundCapacity(std::size_t wanted) {
  LOQUAT_CHECK(wanted > 0 && wanted <= kMaxCapacity, "a ring holds 1 to 2^32 items");
  return std::bit_ceil(wanted < 2 ? std::size_t{2} : wanted);
}

template <typename T>
struct Storage {
  T* get() { return std::launder(reinterpret_cast<T*>(bytes)); }
  alignas(T) std::byte bytes[sizeof(T)];
};

}  // namespace ring_internal

template <typename T>
class SpscRing {
  static_assert(std::is_nothrow_move_constructible_v<T> && std::is_nothrow_move_assignable_v<T>);

 public:
  // Holds at least `capacity` items: the next power of two, and no less than two.
  explicit SpscRing(std::size_t capacity)
      : mask_(ring_internal::RoundCapacity(capacity) - 1),
        slots_(std::make_unique_for_overwrite<ring_internal::Storage<T>[]>(mask_ + 1)) {}
  ~SpscRing() {
    while (TryPop().has_value()) continue;
  }
  SpscRing(const SpscRing&) = delete;
  SpscRing& operator=(const SpscRing&) = delete;

  std::size_t capacity() const { return mask_ + 1; }

  // Producer only. `item` is moved from only on kOk.
  PushResult TryPush(T&& item) {
    // Relaxed: only this thread moves the position, and a close that is missed here is met by the swap below.
    std::uint64_t tail = tail_.load(std::memory_order_relaxed);
    if (tail & ring_internal::kClosedBit) return PushResult::kClosed;
    if (tail - head_seen_ > mask_) {
      // Acquire: the popper is done with the slot that we are about to fill.
      head_seen_ = head_.load(std::memory_order_acquire);
      if (tail - head_seen_ > mask_) return PushResult::kFull;
    }
    T* slot = ::new (slots_[tail & mask_].bytes) T(std::move(item));
    // Release: whoever sees the new position sees the item. A swap, not a store, lest it wipe out the closed bit.
    if (tail_.compare_exchange_strong(tail, tail + 1, std::memory_order_release, std::memory_order_relaxed)) {
      return PushResult::kOk;
    }
    item = std::move(*slot);
    slot->~T();
    return PushResult::kClosed;
  }

  // Consumer only.
  std::optional<T> TryPop() {
    const std::uint64_t head = head_.load(std::memory_order_relaxed);  // Relaxed: only this thread moves it.
    if (head == tail_seen_) {
      tail_seen_ = tail_.load(std::memory_order_acquire) & ~ring_internal::kClosedBit;  // Acquire: pairs with TryPush.
      if (head == tail_seen_) return std::nullopt;
    }
    T* slot = slots_[head & mask_].get();
    std::optional<T> item(std::move(*slot));
    slot->~T();
    head_.store(head + 1, std::memory_order_release);  // Release: the slot is free again.
    return item;
  }

  // Any thread. Later pushes are refused.
  void Close() { tail_.fetch_or(ring_internal::kClosedBit, std::memory_order_acq_rel); }
  bool closed() const { return (tail_.load(std::memory_order_acquire) & ring_internal::kClosedBit) != 0; }
  // Closed, and every item popped: nothing ever comes again.
  bool Drained() const {
    const std::uint64_t tail = tail_.load(std::memory_order_acquire);
    return tail == (head_.load(std::memory_order_acquire) | ring_internal::kClosedBit);
  }

  // Whether a pop, or a push, had a chance at this moment. Any thread.
  bool CanPop() const { return size() > 0; }
  bool CanPush() const { return !closed() && size() <= mask_; }
  // A snapshot: exact only while nobody pushes or pops.
  std::size_t size() const {
    const std::uint64_t head = head_.load(std::memory_order_acquire);  // First: it never passes a later tail.
    return (tail_.load(std::memory_order_acquire) & ~ring_internal::kClosedBit) - head;
  }

 private:
  // Constant after construction.
  const std::size_t mask_;
  const std::unique_ptr<ring_internal::Storage<T>[]> slots_;
  // Written by the producer (and by Close).
  alignas(kCacheLineBytes) std::atomic<std::uint64_t> tail_{0};
  std::uint64_t head_seen_ = 0;
  // Written by the consumer.
  alignas(kCacheLineBytes) std::atomic<std::uint64_t> head_{0};
  std::uint64_t tail_seen_ = 0;
};

template <typename T>
class MpmcRing {
  static_assert(std::is_nothrow_move_constructible_v<T> && std::is_nothrow_move_assignable_v<T>);

 public:
  // Holds at least `capacity` items: the next power of two, and no less than two.
  explicit MpmcRing(std::size_t capacity)
      : mask_(ring_internal::RoundCapacity(capacity) - 1), cells_(std::make_unique_for_overwrite<Cell[]>(mask_ + 1)) {
    for (std::size_t i = 0; i <= mask_; ++i) cells_[i].sequence.store(i, std::memory_order_relaxed);
  }
  ~MpmcRing() {
    while (TryPop().has_value()) continue;
  }
  MpmcRing(const MpmcRing&) = delete;
  MpmcRing& operator=(const MpmcRing&) = delete;

  std::size_t capacity() const { return mask_ + 1; }

  // Any thread. `item` is moved from only on kOk.
  PushResult TryPush(T&& item) {
    // Relaxed: a stale position is found out by the cell's sequence or by the swap.
    std::uint64_t tail = tail_.load(std::memory_order_relaxed);
    while (true) {
      if (tail & ring_internal::kClosedBit) return PushResult::kClosed;
      Cell& cell = cells_[tail & mask_];
      // Acquire: when the cell is free, its last popper is done with it.
      const auto ahead = static_cast<std::int64_t>(cell.sequence.load(std::memory_order_acquire) - tail);
      if (ahead < 0) return PushResult::kFull;
      if (ahead > 0) {
        tail = tail_.load(std::memory_order_relaxed);
      } else if (tail_.compare_exchange_weak(tail, tail + 1, std::memory_order_relaxed)) {
        // Relaxed above: the position only deals out cells; the item travels by the sequence.
        ::new (cell.storage.bytes) T(std::move(item));
        cell.sequence.store(tail + 1, std::memory_order_release);
        return PushResult::kOk;
      }
    }
  }

  // Any thread. May say "nothing" while an older push is half done: that push is not over yet.
  std::optional<T> TryPop() {
    std::uint64_t head = head_.load(std::memory_order_relaxed);
    while (true) {
      Cell& cell = cells_[head & mask_];
      // Acquire: pairs with the release of the push that filled the cell.
      const auto ahead = static_cast<std::int64_t>(cell.sequence.load(std::memory_order_acquire) - (head + 1));
      if (ahead < 0) return std::nullopt;
      if (ahead > 0) {
        head = head_.load(std::memory_order_relaxed);
      } else if (head_.compare_exchange_weak(head, head + 1, std::memory_order_relaxed)) {
        T* slot = cell.storage.get();
        std::optional<T> item(std::move(*slot));
        slot->~T();
        // Release: the cell is free for the push one lap later.
        cell.sequence.store(head + mask_ + 1, std::memory_order_release);
        return item;
      }
    }
  }

  // Any thread. Later pushes are refused.
  void Close() { tail_.fetch_or(ring_internal::kClosedBit, std::memory_order_acq_rel); }
  bool closed() const { return (tail_.load(std::memory_order_acquire) & ring_internal::kClosedBit) != 0; }
  // Closed, and every item claimed by a popper: nothing ever comes again.
  bool Drained() const {
    const std::uint64_t tail = tail_.load(std::memory_order_acquire);
    return tail == (head_.load(std::memory_order_acquire) | ring_internal::kClosedBit);
  }

  // Whether a pop, or a push, had a chance at this moment. Any thread.
  bool CanPop() const { return Ready(head_, 1); }
  bool CanPush() const { return !closed() && Ready(tail_, 0); }
  // A snapshot: exact only while nobody pushes or pops.
  std::size_t size() const {
    const std::uint64_t head = head_.load(std::memory_order_acquire);  // First: it never passes a later tail.
    return (tail_.load(std::memory_order_acquire) & ~ring_internal::kClosedBit) - head;
  }

 private:
  struct Cell {
    // position: free for the push of that position; position + 1: filled by it.
    std::atomic<std::uint64_t> sequence;
    ring_internal::Storage<T> storage;
  };

  bool Ready(const std::atomic<std::uint64_t>& position, std::uint64_t wanted) const {
    while (true) {
      const std::uint64_t at = position.load(std::memory_order_relaxed) & ~ring_internal::kClosedBit;
      const std::uint64_t sequence = cells_[at & mask_].sequence.load(std::memory_order_acquire);
      const auto ahead = static_cast<std::int64_t>(sequence - (at + wanted));
      if (ahead <= 0) return ahead == 0;
    }
  }

  // Constant after construction.
  const std::size_t mask_;
  const std::unique_ptr<Cell[]> cells_;
  alignas(kCacheLineBytes) std::atomic<std::uint64_t> tail_{0};  // Written by producers, and by Close.
  alignas(kCacheLineBytes) std::atomic<std::uint64_t> head_{0};  // Written by consumers.
};

}  // namespace loquat::base
