// Reuses objects that are costly to build (buffers, parsers, scratch space), keeping at most so many idle ones.
// ObjectPool: one thread. SharedObjectPool: any thread; lock-free. The pool outlives the objects it lent.

#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/ring.h"

namespace loquat::base {

namespace pool_internal {

// Idle objects of one thread.
template <typename T>
class Shelf {
 public:
  explicit Shelf(std::size_t max) : max_(max) { idle_.reserve(max); }
  std::unique_ptr<T> Take() {
    if (idle_.empty()) return nullptr;
    std::unique_ptr<T> object = std::move(idle_.back());
    idle_.pop_back();
    return object;
  }
  // Drops the object when there is no room.
  void Put(std::unique_ptr<T> object) {
    if (idle_.size() < max_) idle_.push_back(std::move(object));
  }
  std::size_t size() const { return idle_.size(); }

 private:
  const std::size_t max_;
  std::vector<std::unique_ptr<T>> idle_;  // Last in, first out: the warmest is lent next.
};

template <typename T>
class SharedShelf {
 public:
  explicit SharedShelf(std::size_t max) : idle_(max) {}
  std::unique_ptr<T> Take() { return idle_.TryPop().value_or(nullptr); }
  void Put(std::unique_ptr<T> object) {
    // A refusal leaves the object with us, and it dies here.
    static_cast<void>(idle_.TryPush(std::move(object)));
  }
  std::size_t size() const { return idle_.size(); }

 private:
  MpmcRing<std::unique_ptr<T>> idle_;
};

}  // namespace pool_internal

template <typename T, typename Shelf>
class BasicObjectPool {
 public:
  using Make = std::function<std::unique_ptr<T>()>;
  using Clean = std::function<void(T&)>;

  // Gives the object back when destroyed.
  class Return {
   public:
    explicit Return(BasicObjectPool* pool = nullptr) : pool_(pool) {}
    void operator()(T* object) const { pool_->GiveBack(std::unique_ptr<T>(object)); }

   private:
    BasicObjectPool* pool_;
  };
  using Handle = std::unique_ptr<T, Return>;

  // `clean` readies an object for its next user, as it comes back; none: objects come as they were left.
  // A shared pool rounds `max_idle` up to a power of two. REQUIRES: max_idle > 0 for a shared pool.
  explicit BasicObjectPool(
      std::size_t max_idle, Make make = [] { return std::make_unique<T>(); }, Clean clean = nullptr)
      : make_(std::move(make)), clean_(std::move(clean)), shelf_(max_idle) {}
  ~BasicObjectPool() {
    LOQUAT_CHECK(lent_.load(std::memory_order_acquire) == 0, "a pool is destroyed while its objects are lent");
  }
  BasicObjectPool(const BasicObjectPool&) = delete;
  BasicObjectPool& operator=(const BasicObjectPool&) = delete;

  // An idle object, or a new one: never fails and never waits.
  [[nodiscard]] Handle Acquire() {
    std::unique_ptr<T> object = shelf_.Take();
    if (object == nullptr) object = make_();
    // Relaxed: a count that orders nothing.
    lent_.fetch_add(1, std::memory_order_relaxed);
    return Handle(object.release(), Return(this));
  }

  // Snapshots.
  std::size_t idle() const { return shelf_.size(); }
  std::size_t lent() const { return lent_.load(std::memory_order_relaxed); }

 private:
  void GiveBack(std::unique_ptr<T> object) {
    if (clean_) clean_(*object);
    shelf_.Put(std::move(object));
    // Release: the last act on the pool, which may be destroyed by whoever sees the count fall.
    lent_.fetch_sub(1, std::memory_order_release);
  }

  const Make make_;
  const Clean clean_;
  Shelf shelf_;
  std::atomic<std::size_t> lent_{0};
};

template <typename T>
using ObjectPool = BasicObjectPool<T, pool_internal::Shelf<T>>;
template <typename T>
using SharedObjectPool = BasicObjectPool<T, pool_internal::SharedShelf<T>>;

}  // namespace loquat::base
