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

bool WantsEvents(const net::HttpRequest& request) {
  return request.Header("accept").contains(kEventStream);
}

}  // namespace

struct UnderstandEndpoint::Memory {
  base::JsonParser parser{base::JsonLimits{.max_depth = kJsonDepthMax}};
  pipeline::UnderstandAnswer answer;
};

UnderstandEndpoint::UnderstandEndpoint(pipeline::UnderstandPipeline& pipeline, EventStreams& streams,
                                       const UnderstandBodyLimits& limits, const base::Clock& clock)
    : pipeline_(pipeline), streams_(streams), limits_(limits), clock_(clock), memories_(kIdleMemoriesMax) {}

UnderstandEndpoint::~UnderstandEndpoint() = default;

awaitable<void> UnderstandEndpoint::Serve(HttpCall& call) {
  const auto memory = memories_.Acquire();
  auto body = ParseUnderstandBody(call.request().body, clock_.WallNow(), limits_, memory->parser);
  if (pipeline_.may_wait()) call.context().cancel = call.exchange().WatchDisconnect();
  if (!body.has_value()) {
    call.Fail(body.error());
  } else if (body->batch) {
    co_await ServeBatch(call, *body, *memory);
  } else if (WantsEvents(call.request())) {
    co_await ServeEvents(streams_, call, std::move(body->inputs.front()), body->resume);
  } else {
    co_await ServeOne(call, body->inputs.front(), *memory);
  }
}

awaitable<void> UnderstandEndpoint::ServeOne(HttpCall& call, const pipeline::UnderstandRequest& request,
                                             Memory& memory) {
  const base::Status done = co_await pipeline_.Run(call.context(), request, memory.answer);
  if (!done.has_value()) {
    call.Fail(done.error());
    co_return;
  }
  std::string out;
  out.reserve(kAnswerBytesUsual);
  base::JsonWriter json(out);
  json.BeginObject();
  WriteAnswer(call.context().request_id, request, memory.answer, json);
  json.EndObject();
  out += '\n';
  call.Respond(200, kJson, std::move(out));
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
    const base::Status done = co_await pipeline_.Run(call.context(), body.inputs[i], memory.answer);
    json.BeginObject();
    if (done.has_value()) {
      WriteAnswer(id, body.inputs[i], memory.answer, json);
    } else if (done.error().code == base::Code::kCancelled) {
      call.Fail(done.error());
      co_return;
    } else {
      json.Key("error");
      WriteError(InBatch(done.error(), i), id, json);
    }
    json.EndObject();
  }
  json.EndArray();
  json.EndObject();
  out += '\n';
  call.Respond(200, kJson, std::move(out));
}

}  // namespace loquat::ingress
