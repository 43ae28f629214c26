#include "pipeline/encode_call.h"

#include <fmt/format.h>

#include <functional>
#include <utility>

#include "pipeline/stopping.h"
#include "pipeline/time_limit.h"

namespace loquat::pipeline {

struct EncodeCall::Watches {
  using Watch = base::CancelCallback<std::function<void()>>;

  Watches(const boost::asio::any_io_executor& executor, base::Duration left, const base::CallContext& call,
          const base::CancelToken& stop, EncodeAnswer& answer, const std::string& model)
      : limit(executor, left, call.cancel, stop), cancelled(limit.token(), [this, &answer, &call, model] {
          if (limit.late()) {
            answer.Set(base::Error{.code = base::Code::kDeadlineExceeded,
                                   .message = fmt::format("the model {} took longer than it may", model),
                                   .reason = "model_late"});
          } else if (call.cancel.cancelled()) {
            answer.Set(base::Cancelled("the client went away"));
          } else {
            answer.Set(ServerStopping());
          }
        }) {}

  TimeLimit limit;
  Watch cancelled;  // Goes first.
};

EncodeCall::EncodeCall(const boost::asio::any_io_executor& executor, const base::Clock& clock,
                       const base::CallContext& call, const Limits& limits, engine::Engine& engine,
                       engine::EncodeRequest request)
    : answer_(std::make_shared<EncodeAnswer>()) {
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
