#include "ingress/http/understand_events.h"

#include <string>

#include "base/json_writer.h"
#include "ingress/http/frame_json.h"
#include "net/sse.h"

namespace loquat::ingress {
namespace {

using boost::asio::awaitable;

std::string FrameEvent(const HttpCall& call, const pipeline::UnderstandRequest& request,
                       const pipeline::UnderstandAnswer& answer) {
  std::string data;
  base::JsonWriter json(data);
  json.BeginObject();
  json.Key("id");
  json.String(call.context().request_id);
  WriteFrame(request, answer.frame, json);
  json.Key("final");
  json.Bool(true);
  json.EndObject();
  return data;
}

std::string ReplyEvent(const domain::Reply& reply) {
  std::string data;
  base::JsonWriter json(data);
  json.BeginObject();
  json.Key("text");
  json.String(reply.text);
  json.Key("source");
  json.String(domain::ReplySourceName(reply.source));
  json.EndObject();
  return data;
}

std::string TurnEndEvent(const pipeline::UnderstandAnswer& answer) {
  std::string data;
  base::JsonWriter json(data);
  json.BeginObject();
  if (answer.session != nullptr) {
    json.Key("session");
    WriteSessionState(*answer.session, json);
  }
  json.Key("delivery");
  json.BeginObject();
  json.Key("mode");
  json.String(domain::DeliveryModeName(answer.delivery.mode));
  json.Key("reason");
  json.String(answer.delivery.reason);
  json.EndObject();
  json.Key("timings_us");
  WriteTimings(answer.frame.timings, json);
  json.EndObject();
  return data;
}

}  // namespace

awaitable<void> ServeEvents(pipeline::UnderstandPipeline& pipeline, HttpCall& call,
                            const pipeline::UnderstandRequest& request, pipeline::UnderstandAnswer& answer) {
  const base::Status done = co_await pipeline.Run(call.context(), request, answer);
  if (!done.has_value()) {
    call.Fail(done.error());
    co_return;
  }
  std::string events;
  int id = 0;
  const auto add = [&](std::string_view name, const std::string& data) {
    net::AppendSseEvent(events, {.data = data, .event = name, .id = std::to_string(++id)});
  };
  add("frame", FrameEvent(call, request, answer));
  if (answer.reply) add("reply", ReplyEvent(*answer.reply));
  add("turn_end", TurnEndEvent(answer));
  call.BeginEvents();
  const base::Status written = co_await call.exchange().Write(events);
  // A client that has gone needs no end of the stream, and nobody else is there to tell.
  if (written.has_value()) static_cast<void>((co_await call.exchange().Finish()).has_value());
}

}  // namespace loquat::ingress
