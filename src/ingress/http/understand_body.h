// Reads the body of POST /v1/understand: one request, or a batch under "inputs". Every field is checked; an error names
// the JSON pointer of the culprit and what is allowed.
//
// Pure but for the parser, which one thread uses at a time. The requests own their strings.

#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/json_fields.h"
#include "base/json_value.h"
#include "base/result.h"
#include "config/section.h"
#include "pipeline/understand.h"

namespace loquat::ingress {

struct UnderstandBodyLimits {
  std::size_t text_bytes_max = 16 * 1024;  // Of one text; a longer one is a 413.
  std::size_t batch_max = 256;             // Inputs of one request.
};

void Declare(config::Section<UnderstandBodyLimits>& section);

inline constexpr std::size_t kCallbackUrlBytesMax = 2048;
inline constexpr int kUtcOffsetMinutesMax = 14 * 60;
// The end of the year 2199: what the clock's nanoseconds can say (until 2262), with room for "in fifty years".
inline constexpr std::int64_t kReferenceTimeMsMax = 7'258'118'399'999;

// The fields that one request and a whole stream have alike: locale, session, features, reply, reference_time_ms,
// utc_offset_minutes. `now` is what "tomorrow" counts from where the fields say nothing else.
void ReadUnderstandFields(base::JsonFields& fields, base::WallTime now, pipeline::UnderstandRequest& request);

struct UnderstandBody {
  bool batch = false;
  bool resume = false;  // Of events: a client that drops may come back for the rest. Needs a session.
  std::vector<pipeline::UnderstandRequest> inputs;  // One unless it is a batch.
};

// `now` is what "tomorrow" counts from where the body says nothing else.
base::Result<UnderstandBody> ParseUnderstandBody(std::string_view body, base::WallTime now,
                                                 const UnderstandBodyLimits& limits, base::JsonParser& parser);

}  // namespace loquat::ingress
