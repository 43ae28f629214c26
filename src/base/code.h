// Canonical outcome codes, with gRPC's numbers and meanings (https://grpc.github.io/grpc/core/md_doc_statuscodes.html).
// One table elsewhere maps them to each protocol; nothing else invents codes.

#pragma once

#include <cstdint>
#include <string_view>

namespace loquat::base {

enum class Code : std::uint8_t {
  kOk = 0,
  kCancelled = 1,
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kAborted = 10,
  kOutOfRange = 11,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kDataLoss = 15,
  kUnauthenticated = 16,
};

// The name users see, in snake case: "invalid_argument".
constexpr std::string_view CodeName(Code code) {
  constexpr std::string_view kNames[] = {
      "ok",        "cancelled",      "unknown",           "invalid_argument",   "deadline_exceeded",
      "not_found", "already_exists", "permission_denied", "resource_exhausted", "failed_precondition",
      "aborted",   "out_of_range",   "unimplemented",     "internal",           "unavailable",
      "data_loss", "unauthenticated"};
  return kNames[static_cast<std::uint8_t>(code)];
}

}  // namespace loquat::base
