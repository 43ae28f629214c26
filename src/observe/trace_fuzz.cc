// Any bytes as trace headers: the first line is traceparent, the rest is tracestate. What is accepted is written back
// in a form that is accepted again, as the same.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "observe/trace.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t newline = text.find('\n');
  const std::string_view parent = text.substr(0, newline);
  const std::string_view state = newline == std::string_view::npos ? std::string_view() : text.substr(newline + 1);
  loquat::observe::IdGenerator ids(7);
  const auto trace = loquat::observe::StartTrace(parent, state, true, ids);
  const auto again = loquat::observe::ParseTraceparent(loquat::observe::FormatTraceparent(trace));
  LOQUAT_CHECK(again.has_value() && again->trace_id == trace.trace_id && again->parent_id == trace.span_id &&
                   again->sampled == trace.sampled,
               "what is written is accepted");
  if (const auto parsed = loquat::observe::ParseTracestate(state); parsed.has_value()) {
    const auto twice = loquat::observe::ParseTracestate(*parsed);
    LOQUAT_CHECK(twice.has_value() && *twice == *parsed, "a clean tracestate stays as it is");
  }
  (void)loquat::observe::IsValidRequestId(text);
  return 0;
}
