// What a stream says, as JSON objects: the same on a WebSocket and as the data of server-sent events. Pure functions.

#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "pipeline/stream/stream_events.h"

namespace loquat::ingress {

// What every event begins with.
struct EventHead {
  std::string_view event_id;   // "k3f9-17": what last_event_id may name.
  std::string_view id;         // Of the call: the answer's id, an error's request id.
  std::string_view utterance;  // Empty: it speaks of none.
};

struct OpenedEvent {
  std::string_view stream;
  std::string_view session;  // Empty: none.
  bool resumed = false;      // What was missed follows.
  // How long after a drop the stream can be resumed; zero: it cannot.
  std::chrono::milliseconds resume_for{0};
};

std::string OpenedJson(const EventHead& head, const OpenedEvent& opened);
std::string FrameJson(const EventHead& head, const pipeline::StreamFrame& frame);
std::string ReplyDeltaJson(const EventHead& head, std::string_view text);
std::string ReplyJson(const EventHead& head, const domain::Reply& reply);
std::string TurnEndJson(const EventHead& head, const pipeline::StreamTurnEnd& end);
std::string ErrorJson(const EventHead& head, const base::Error& error);

}  // namespace loquat::ingress
