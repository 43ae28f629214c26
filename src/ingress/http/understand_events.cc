#include "ingress/http/understand_events.h"

#include <string>
#include <utility>

#include "base/json_writer.h"
#include "ingress/http/error_body.h"
#include "ingress/http/frame_json.h"
#include "net/sse.h"
#include "response/sink.h"

namespace loquat::ingress {
namespace {

using boost::asio::awaitable;

std::string FrameEvent(const HttpCall& call, const pipeline::UnderstandRequest& request, const domain::Frame& frame) {
  std::string data;
  base::JsonWriter json(data);
  json.BeginObject();
  json.Key("id");
  json.String(call.context().request_id);
  WriteFrame(request, frame, json);
  json.Key("final");
  json.Bool(true);
  json.EndObject();
  return data;
}

std::string ReplyEvent(const domain::Reply& reply) {
  std::string data;
  base::JsonWriter json(data);
  WriteReply(reply, json);
  return data;
}

std::string DeltaEvent(std::string_view text) {
  std::string data;
  base::JsonWriter json(data);
  json.BeginObject();
  json.Key("text");
  json.String(text);
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

// The stream of one request.
class EventWriter final : public response::AnswerSink {
 public:
  EventWriter(HttpCall& call, const pipeline::UnderstandRequest& request) : call_(call), request_(request) {}

  bool begun() const { return begun_; }
  void Add(std::string_view name, const std::string& data) {
    net::AppendSseEvent(events_, {.data = data, .event = name, .id = std::to_string(++id_)});
  }
  awaitable<base::Status> Flush() {
    if (!std::exchange(begun_, true)) call_.BeginEvents();
    const std::string events = std::exchange(events_, {});
    co_return co_await call_.exchange().Write(events);
  }

  awaitable<base::Status> OnFrame(const domain::Frame& frame) override {
    Add("frame", FrameEvent(call_, request_, frame));
    co_return co_await Flush();
  }
  awaitable<base::Status> OnReplyDelta(std::string_view text) override {
    Add("reply_delta", DeltaEvent(text));
    co_return co_await Flush();
  }

 private:
  HttpCall& call_;
  const pipeline::UnderstandRequest& request_;
  std::string events_;  // Not yet written.
  int id_ = 0;
  bool begun_ = false;
};

}  // namespace

awaitable<void> ServeEvents(pipeline::UnderstandPipeline& pipeline, HttpCall& call,
                            const pipeline::UnderstandRequest& request, pipeline::UnderstandAnswer& answer) {
  EventWriter writer(call, request);
  const base::Status done = co_await pipeline.Run(call.context(), request, answer, &writer);
  if (!done.has_value()) {
    call.Fail(done.error());
    if (!writer.begun() || done.error().code == base::Code::kCancelled) co_return;
    writer.Add("error", ErrorBody(done.error(), call.context().request_id));
  } else {
    if (!writer.begun()) writer.Add("frame", FrameEvent(call, request, answer.frame));
    if (answer.reply) writer.Add("reply", ReplyEvent(*answer.reply));
    writer.Add("turn_end", TurnEndEvent(answer));
  }
  const base::Status written = co_await writer.Flush();
  // A client that has gone needs no end of the stream, and nobody else is there to tell.
  if (written.has_value()) static_cast<void>((co_await call.exchange().Finish()).has_value());
}

}  // namespace loquat::ingress
