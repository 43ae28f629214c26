#include "net/http.h"

#include <algorithm>
#include <array>

namespace loquat::net {
namespace {

struct StatusText {
  int status;
  std::string_view text;
};

// RFC 9110 section 15 and its registry, in order; 499 is what proxies log for a client that went away.
constexpr auto kReasons = std::to_array<StatusText>({
    {100, "Continue"},
    {101, "Switching Protocols"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {426, "Upgrade Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {499, "Client Closed Request"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
});

}  // namespace

asio::awaitable<base::Result<WebSocket*>> HttpExchange::AcceptWebSocket(const WebSocketAccept& /*accept*/) {
  co_return base::Error{.code = base::Code::kFailedPrecondition,
                        .message =
                            "a WebSocket starts as an HTTP/1.1 request; this one came over HTTP/2, where WebSockets "
                            "(RFC 8441) are not offered: connect with HTTP/1.1",
                        .reason = "websocket_http_version"};
}

std::string_view HttpRequest::Header(std::string_view lower_case_name) const {
  for (const HttpHeader& header : headers) {
    if (header.name == lower_case_name) {
      // An empty value that is there must not look like a header that is not.
      return header.value.data() != nullptr ? header.value : std::string_view("");
    }
  }
  return {};
}

std::string_view HttpReason(int status) {
  const auto found = std::ranges::lower_bound(kReasons, status, {}, &StatusText::status);
  return found != kReasons.end() && found->status == status ? found->text : "Unknown";
}

int HttpStatusOf(const base::Error& error) {
  using base::Code;
  switch (error.code) {
    case Code::kOk:
      return 200;
    case Code::kCancelled:
      return 499;
    case Code::kFailedPrecondition:
      return error.reason == "upgrade_required" || error.reason == "websocket_version" ? 426 : 400;
    case Code::kInvalidArgument:
    case Code::kOutOfRange:
      return 400;
    case Code::kUnauthenticated:
      return 401;
    case Code::kPermissionDenied:
      return 403;
    case Code::kNotFound:
      return 404;
    case Code::kAlreadyExists:
    case Code::kAborted:
      return 409;
    case Code::kResourceExhausted:
      if (error.reason == "header_too_large") return 431;
      return error.reason.ends_with("_too_large") ? 413 : 429;
    case Code::kUnimplemented:
      return 501;
    case Code::kUnavailable:
      return 503;
    case Code::kDeadlineExceeded:
      return 504;
    default:
      return 500;
  }
}

}  // namespace loquat::net
