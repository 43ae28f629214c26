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
#include "ingress/http/understand_outcome.h"

namespace loquat::ingress {

using boost::asio::awaitable;
namespace {

constexpr std::size_t kIdleMemoriesMax = 64;
constexpr std::size_t kAnswerBytesUsual = 2048;

bool WantsEvents(const net::HttpRequest& request) {
  return request.Header("accept").contains(kEventStream);
}

}  // namespace

struct UnderstandEndpoint::Memory {
  base::JsonParser parser{base::JsonLimits{.max_depth = kJsonDepthMax}};
  pipeline::UnderstandAnswer answer;
};

UnderstandEndpoint::UnderstandEndpoint(const UnderstandParts& parts, const UnderstandBodyLimits& limits)
    : parts_(parts), limits_(limits), memories_(kIdleMemoriesMax) {}

UnderstandEndpoint::~UnderstandEndpoint() = default;

awaitable<void> UnderstandEndpoint::Serve(HttpCall& call) {
  const auto memory = memories_.Acquire();
  auto body = ParseUnderstandBody(call.request().body, parts_.clock.WallNow(), limits_, memory->parser);
  if (parts_.pipeline.may_wait()) call.context().cancel = call.exchange().WatchDisconnect();
  if (!body.has_value()) {
    call.Fail(body.error());
  } else if (body->batch) {
    co_await ServeBatch(call, *body, *memory);
  } else if (WantsEvents(call.request()) && !AsksForCallback(body->inputs.front())) {
    co_await ServeEvents(parts_.streams, call, std::move(body->inputs.front()), body->resume);
  } else {
    co_await ServeOne(call, body->inputs.front(), *memory);
  }
}

awaitable<void> UnderstandEndpoint::ServeOne(HttpCall& call, const pipeline::UnderstandRequest& request,
                                             Memory& memory) {
  const std::string& id = call.context().request_id;
  const UnderstandOutcome outcome =
      co_await AnswerOrPromise(parts_.pipeline, parts_.callbacks, call.context(), id, request, memory.answer);
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
    WriteTicket(id, outcome, json);
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
  if (!parts_.pipeline.may_wait()) call.context().cancel = call.exchange().WatchDisconnect();
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
    const UnderstandOutcome outcome =
        co_await AnswerOrPromise(parts_.pipeline, parts_.callbacks, call.context(), id, body.inputs[i], memory.answer);
    json.BeginObject();
    if (!outcome.delivery_id.empty()) {
      WriteTicket(id, outcome, json);
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
