// What a client of /v1/stream says, one JSON object an event: {"type": "open" | "partial" | "final" | "cancel", …}.
// docs/streaming.md has the protocol. Every field is checked; an error names the JSON pointer of the culprit.
//
// Pure but for the parser, which one thread uses at a time. Events own their strings.

#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "base/json_value.h"
#include "base/result.h"
#include "pipeline/stream/stream_events.h"

namespace loquat::ingress {

inline constexpr std::size_t kEventIdBytesMax = 64;
inline constexpr std::int64_t kTurnTimeoutMsMax = 3'600'000;

struct OpenEvent {
  pipeline::StreamOpen open;
  bool resume = false;        // Keep what is said for a client that drops and comes back.
  std::string last_event_id;  // The last event that the client has of a stream that dropped; empty: none.
};

using ClientEvent = std::variant<OpenEvent, pipeline::TextUpdate, pipeline::FinalText, pipeline::StreamCancel>;

// Errors: invalid_argument, and those of ParseJsonBody.
base::Result<ClientEvent> ParseClientEvent(std::string_view json, base::JsonParser& parser);

}  // namespace loquat::ingress
