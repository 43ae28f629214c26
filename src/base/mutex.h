// A mutex that clang's thread safety analysis understands (https://clang.llvm.org/docs/ThreadSafetyAnalysis.html).
// Members say what guards them with LOQUAT_GUARDED_BY(mutex_); the build fails where the lock is not held.

#pragma once

#include <condition_variable>
#include <mutex>

#define LOQUAT_CAPABILITY(name) __attribute__((capability(name)))
#define LOQUAT_SCOPED_CAPABILITY __attribute__((scoped_lockable))
#define LOQUAT_GUARDED_BY(mutex) __attribute__((guarded_by(mutex)))
#define LOQUAT_REQUIRES(...) __attribute__((requires_capability(__VA_ARGS__)))
#define LOQUAT_EXCLUDES(...) __attribute__((locks_excluded(__VA_ARGS__)))
#define LOQUAT_ACQUIRE(...) __attribute__((acquire_capability(__VA_ARGS__)))
#define LOQUAT_RELEASE(...) __attribute__((release_capability(__VA_ARGS__)))
#define LOQUAT_TRY_ACQUIRE(...) __attribute__((try_acquire_capability(__VA_ARGS__)))

namespace loquat::base {

class LOQUAT_CAPABILITY("mutex") Mutex {
 public:
  void lock() LOQUAT_ACQUIRE() { mutex_.lock(); }
  void unlock() LOQUAT_RELEASE() { mutex_.unlock(); }
  bool try_lock() LOQUAT_TRY_ACQUIRE(true) { return mutex_.try_lock(); }

 private:
  friend class CondVar;

  std::mutex mutex_;
};

class LOQUAT_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) LOQUAT_ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
  ~MutexLock() LOQUAT_RELEASE() { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

// A condition to wait for under a Mutex. Waits may wake without cause: wait in a loop over the condition.
class CondVar {
 public:
  void Wait(Mutex& mutex) LOQUAT_REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    condition_.wait(lock);
    lock.release();
  }
  // False: the time has come.
  template <typename TimePoint>
  bool WaitUntil(Mutex& mutex, TimePoint until) LOQUAT_REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    const std::cv_status status = condition_.wait_until(lock, until);
    lock.release();
    return status == std::cv_status::no_timeout;
  }
  void NotifyOne() { condition_.notify_one(); }
  void NotifyAll() { condition_.notify_all(); }

 private:
  // The plain one: unlike condition_variable_any it allocates nothing.
  std::condition_variable condition_;
};

}  // namespace loquat::base
