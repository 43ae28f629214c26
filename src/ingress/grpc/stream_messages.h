// Between the messages of loquat.v1.Understanding.Stream and the stream of the pipeline.
//
// Pure functions; what they write replaces what the message held.

#pragma once

#include <loquat/v1/understanding.pb.h>

#include "base/clock.h"
#include "base/result.h"
#include "pipeline/stream/stream_events.h"

namespace loquat::ingress::grpc {

inline constexpr std::uint32_t kTurnTimeoutMsMax = 3'600'000;

// Errors: invalid_argument with pointers from the message on, as "/open/request/session".
base::Result<pipeline::StreamOpen> ReadOpen(const loquat::v1::StreamOpen& open, std::size_t text_bytes_max);
base::Status CheckUtterance(const std::string& utterance, std::string_view param);

// `call_id` is the stem of the turn's id.
void WriteEvent(std::string_view call_id, const pipeline::StreamFrame& frame, loquat::v1::StreamResponse& message);
void WriteEvent(std::string_view call_id, const pipeline::StreamTurnEnd& end, loquat::v1::StreamResponse& message);
void WriteEvent(std::string_view utterance, const base::Error& error, loquat::v1::StreamResponse& message);

}  // namespace loquat::ingress::grpc
