// Errors as gRPC says them: the canonical code and message, a google.rpc.Status with details for clients that read it
// (https://grpc.io/docs/guides/error/), and the same facts as plain trailing metadata for those that do not.
//
// Pure functions.

#pragma once

#include <grpcpp/support/status.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace loquat::ingress::grpc {

inline constexpr std::string_view kErrorDomain = "loquat";
inline constexpr std::string_view kReasonTrailer = "loquat-reason";
inline constexpr std::string_view kParamTrailer = "loquat-param";
inline constexpr std::string_view kRetryTrailer = "loquat-retry-after-ms";
// Of a message and of a param in a status: clients take 8 KiB of metadata by default, and a message is there twice.
inline constexpr std::size_t kStatusTextBytesMax = 1024;

// With the details in it, which gRPC sends as grpc-status-details-bin. `request_id` goes into the ErrorInfo.
::grpc::Status ToStatus(const base::Error& error, std::string_view request_id);

// Names and values for the trailing metadata; none for what the error does not say.
std::vector<std::pair<std::string, std::string>> ErrorTrailers(const base::Error& error);

}  // namespace loquat::ingress::grpc
