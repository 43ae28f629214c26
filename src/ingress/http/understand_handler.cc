#include "ingress/http/understand_handler.h"

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <string>
#include <utility>

#include "base/json_writer.h"
#include "ingress/http/error_body.h"
#include "ingress/http/frame_json.h"
#include "ingress/http/json_body.h"
#include "ingress/http/understand_events.h"
#include "ingress/http/understand_work.h"

namespace loquat::ingress {

using boost::asio::awaitable;

namespace {

constexpr std::size_t kIdleMemoriesMax = 64;
constexpr std::size_t kAnswerBytesUsual = 2048;

// The pipeline points into the one input that it sees; in a batch that input lies below /inputs.
base::Error InBatch(base::Error error, std::size_t index) {
  if (error.param.starts_with('/')) error.param.insert(0, "/inputs/" + std::to_string(index));
  return error;
}

// The members of an answer that comes later, without the braces.
void WriteTicket(std::string_view id, std::string_view delivery_id, std::string_view reason, base::JsonWriter& json) {
  json.Key("id");
  json.String(id);
  json.Key("delivery");
  json.BeginObject();
  json.Key("mode");
  json.String(domain::DeliveryModeName(domain::DeliveryMode::kCallback));
  json.Key("reason");
  json.String(reason);
  json.Key("id");
  json.String(delivery_id);
  json.EndObject();
}

bool AsksForCallback(const pipeline::UnderstandRequest& request) {
  return request.delivery == domain::DeliveryMode::kCallback;
}

bool WantsEvents(const net::HttpRequest& request) {
  return request.Header("accept").contains(kEventStream);
}

}  // namespace

struct UnderstandEndpoint::Memory {
  base::JsonParser parser{base::JsonLimits{.max_depth = kJsonDepthMax}};
  pipeline::UnderstandAnswer answer;
};

UnderstandEndpoint::UnderstandEndpoint(pipeline::UnderstandPipeline& pipeline, EventStreams& streams,
                                       const UnderstandBodyLimits& limits, const base::Clock& clock,
                                       pipeline::Callbacks& callbacks)
    : pipeline_(pipeline),
      streams_(streams),
      limits_(limits),
      clock_(clock),
      callbacks_(callbacks),
      memories_(kIdleMemoriesMax) {}

UnderstandEndpoint::~UnderstandEndpoint() = default;

awaitable<void> UnderstandEndpoint::Serve(HttpCall& call) {
  const auto memory = memories_.Acquire();
  auto body = ParseUnderstandBody(call.request().body, clock_.WallNow(), limits_, memory->parser);
  if (pipeline_.may_wait()) call.context().cancel = call.exchange().WatchDisconnect();
  if (!body.has_value()) {
    call.Fail(body.error());
  } else if (body->batch) {
    co_await ServeBatch(call, *body, *memory);
  } else if (WantsEvents(call.request()) && !AsksForCallback(body->inputs.front())) {
    co_await ServeEvents(streams_, call, std::move(body->inputs.front()), body->resume);
  } else {
    co_await ServeOne(call, body->inputs.front(), *memory);
  }
}

awaitable<UnderstandEndpoint::Outcome> UnderstandEndpoint::Promise(HttpCall& call, const std::string& id,
                                                                   const pipeline::UnderstandRequest& request,
                                                                   std::string reason) {
  auto promised = co_await callbacks_.Promise(call.context(), id, request.callback_url, EncodeUnderstandWork(request));
  if (!promised.has_value()) co_return Outcome{.status = std::move(promised).error(), .delivery_id = {}, .reason = {}};
  co_return Outcome{.status = {}, .delivery_id = std::move(*promised), .reason = std::move(reason)};
}

// Nothing is understood before a callback that was asked for is promised; the policy has to see the intent first.
awaitable<UnderstandEndpoint::Outcome> UnderstandEndpoint::Answer(HttpCall& call, const std::string& id,
                                                                  const pipeline::UnderstandRequest& request,
                                                                  pipeline::UnderstandAnswer& answer) {
  const bool may_promise = callbacks_.available() && !request.callback_url.empty();
  if (may_promise && AsksForCallback(request))
    co_return co_await Promise(call, id, request, "asked for by the request");
  base::Status done = co_await pipeline_.Run(call.context(), request, answer);
  if (done.has_value() && answer.delivery.mode == domain::DeliveryMode::kCallback) {
    co_return co_await Promise(call, id, request, answer.delivery.reason);
  }
  const bool late = !done.has_value() && done.error().code == base::Code::kDeadlineExceeded;
  if (late && may_promise && !request.delivery) co_return co_await Promise(call, id, request, "out of time");
  co_return Outcome{.status = std::move(done), .delivery_id = {}, .reason = {}};
}

awaitable<void> UnderstandEndpoint::ServeOne(HttpCall& call, const pipeline::UnderstandRequest& request,
                                             Memory& memory) {
  const std::string& id = call.context().request_id;
  const Outcome outcome = co_await Answer(call, id, request, memory.answer);
  if (!outcome.status.has_value()) {
    call.Fail(outcome.status.error());
    co_return;
  }
  std::string out;
  out.reserve(kAnswerBytesUsual);
  base::JsonWriter json(out);
  json.BeginObject();
  if (outcome.delivery_id.empty()) {
    WriteAnswer(id, request, memory.answer, json);
  } else {
    WriteTicket(id, outcome.delivery_id, outcome.reason, json);
  }
  json.EndObject();
  out += '\n';
  if (outcome.delivery_id.empty()) {
    call.Respond(200, kJson, std::move(out));
    co_return;
  }
  const std::string location = "/v1/deliveries/" + outcome.delivery_id;
  const net::HttpHeader header = {.name = "Location", .value = location};
  call.Respond(202, kJson, std::move(out), {&header, 1});
}

// Each input is answered in order; one that fails has its error in its place and harms no other.
awaitable<void> UnderstandEndpoint::ServeBatch(HttpCall& call, const UnderstandBody& body, Memory& memory) {
  if (!pipeline_.may_wait()) call.context().cancel = call.exchange().WatchDisconnect();
  std::string out;
  base::JsonWriter json(out);
  json.BeginObject();
  json.Key("id");
  json.String(call.context().request_id);
  json.Key("outputs");
  json.BeginArray();
  for (std::size_t i = 0; i < body.inputs.size(); ++i) {
    if (i > 0 && i % kBatchSlice == 0)
      co_await boost::asio::post(call.exchange().executor(), boost::asio::use_awaitable);
    const std::string id = call.context().request_id + "-" + std::to_string(i);
    const Outcome outcome = co_await Answer(call, id, body.inputs[i], memory.answer);
    json.BeginObject();
    if (!outcome.delivery_id.empty()) {
      WriteTicket(id, outcome.delivery_id, outcome.reason, json);
    } else if (outcome.status.has_value()) {
      WriteAnswer(id, body.inputs[i], memory.answer, json);
    } else if (outcome.status.error().code == base::Code::kCancelled) {
      call.Fail(outcome.status.error());
      co_return;
    } else {
      json.Key("error");
      WriteError(InBatch(outcome.status.error(), i), id, json);
    }
    json.EndObject();
  }
  json.EndArray();
  json.EndObject();
  out += '\n';
  call.Respond(200, kJson, std::move(out));
}

}  // namespace loquat::ingress
