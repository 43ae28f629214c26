// W3C Trace Context level 1 (https://www.w3.org/TR/trace-context-1/): reading and writing traceparent and tracestate,
// and the ids of traces, spans and requests. Pure functions but for IdGenerator, which is thread-safe.
//
// Reading is strict. By the standard's section 4.3 a bad traceparent starts a new trace, and a bad tracestate is
// dropped while the traceparent is kept; StartTrace does both.

#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/call_context.h"
#include "base/result.h"

namespace loquat::observe {

inline constexpr std::size_t kTraceparentBytes = 55;      // "00-<32 hex>-<16 hex>-<2 hex>", section 3.2.
inline constexpr std::size_t kTracestateMembersMax = 32;  // Section 3.3.1.1.
inline constexpr std::size_t kTracestateBytesMax = 8192;  // The standard asks for 512 at least.
inline constexpr std::size_t kRequestIdBytesMax = 128;
inline constexpr std::size_t kRequestIdBytes = 26;  // Of one that we make: 128 bits in base 32.

// Lower-case hexadecimal, two digits a byte.
std::string HexId(std::span<const std::uint8_t> id);

struct Traceparent {
  std::array<std::uint8_t, 16> trace_id{};  // Never all zero.
  std::array<std::uint8_t, 8> parent_id{};  // Never all zero.
  bool sampled = false;
};

// A higher version is read as version 00 plus what follows a dash (section 3.2.4); "ff" is invalid.
base::Result<Traceparent> ParseTraceparent(std::string_view header);

// Checks the header (several tracestate headers are joined with commas by the caller) and gives it back without
// optional whitespace and empty members. Members keep their order. Duplicate keys are an error.
base::Result<std::string> ParseTracestate(std::string_view header);

// Version 00, with our own span as the parent of what we call.
std::string FormatTraceparent(const base::TraceContext& trace);

// Random ids, unique over processes: a 128-bit secret from the kernel at construction, then a counter mixed with it.
// They cannot be told apart from random ones by chance; they are no secrets. Thread-safe and wait-free.
class IdGenerator {
 public:
  IdGenerator();
  // Reproducible, for tests.
  explicit IdGenerator(std::uint64_t seed);

  std::array<std::uint8_t, 16> TraceId();
  std::array<std::uint8_t, 8> SpanId();
  // kRequestIdBytes characters of Crockford's base 32 in lower case: safe in headers, paths and log lines.
  std::string RequestId();

 private:
  std::array<std::uint64_t, 2> Next();

  std::array<std::uint64_t, 2> secret_{};  // Constant after construction.
  // Relaxed: only that no two calls get the same number matters.
  std::atomic<std::uint64_t> counter_{0};
};

// The context of a call that came with these headers (empty: without), with a span id of its own. `sample_new` is the
// sampled flag of a trace that starts here.
base::TraceContext StartTrace(std::string_view traceparent, std::string_view tracestate, bool sample_new,
                              IdGenerator& ids);

// 1 to kRequestIdBytesMax letters, digits and "-_.:/+=@~": nothing that needs an escape in a header, a path, JSON or a
// log.
bool IsValidRequestId(std::string_view id);

}  // namespace loquat::observe
