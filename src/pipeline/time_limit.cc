#include "pipeline/time_limit.h"

#include <atomic>

namespace loquat::pipeline {

struct TimeLimit::State {
  base::CancelSource source;
  // Relaxed: the cancellation that follows it orders what matters.
  std::atomic<bool> late{false};
};

TimeLimit::TimeLimit(const boost::asio::any_io_executor& executor, base::Duration left, const base::CancelToken& client,
                     const base::CancelToken& stop)
    : state_(std::make_shared<State>()),
      timer_(executor),
      client_gone_(client, [state = state_.get()] { state->source.Cancel(); }),
      stopping_(stop, [state = state_.get()] { state->source.Cancel(); }) {
  if (left == base::Duration::max()) return;
  timer_.expires_after(left);
  // The handler may run after this object has gone: it holds what it touches.
  timer_.async_wait([state = state_](const boost::system::error_code& error) {
    if (error || state->source.cancelled()) return;
    state->late.store(true, std::memory_order_relaxed);
    state->source.Cancel();
  });
}

TimeLimit::~TimeLimit() {
  timer_.cancel();
  // Whoever still works on this piece works for nobody.
  state_->source.Cancel();
}

base::CancelToken TimeLimit::token() const {
  return state_->source.token();
}

bool TimeLimit::late() const {
  return state_->late.load(std::memory_order_relaxed);
}

}  // namespace loquat::pipeline
