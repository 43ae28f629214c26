// The headers of what is produced: a result's say what it answers, a dead letter's besides why there is no answer.
// Pure functions.

#pragma once

#include <librdkafka/rdkafka.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "base/call_context.h"
#include "base/result.h"
#include "ingress/kafka/record.h"

namespace loquat::ingress::kafka {

inline constexpr std::size_t kErrorMessageBytesMax = 1024;  // Of the header; cut at a character.
inline constexpr std::string_view kOwnHeaderPrefix = "loquat-";

struct HeadersDeleter {
  void operator()(rd_kafka_headers_t* headers) const { rd_kafka_headers_destroy(headers); }
};
using Headers = std::unique_ptr<rd_kafka_headers_t, HeadersDeleter>;

struct Source {
  std::string_view topic;
  std::int32_t partition = 0;
  std::int64_t offset = 0;
};

struct DeadLetter {
  const base::Error& error;
  std::uint32_t attempts = 0;  // At understanding it.
  bool bare = false;           // Without the value and the headers of the record, which the topic would not take.
};

// content-type, x-request-id, traceparent, tracestate, loquat-source-topic, -partition, -offset.
Headers ResultHeaders(const base::CallContext& call, const Source& source);

// Those of the record but for "loquat-" ones, which may be of an earlier dead letter; x-request-id where it has none;
// loquat-error-code, -reason, -message, -param, loquat-attempts, loquat-source-topic, -partition, -offset; of a bare
// one loquat-dropped-bytes.
Headers DeadLetterHeaders(const base::CallContext& call, const Source& source, const Record& record,
                          const DeadLetter& letter);

}  // namespace loquat::ingress::kafka
