#include "pipeline/encode_call.h"

#include <fmt/format.h>

#include <functional>
#include <optional>
#include <utility>

#include "base/mutex.h"
#include "pipeline/signal.h"
#include "pipeline/time_limit.h"

namespace loquat::pipeline {

// Where the engine's thread lays down its answer and the coroutine picks it up; the first word stands.
class EncodeCall::Answer {
 public:
  void Set(base::Result<engine::EncodeResult> result) LOQUAT_EXCLUDES(mutex_) {
    {
      const base::MutexLock lock(mutex_);
      if (set_) return;
      set_ = true;
      result_ = std::move(result);
    }
    there_.Notify();
  }
  boost::asio::awaitable<base::Result<engine::EncodeResult>> Get() {
    for (;;) {
      {
        const base::MutexLock lock(mutex_);
        if (set_) co_return std::move(result_);
      }
      co_await there_.Wait();
    }
  }

 private:
  Signal there_;
  base::Mutex mutex_;
  bool set_ LOQUAT_GUARDED_BY(mutex_) = false;
  base::Result<engine::EncodeResult> result_ LOQUAT_GUARDED_BY(mutex_);
};

struct EncodeCall::Watches {
  using Watch = base::CancelCallback<std::function<void()>>;

  Watches(const boost::asio::any_io_executor& executor, base::Duration left, const base::CallContext& call,
          const base::CancelToken& stop, Answer& answer, const std::string& model)
      : limit(executor, left, call.cancel, stop), cancelled(limit.token(), [this, &answer, &call, model] {
          if (limit.late()) {
            answer.Set(base::Error{.code = base::Code::kDeadlineExceeded,
                                   .message = fmt::format("the model {} took longer than it may", model),
                                   .reason = "model_late"});
          } else if (call.cancel.cancelled()) {
            answer.Set(base::Cancelled("the client went away"));
          } else {
            answer.Set(base::Error{.code = base::Code::kUnavailable,
                                   .message = "the server is stopping; send the request again",
                                   .reason = "stopping",
                                   .retry_after = std::chrono::seconds(1)});
          }
        }) {}

  TimeLimit limit;
  Watch cancelled;  // Goes first.
};

EncodeCall::EncodeCall(const boost::asio::any_io_executor& executor, const base::Clock& clock,
                       const base::CallContext& call, const Limits& limits, engine::Engine& engine,
                       engine::EncodeRequest request)
    : answer_(std::make_shared<Answer>()) {
  base::CallContext inner = call;
  inner.deadline = call.deadline.EarlierOf(limits.deadline);
  watches_ =
      std::make_unique<Watches>(executor, inner.deadline.Left(clock), call, limits.stop, *answer_, engine.info().name);
  inner.cancel = watches_->limit.token();
  const base::Status asked =
      engine.Encode(inner, std::move(request), [answer = answer_](auto result) { answer->Set(std::move(result)); });
  if (!asked.has_value()) answer_->Set(asked.error());
}

EncodeCall::~EncodeCall() = default;

boost::asio::awaitable<base::Result<engine::EncodeResult>> EncodeCall::Get() {
  co_return co_await answer_->Get();
}

}  // namespace loquat::pipeline
