#include "ingress/stream/event_json.h"

#include "base/json_writer.h"
#include "ingress/http/error_body.h"
#include "ingress/http/frame_json.h"

namespace loquat::ingress {
namespace {

constexpr int kProbabilityDigits = 4;

// One object, begun with the head and ended with the scope.
class Event {
 public:
  Event(std::string_view type, const EventHead& head) : json_(out_) {
    json_.BeginObject();
    Text("type", type);
    Text("event_id", head.event_id);
    if (!head.utterance.empty()) Text("utterance", head.utterance);
  }

  base::JsonWriter& json() { return json_; }
  void Text(std::string_view key, std::string_view value) {
    json_.Key(key);
    json_.String(value);
  }
  void Flag(std::string_view key, bool value) {
    json_.Key(key);
    json_.Bool(value);
  }
  std::string Take() {
    json_.EndObject();
    return std::move(out_);
  }

 private:
  std::string out_;
  base::JsonWriter json_;
};

void WriteStability(const domain::FrameStability& stability, Event& event) {
  base::JsonWriter& json = event.json();
  json.Key("stable");
  json.BeginObject();
  event.Flag("intent", stability.intent);
  event.Flag("out_of_scope", stability.out_of_scope);
  event.Flag("locale", stability.locale);
  json.Key("slots");
  json.BeginArray();
  for (const bool slot : stability.slots) json.Bool(slot);
  json.EndArray();
  json.Key("intent_risk");
  json.Fixed(stability.intent_risk, kProbabilityDigits);
  json.EndObject();
}

}  // namespace

std::string OpenedJson(const EventHead& head, const OpenedEvent& opened) {
  Event event("opened", head);
  event.Text("stream", opened.stream);
  if (!opened.session.empty()) event.Text("session", opened.session);
  event.Flag("resumed", opened.resumed);
  event.json().Key("resume_for_ms");
  event.json().Int(opened.resume_for.count());
  return event.Take();
}

std::string FrameJson(const EventHead& head, const pipeline::StreamFrame& frame) {
  Event event("frame", head);
  base::JsonWriter& json = event.json();
  event.Text("id", head.id);
  json.Key("revision");
  json.Uint(frame.revision);
  event.Flag("final", frame.final);
  WriteFrame(frame.request, frame.frame, json);
  WriteStability(frame.stability, event);
  if (!frame.final) {
    json.Key("end_of_turn");
    json.BeginObject();
    event.Flag("likely", frame.turn_end.likely);
    json.Key("probability");
    json.Fixed(frame.turn_end.probability, kProbabilityDigits);
    json.Key("wait_ms");
    json.Uint(frame.turn_end.wait_ms);
    json.EndObject();
  }
  json.Key("timings_us");
  WriteTimings(frame.frame.timings, json);
  return event.Take();
}

std::string ReplyDeltaJson(const EventHead& head, std::string_view text) {
  Event event("reply_delta", head);
  event.Text("text", text);
  return event.Take();
}

std::string ReplyJson(const EventHead& head, const domain::Reply& reply) {
  Event event("reply", head);
  WriteReplyFields(reply, event.json());
  return event.Take();
}

std::string TurnEndJson(const EventHead& head, const pipeline::StreamTurnEnd& end) {
  Event event("turn_end", head);
  base::JsonWriter& json = event.json();
  event.Text("id", head.id);
  event.Text("reason", pipeline::TurnEndReasonName(end.reason));
  if (end.answer != nullptr) {
    if (end.answer->session != nullptr) {
      json.Key("session");
      WriteSessionState(*end.answer->session, json);
    }
    json.Key("delivery");
    WriteDelivery(end.answer->delivery, json);
    json.Key("timings_us");
    WriteTimings(end.answer->frame.timings, json);
  }
  return event.Take();
}

std::string ErrorJson(const EventHead& head, const base::Error& error) {
  Event event("error", head);
  event.json().Key("error");
  WriteError(error, head.id, event.json());
  return event.Take();
}

}  // namespace loquat::ingress
