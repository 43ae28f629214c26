// One immutable value that is replaced as a whole: readers keep the one they took, writers swap a pointer.
// Thread-safe. A holder outlives its readers' handles and its subscriptions.

#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>

#include "base/mutex.h"

namespace loquat::config {

template <typename T>
class SnapshotHolder {
 public:
  using Snapshot = std::shared_ptr<const T>;
  // Called after a swap, on the thread that swapped, one swap at a time. May read the holder, not swap it.
  using Subscriber = std::function<void(const Snapshot& before, const Snapshot& after)>;

  explicit SnapshotHolder(T value) : current_(std::make_shared<const T>(std::move(value))) {}
  SnapshotHolder(const SnapshotHolder&) = delete;
  SnapshotHolder& operator=(const SnapshotHolder&) = delete;

  // A short lock; hot paths use a SnapshotReader.
  Snapshot Get() const LOQUAT_EXCLUDES(mutex_) {
    const base::MutexLock lock(mutex_);
    return current_;
  }
  // Grows with each swap.
  std::uint64_t version() const { return version_.load(std::memory_order_acquire); }

  void Swap(T value) LOQUAT_EXCLUDES(mutex_, swap_mutex_) {
    auto next = std::make_shared<const T>(std::move(value));
    const base::MutexLock swapping(swap_mutex_);
    Snapshot before;
    {
      const base::MutexLock lock(mutex_);
      before = std::exchange(current_, next);
      // Release, under the lock: who sees the new version and then takes the lock finds the new value.
      version_.fetch_add(1, std::memory_order_release);
    }
    for (const auto& [id, subscriber] : subscribers_) subscriber(before, next);
  }

  // Ends with the handle, which waits for a call that is running (and so is not destroyed by one).
  class Subscription {
   public:
    Subscription() = default;
    Subscription(Subscription&& other) noexcept : holder_(std::exchange(other.holder_, nullptr)), id_(other.id_) {}
    Subscription& operator=(Subscription&& other) noexcept {
      std::swap(holder_, other.holder_);
      std::swap(id_, other.id_);
      return *this;
    }
    ~Subscription() {
      if (holder_ != nullptr) holder_->Unsubscribe(id_);
    }

   private:
    friend class SnapshotHolder;
    Subscription(SnapshotHolder* holder, std::uint64_t id) : holder_(holder), id_(id) {}

    SnapshotHolder* holder_ = nullptr;
    std::uint64_t id_ = 0;
  };

  [[nodiscard]] Subscription Subscribe(Subscriber subscriber) LOQUAT_EXCLUDES(swap_mutex_) {
    const base::MutexLock lock(swap_mutex_);
    subscribers_.emplace(++last_id_, std::move(subscriber));
    return Subscription(this, last_id_);
  }

 private:
  void Unsubscribe(std::uint64_t id) LOQUAT_EXCLUDES(swap_mutex_) {
    const base::MutexLock lock(swap_mutex_);
    subscribers_.erase(id);
  }

  mutable base::Mutex mutex_;
  Snapshot current_ LOQUAT_GUARDED_BY(mutex_);
  std::atomic<std::uint64_t> version_{1};

  base::Mutex swap_mutex_;  // Taken before mutex_; held while subscribers run.
  std::map<std::uint64_t, Subscriber> subscribers_ LOQUAT_GUARDED_BY(swap_mutex_);  // Called in the order they came.
  std::uint64_t last_id_ LOQUAT_GUARDED_BY(swap_mutex_) = 0;
};

// One thread's own handle: reading costs one atomic load of a line that is shared and rarely written. It keeps the
// value it last saw alive until its next read.
template <typename T>
class SnapshotReader {
 public:
  explicit SnapshotReader(const SnapshotHolder<T>& holder) : holder_(holder) {}

  // The newest value; the reference holds until the next Get of this reader.
  const T& Get() {
    const std::uint64_t version = holder_.version();
    if (version != seen_) {
      value_ = holder_.Get();
      seen_ = version;
    }
    return *value_;
  }

 private:
  const SnapshotHolder<T>& holder_;
  typename SnapshotHolder<T>::Snapshot value_;
  std::uint64_t seen_ = 0;
};

}  // namespace loquat::config
