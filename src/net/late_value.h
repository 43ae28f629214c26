// A value that another thread makes, for one coroutine on an I/O loop to wait for, with a limit.
//
// Set may be called from any thread, once, while the executor's loop lives; Get belongs to that loop. Shared by both
// sides: whoever comes last destroys it, on any thread, also after the loop: the timer is the coroutine's own.

#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <memory>
#include <optional>
#include <utility>

#include "base/clock.h"

namespace loquat::net {

template <typename T>
class LateValue : public std::enable_shared_from_this<LateValue<T>> {
 public:
  explicit LateValue(boost::asio::any_io_executor executor) : executor_(std::move(executor)) {}

  void Set(T value) {
    boost::asio::post(executor_, [self = this->shared_from_this(), value = std::move(value)]() mutable {
      self->value_ = std::move(value);
      if (self->waiting_ != nullptr) self->waiting_->cancel();
    });
  }

  // Empty: it did not come until then.
  static boost::asio::awaitable<std::optional<T>> Get(std::shared_ptr<LateValue> late,
                                                      base::TimePoint until = base::TimePoint::max()) {
    if (!late->value_) {
      boost::asio::steady_timer timer(late->executor_, until);
      late->waiting_ = &timer;
      (void)co_await timer.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
      late->waiting_ = nullptr;
    }
    co_return std::move(late->value_);
  }

 private:
  const boost::asio::any_io_executor executor_;
  boost::asio::steady_timer* waiting_ = nullptr;  // on the loop alone
  std::optional<T> value_;
};

}  // namespace loquat::net
