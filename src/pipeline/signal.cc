#include "pipeline/signal.h"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

namespace loquat::pipeline {

namespace asio = boost::asio;

void Signal::Notify() {
  Resume waiter;
  {
    const base::MutexLock lock(mutex_);
    if (!waiter_) {
      notified_ = true;
      return;
    }
    waiter = std::exchange(waiter_, nullptr);
  }
  waiter();
}

std::optional<Signal::Resume> Signal::Keep(Resume resume) {
  const base::MutexLock lock(mutex_);
  if (std::exchange(notified_, false)) return resume;
  waiter_ = std::move(resume);
  return std::nullopt;
}

asio::awaitable<void> Signal::Wait() {
  const auto executor = co_await asio::this_coro::executor;
  co_await asio::async_initiate<const asio::use_awaitable_t<>, void()>(
      [this, executor](auto handler) {
        // The guard keeps the loop turning though nothing else may be left on it.
        auto at_once = Keep([guard = asio::make_work_guard(executor), resumed = std::move(handler)]() mutable {
          asio::post(guard.get_executor(), std::move(resumed));
        });
        if (at_once) (*at_once)();
      },
      asio::use_awaitable);
}

}  // namespace loquat::pipeline
