#include "ingress/http/http_call.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include "base/check.h"

namespace loquat::ingress {
namespace {

using std::chrono::milliseconds;

std::optional<std::int64_t> ParseMilliseconds(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

base::Status ReadTimeout(const net::HttpExchange& exchange, base::CallContext& context) {
  const std::string_view header = exchange.request().Header(kTimeoutHeader);
  if (header.data() == nullptr) return {};
  const auto timeout = ParseMilliseconds(header);
  if (!timeout || *timeout > kTimeoutMsMax) {
    return base::InvalidArgument(
        fmt::format("the header {} is milliseconds from 0 to {}", kTimeoutHeader, kTimeoutMsMax),
        std::string(kTimeoutHeader));
  }
  context.deadline = context.deadline.EarlierOf(base::Deadline(exchange.received_at() + milliseconds(*timeout)));
  return {};
}

base::Status ReadDeadline(const net::HttpExchange& exchange, const base::Clock& clock, base::CallContext& context) {
  const std::string_view header = exchange.request().Header(kDeadlineHeader);
  if (header.data() == nullptr) return {};
  const auto deadline = ParseMilliseconds(header);
  if (!deadline) {
    return base::InvalidArgument(fmt::format("the header {} is a Unix time in milliseconds", kDeadlineHeader),
                                 std::string(kDeadlineHeader));
  }
  const auto now = std::chrono::duration_cast<milliseconds>(clock.WallNow().time_since_epoch()).count();
  // What lies further off than any timeout is no limit; this also keeps the sum below in range.
  if (*deadline - now <= kTimeoutMsMax) {
    context.deadline = context.deadline.EarlierOf(base::Deadline(clock.Now() + milliseconds(*deadline - now)));
  }
  return {};
}

base::Status ReadPriority(const net::HttpRequest& request, base::CallContext& context) {
  const std::string_view header = request.Header(kPriorityHeader);
  if (header.data() == nullptr || header == "interactive") return {};
  if (header == "batch") {
    context.priority = base::Priority::kBatch;
    return {};
  }
  return base::InvalidArgument(fmt::format("the header {} is \"interactive\" or \"batch\"", kPriorityHeader),
                               std::string(kPriorityHeader));
}

}  // namespace

NewCall MakeCallContext(const net::HttpExchange& exchange, const base::Clock& clock, observe::IdGenerator& ids) {
  const net::HttpRequest& request = exchange.request();
  NewCall call;
  const std::string_view request_id = request.Header(kRequestIdHeader);
  call.context.request_id = observe::IsValidRequestId(request_id) ? std::string(request_id) : ids.RequestId();
  call.context.trace = observe::StartTrace(request.Header("traceparent"), request.Header("tracestate"), false, ids);
  call.context.received_at = exchange.received_at();
  call.status = ReadTimeout(exchange, call.context);
  if (call.status.has_value()) call.status = ReadDeadline(exchange, clock, call.context);
  if (call.status.has_value()) call.status = ReadPriority(request, call.context);
  return call;
}

std::vector<net::HttpHeader> HttpCall::Headers(std::string_view content_type,
                                               std::span<const net::HttpHeader> more) const {
  std::vector<net::HttpHeader> headers;
  headers.reserve(4 + headers_.size() + more.size());
  if (!content_type.empty()) headers.push_back({"Content-Type", content_type});
  headers.push_back({"X-Request-Id", context_.request_id});
  headers.push_back({"Traceparent", traceparent_});
  for (const OwnedHeader& header : headers_) headers.push_back({header.name, header.value});
  headers.insert(headers.end(), more.begin(), more.end());
  return headers;
}

void HttpCall::AddHeader(std::string_view name, std::string value) {
  LOQUAT_CHECK(headers_.size() < kResponseHeadersMax, "a response has few headers of its own");
  headers_.push_back({name, std::move(value)});
}

void HttpCall::Respond(int status, std::string_view content_type, std::string body,
                       std::span<const net::HttpHeader> more) {
  traceparent_ = observe::FormatTraceparent(context_.trace);
  const auto headers = Headers(content_type, more);
  exchange_.RespondOwned(status, headers, std::move(body));
}

void HttpCall::Fail(const base::Error& error) {
  failure_ = error;
  failed_ = true;
  if (exchange_.answered()) return;
  std::string retry_after;
  std::vector<net::HttpHeader> more;
  if (error.retry_after.count() > 0) {
    // Whole seconds, rounded up (RFC 9110, section 10.2.3).
    retry_after = fmt::format("{}", (error.retry_after.count() + 999) / 1000);
    more.push_back({"Retry-After", retry_after});
  }
  if (error.code == base::Code::kUnauthenticated) more.push_back({"WWW-Authenticate", "Bearer"});
  const int status = error.reason == kMethodNotAllowed ? 405 : net::HttpStatusOf(error);
  Respond(status, kJson, error_body_(error, context_.request_id), more);
}

void HttpCall::BeginEvents() {
  traceparent_ = observe::FormatTraceparent(context_.trace);
  static constexpr std::array<net::HttpHeader, 2> kMore = {
      {{"Cache-Control", "no-store"}, {"X-Accel-Buffering", "no"}}};
  const auto headers = Headers(kEventStream, kMore);
  exchange_.BeginStream(200, headers);
}

}  // namespace loquat::ingress
