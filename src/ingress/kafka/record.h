// A record of the input topic as a request: its value is a body of POST /v1/understand for one utterance, its key is
// the session, its headers are what HTTP's would be. Every byte of it came from outside.
//
// Pure but for the parser and the ids. A Record views the message that it was made from.

#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/call_context.h"
#include "base/clock.h"
#include "base/json_value.h"
#include "base/result.h"
#include "ingress/http/understand_body.h"
#include "observe/trace.h"
#include "pipeline/understand.h"

namespace loquat::ingress::kafka {

inline constexpr std::size_t kHeadersMax = 128;  // Of one record; more make it a dead letter.

struct RecordHeader {
  std::string_view name;
  std::optional<std::string_view> value;  // Kafka knows headers without a value.
};

struct Record {
  std::optional<std::string_view> key;
  std::optional<std::string_view> value;  // None: a tombstone.
  std::vector<RecordHeader> headers;      // In their order; names may repeat, and then the last one holds.
  std::optional<base::WallTime> timestamp;

  std::size_t bytes() const;
};

// What the reading of a record gave.
struct RecordRequest {
  base::CallContext context;  // Complete but for arrival, deadline and cancel, which each attempt has anew.
  base::Deadline deadline;    // That of the headers; attempts have their own besides.
  pipeline::UnderstandRequest request;
  // Records of one session keep their order; empty: of none.
  const std::string& order_key() const { return request.utterance.session; }
};

struct RecordLimits {
  std::size_t record_bytes_max = std::size_t{1} << 20;
  UnderstandBodyLimits body;
  base::Priority priority = base::Priority::kBatch;  // Where no header says it.
};

// Fills `out`, of which the context's ids are good on an error too. Errors: invalid_argument "record_null",
// "record_batch", "record_key", "record_headers", "content_type"; resource_exhausted "record_too_large"; those of
// ParseUnderstandBody.
base::Status ReadRecord(const Record& record, const RecordLimits& limits, const base::Clock& clock,
                        observe::IdGenerator& ids, base::JsonParser& parser, RecordRequest& out);

// The last header of the name, ignoring its case; a view without data where there is none or it has no value.
std::string_view FindHeader(const Record& record, std::string_view name);

}  // namespace loquat::ingress::kafka
