// A cancel token for one piece of work inside a call: cancelled when the client goes away, when the server stops, when
// the time for this piece is up, and when the limit itself goes: nobody waits any more then.
//
// Made and destroyed by the coroutine of its call; the token is good on any thread.

#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>

#include "base/cancel.h"
#include "base/clock.h"

namespace loquat::pipeline {

class TimeLimit {
 public:
  // `left`: from now; Duration::max(): as long as it takes. A timer runs in the time of the executor.
  TimeLimit(const boost::asio::any_io_executor& executor, base::Duration left, const base::CancelToken& client,
            const base::CancelToken& stop);
  ~TimeLimit();
  TimeLimit(const TimeLimit&) = delete;
  TimeLimit& operator=(const TimeLimit&) = delete;

  base::CancelToken token() const;
  // Time was up before anybody else cancelled.
  bool late() const;

 private:
  struct State;
  using Watch = base::CancelCallback<std::function<void()>>;

  const std::shared_ptr<State> state_;
  boost::asio::steady_timer timer_;
  const Watch client_gone_, stopping_;
};

}  // namespace loquat::pipeline
