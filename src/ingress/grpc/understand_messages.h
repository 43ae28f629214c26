// Between the messages of loquat.v1.Understanding and the pipeline's requests and answers. The rules are those of the
// HTTP API (ingress/http/understand_body.h); an error names the field by a JSON pointer, as "/text".
//
// Pure functions. What they fill is reused from call to call and keeps its memory.

#pragma once

#include <loquat/v1/understanding.pb.h>

#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "pipeline/understand.h"

namespace loquat::ingress::grpc {

inline constexpr int kFeaturesMax = 8;  // Listed in one request, as in the HTTP API.

// `now` is what "tomorrow" counts from where the message says nothing else. Errors: invalid_argument, and
// resource_exhausted "text_too_large".
base::Status ReadRequest(const loquat::v1::UnderstandRequest& message, base::WallTime now, std::size_t text_bytes_max,
                         pipeline::UnderstandRequest& request);

void WriteResponse(std::string_view id, const pipeline::UnderstandRequest& request,
                   const pipeline::UnderstandAnswer& answer, loquat::v1::UnderstandResponse& message);

void WriteFrame(std::string_view text, const pipeline::UnderstandRequest& request, const domain::Frame& frame,
                loquat::v1::Frame& message);
void WriteReply(const domain::Reply& reply, loquat::v1::Reply& message);
void WriteSession(const domain::Session& session, loquat::v1::SessionState& message);
void WriteDelivery(const domain::Delivery& delivery, loquat::v1::Delivery& message);
void WriteTimings(const domain::StageTimings& timings, loquat::v1::Timings& message);
void WriteFault(const base::Error& error, loquat::v1::Fault& message);

}  // namespace loquat::ingress::grpc
