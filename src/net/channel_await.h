// base::Channel for coroutines on I/O loops: waiting for an item or for room suspends the coroutine, and it goes on
// on its own executor, whichever thread made the change.
// Threads: any; the coroutine stays on its executor. Lifetime: the channel outlives the wait. Close the channel, and
// let the loop run, before the loop is stopped: a waiting coroutine is owned by the channel's list until it is
// notified.

#pragma once

#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "base/channel.h"

namespace loquat::net {
namespace detail {

// Owns the suspended coroutine's handler while it is on the list.
template <typename Handler, typename Executor>
class PostingWaiter final : public base::Waiter {
 public:
  PostingWaiter(Handler handler, Executor executor) : handler_(std::move(handler)), executor_(std::move(executor)) {}
  void Notify() noexcept override {
    Executor executor = std::move(executor_);
    Handler handler = std::move(handler_);
    delete this;
    boost::asio::post(executor, std::move(handler));
  }

 private:
  Handler handler_;
  Executor executor_;
};

// `list` registers the waiter and says whether it did.
template <typename List>
boost::asio::awaitable<void> AwaitNotify(List list) {
  auto executor = co_await boost::asio::this_coro::executor;
  co_await boost::asio::async_initiate<const boost::asio::use_awaitable_t<>, void()>(
      [executor, list](auto handler) {
        using TheWaiter = PostingWaiter<decltype(handler), decltype(executor)>;
        auto* waiter = new TheWaiter(std::move(handler), executor);
        if (!list(*waiter)) waiter->Notify();
      },
      boost::asio::use_awaitable);
}

}  // namespace detail

// The next item; kClosed once the channel is closed and drained.
template <typename T, typename Ring>
boost::asio::awaitable<typename base::Channel<T, Ring>::Popped> AwaitPop(base::Channel<T, Ring>& channel) {
  for (;;) {
    auto popped = channel.TryPop();
    if (popped.has_value() || popped.error() == base::ChannelRefusal::kClosed) co_return std::move(popped);
    co_await detail::AwaitNotify([&channel](base::Waiter& waiter) { return channel.AwaitPop(waiter); });
  }
}

// Waits for room; kClosed when the channel closes first.
template <typename T, typename Ring>
boost::asio::awaitable<typename base::Channel<T, Ring>::Pushed> AwaitPush(base::Channel<T, Ring>& channel, T item) {
  for (;;) {
    auto pushed = channel.TryPush(std::move(item));
    if (pushed.has_value() || pushed.error() == base::ChannelRefusal::kClosed) co_return pushed;
    co_await detail::AwaitNotify([&channel](base::Waiter& waiter) { return channel.AwaitPush(waiter); });
  }
}

}  // namespace loquat::net
