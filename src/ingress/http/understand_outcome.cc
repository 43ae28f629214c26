#include "ingress/http/understand_outcome.h"

#include <utility>

#include "ingress/http/frame_json.h"
#include "ingress/http/understand_work.h"

namespace loquat::ingress {
namespace {

using boost::asio::awaitable;

awaitable<UnderstandOutcome> Promise(pipeline::Callbacks& callbacks, const base::CallContext& call,
                                     const std::string& id, const pipeline::UnderstandRequest& request,
                                     std::string reason) {
  auto promised = co_await callbacks.Promise(call, id, request.callback_url, EncodeUnderstandWork(request));
  if (!promised.has_value()) co_return UnderstandOutcome{.status = std::move(promised).error()};
  co_return UnderstandOutcome{.status = {}, .delivery_id = std::move(*promised), .reason = std::move(reason)};
}

}  // namespace

bool AsksForCallback(const pipeline::UnderstandRequest& request) {
  return request.delivery == domain::DeliveryMode::kCallback;
}

awaitable<UnderstandOutcome> AnswerOrPromise(pipeline::UnderstandPipeline& pipeline, pipeline::Callbacks& callbacks,
                                             const base::CallContext& call, const std::string& id,
                                             const pipeline::UnderstandRequest& request,
                                             pipeline::UnderstandAnswer& answer) {
  const bool may_promise = callbacks.available() && !request.callback_url.empty();
  if (may_promise && AsksForCallback(request)) {
    co_return co_await Promise(callbacks, call, id, request, "asked for by the request");
  }
  base::Status done = co_await pipeline.Run(call, request, answer);
  if (done.has_value() && answer.delivery.mode == domain::DeliveryMode::kCallback) {
    co_return co_await Promise(callbacks, call, id, request, answer.delivery.reason);
  }
  const bool late = !done.has_value() && done.error().code == base::Code::kDeadlineExceeded;
  if (late && may_promise && !request.delivery) {
    co_return co_await Promise(callbacks, call, id, request, "out of time");
  }
  co_return UnderstandOutcome{.status = std::move(done)};
}

base::Error InBatch(base::Error error, std::size_t index) {
  if (error.param.starts_with('/')) error.param.insert(0, "/inputs/" + std::to_string(index));
  return error;
}

void WriteTicket(std::string_view id, const UnderstandOutcome& outcome, base::JsonWriter& json) {
  json.Key("id");
  json.String(id);
  json.Key("delivery");
  json.BeginObject();
  WriteDeliveryFields({.mode = domain::DeliveryMode::kCallback, .reason = outcome.reason}, json);
  json.Key("id");
  json.String(outcome.delivery_id);
  json.EndObject();
}

}  // namespace loquat::ingress
