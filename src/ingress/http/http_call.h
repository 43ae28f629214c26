// One HTTP request on its way through an endpoint: the exchange, the call context made from its headers, and the answer
// in the house's form (JSON, request id, trace context).
//
// Belongs to the I/O thread and the coroutine of its exchange.

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/call_context.h"
#include "base/clock.h"
#include "base/result.h"
#include "ingress/http/error_body.h"
#include "net/http.h"
#include "observe/trace.h"

namespace loquat::ingress {

// Request headers of ours. The timeout counts from the arrival of the request; the deadline is Unix time. Both in
// milliseconds; where both are given the earlier one holds.
inline constexpr std::string_view kRequestIdHeader = "x-request-id";
inline constexpr std::string_view kTimeoutHeader = "x-request-timeout-ms";
inline constexpr std::string_view kDeadlineHeader = "x-request-deadline-ms";
inline constexpr std::string_view kPriorityHeader = "x-priority";
inline constexpr std::int64_t kTimeoutMsMax = 3'600'000;
inline constexpr std::size_t kResponseHeadersMax = 8;  // Of one answer, besides those that every answer has.

// The one reason whose status HTTP knows better than the code tells (405).
inline constexpr std::string_view kMethodNotAllowed = "method_not_allowed";

inline constexpr std::string_view kJson = "application/json";
inline constexpr std::string_view kEventStream = "text/event-stream";

class HttpCall {
 public:
  HttpCall(net::HttpExchange& http_exchange, base::CallContext call_context)
      : exchange_(http_exchange), context_(std::move(call_context)) {}
  HttpCall(const HttpCall&) = delete;
  HttpCall& operator=(const HttpCall&) = delete;

  net::HttpExchange& exchange() { return exchange_; }
  const net::HttpRequest& request() const { return exchange_.request(); }
  const base::CallContext& context() const { return context_; }
  base::CallContext& context() { return context_; }
  // The part of the path that the route's "{}" stands for; empty without one.
  std::string_view path_part() const { return path_part_; }
  void set_path_part(std::string_view part) { path_part_ = part; }

  // How errors are written: the house's form, or that of the API that the endpoint speaks.
  using WriteErrorBody = std::string (*)(const base::Error& error, std::string_view request_id);
  void set_error_body(WriteErrorBody write) { error_body_ = write; }

  // Each answers once.
  void Respond(int status, std::string_view content_type, std::string body, std::span<const net::HttpHeader> more = {});
  void Fail(const base::Error& error);
  // Starts a stream of events; write with exchange().
  void BeginEvents();

  // Headers that every answer carries, set by the router before the endpoint runs (CORS).
  void AddHeader(std::string_view name, std::string value);
  // What was refused or failed with, for the log and the metrics; kOk while nothing was.
  const base::Error* failure() const { return failed_ ? &failure_ : nullptr; }

 private:
  struct OwnedHeader {
    std::string_view name;
    std::string value;
  };
  std::vector<net::HttpHeader> Headers(std::string_view content_type, std::span<const net::HttpHeader> more) const;

  net::HttpExchange& exchange_;
  base::CallContext context_;
  std::string_view path_part_;
  WriteErrorBody error_body_ = &ErrorBody;
  std::string traceparent_;
  std::vector<OwnedHeader> headers_;
  base::Error failure_;
  bool failed_ = false;
};

// Made once a request: ids, trace, deadline and priority from its headers. On an error (a bad deadline header) the
// context is complete but for what was wrong.
struct NewCall {
  base::CallContext context;
  base::Status status;
};
NewCall MakeCallContext(const net::HttpExchange& exchange, const base::Clock& clock, observe::IdGenerator& ids);

}  // namespace loquat::ingress
