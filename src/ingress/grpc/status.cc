#include "ingress/grpc/status.h"

#include <google/rpc/error.pb.h>

#include <string>

#include "base/utf8.h"

namespace loquat::ingress::grpc {
namespace {

// Cut at a character; metadata and protobuf strings take valid UTF-8 only.
std::string Bounded(std::string_view text) {
  std::string out;
  base::AppendUtf8Repaired(text.substr(0, kStatusTextBytesMax), out);
  return out;
}

void Add(const google::protobuf::Message& detail, google::rpc::Status& status) {
  status.add_details()->PackFrom(detail);
}

std::string Details(const base::Error& error, const std::string& message, std::string_view request_id) {
  google::rpc::Status status;
  status.set_code(static_cast<int>(error.code));
  status.set_message(message);
  google::rpc::ErrorInfo info;
  info.set_reason(error.reason.empty() ? std::string(base::CodeName(error.code)) : error.reason);
  info.set_domain(std::string(kErrorDomain));
  if (!request_id.empty()) (*info.mutable_metadata())["request_id"] = request_id;
  Add(info, status);
  if (error.retry_after.count() > 0) {
    google::rpc::RetryInfo retry;
    retry.mutable_retry_delay()->set_seconds(error.retry_after.count() / 1000);
    retry.mutable_retry_delay()->set_nanos(static_cast<int>(error.retry_after.count() % 1000) * 1'000'000);
    Add(retry, status);
  }
  if (!error.param.empty()) {
    google::rpc::BadRequest bad;
    auto* violation = bad.add_field_violations();
    violation->set_field(Bounded(error.param));
    violation->set_description(message);
    Add(bad, status);
  }
  return status.SerializeAsString();
}

// Metadata values are printable ASCII (gRPC over HTTP2, "Custom-Metadata"); a pointer may hold any character of a key.
std::string PrintableAscii(std::string text) {
  for (char& c : text) {
    if (c < ' ' || c > '~') c = '?';
  }
  return text;
}

}  // namespace

::grpc::Status ToStatus(const base::Error& error, std::string_view request_id) {
  const std::string message = Bounded(error.message);
  return {static_cast<::grpc::StatusCode>(error.code), message, Details(error, message, request_id)};
}

std::vector<std::pair<std::string, std::string>> ErrorTrailers(const base::Error& error) {
  std::vector<std::pair<std::string, std::string>> trailers;
  if (!error.reason.empty()) trailers.emplace_back(kReasonTrailer, PrintableAscii(error.reason));
  if (!error.param.empty()) trailers.emplace_back(kParamTrailer, PrintableAscii(Bounded(error.param)));
  if (error.retry_after.count() > 0) trailers.emplace_back(kRetryTrailer, std::to_string(error.retry_after.count()));
  return trailers;
}

}  // namespace loquat::ingress::grpc
