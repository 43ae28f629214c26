// Who asks, until when, and under which trace: made once at ingress, passed by const reference along the whole road.
// Immutable once made; safe to read from any thread. It outlives every stage of its call.

#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/deadline.h"

namespace loquat::base {

// W3C Trace Context level 1 (https://www.w3.org/TR/trace-context/).
struct TraceContext {
  std::array<std::uint8_t, 16> trace_id{};
  std::array<std::uint8_t, 8> span_id{};         // Of our own span.
  std::array<std::uint8_t, 8> parent_span_id{};  // Of the caller; all zero: we are the root.
  bool sampled = false;
  std::string state;  // The tracestate header, passed on as it came.
};

enum class Priority : std::uint8_t { kInteractive, kBatch };

struct CallContext {
  std::string request_id;
  TraceContext trace;
  TimePoint received_at;  // When the request's head had arrived: timeouts and latencies count from here.
  std::string tenant;     // Name of the API key used; "anonymous" where no key is asked for.
  Deadline deadline;
  Priority priority = Priority::kInteractive;
  CancelToken cancel;
};

}  // namespace loquat::base
