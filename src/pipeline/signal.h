// Wakes one waiting coroutine from any thread: how an engine's thread tells a request on an I/O thread that there is
// news. What the news is lies elsewhere, under a lock of its own.
//
// Notify from any thread; one coroutine at a time waits, and goes on on its own executor. While it waits, the signal
// holds the coroutine: whoever owns the executor's loop notifies all signals before the loop goes away.

#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <optional>

#include "base/mutex.h"

namespace loquat::pipeline {

class Signal {
 public:
  Signal() = default;
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;

  // Notifications are not counted: any number of them before a Wait end it at once, together.
  void Notify() LOQUAT_EXCLUDES(mutex_);
  boost::asio::awaitable<void> Wait();

 private:
  using Resume = std::move_only_function<void()>;
  // Keeps `resume` for the next Notify, or gives it back where one has come already.
  std::optional<Resume> Keep(Resume resume) LOQUAT_EXCLUDES(mutex_);

  base::Mutex mutex_;
  bool notified_ LOQUAT_GUARDED_BY(mutex_) = false;
  Resume waiter_ LOQUAT_GUARDED_BY(mutex_);
};

}  // namespace loquat::pipeline
