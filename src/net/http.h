// What a handler sees of HTTP: the request, the exchange it answers through, and the handler interface itself. The same
// for HTTP/1.1 (RFC 9112) and HTTP/2 (RFC 9113); semantics follow RFC 9110.
// Threads: an exchange belongs to the I/O thread of its connection; handlers run and are resumed there and must not
// compute for long or block. Work for other threads leaves and returns through a channel or a post to executor().
// Lifetime: the request, its views and the exchange are valid until the handler's coroutine ends.

#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/result.h"

namespace loquat::net {

namespace asio = boost::asio;

class WebSocket;
struct WebSocketAccept;

enum class HttpVersion : std::uint8_t { kHttp10, kHttp11, kHttp2 };

struct HttpHeader {
  std::string_view name;  // Lower case in requests; written as given in responses (HTTP/2 lowers it).
  std::string_view value;
};

struct HttpRequest {
  std::string_view method;              // As sent, case-sensitive; unknown methods are the handler's to refuse.
  std::string_view target;              // As sent: "/a?b=c", "*" or an absolute URI.
  std::string_view path;                // "/a": still percent-encoded, see url.h.
  std::string_view query;               // "b=c", without the question mark.
  std::string_view authority;           // The Host header or :authority.
  std::span<const HttpHeader> headers;  // Without HTTP/2 pseudo-headers; in the order of the wire.
  std::string_view body;                // Whole and de-chunked.
  std::string_view peer;                // "127.0.0.1:54321", "[::1]:54321".
  HttpVersion version = HttpVersion::kHttp11;
  bool secure = false;  // It came over TLS.

  // The first header of that name (lower case); an empty view, with data() null, when there is none.
  std::string_view Header(std::string_view lower_case_name) const;
  bool HasHeader(std::string_view lower_case_name) const { return Header(lower_case_name).data() != nullptr; }
};

// One request and its one answer: either Respond once, or BeginStream, Write any number of times, Finish.
// A handler that ends without an answer gives the client a 500; one that ends in mid-stream cuts the connection (or
// resets the stream), so that the client can tell. Date, Content-Length, Connection and Transfer-Encoding are ours:
// leave them out of `headers`. Control characters in header values are replaced by spaces.
class HttpExchange {
 public:
  virtual ~HttpExchange() = default;
  HttpExchange(const HttpExchange&) = delete;
  HttpExchange& operator=(const HttpExchange&) = delete;

  const HttpRequest& request() const { return request_; }
  // When the last byte of the request head was read: the start of every latency figure and of the deadline.
  base::TimePoint received_at() const { return received_at_; }
  virtual asio::any_io_executor executor() const = 0;

  // Sends the answer at once where the socket takes it. The views are copied before it returns. HEAD gets the same
  // headers and no body. REQUIRES: nothing answered yet.
  virtual void Respond(int status, std::span<const HttpHeader> headers, std::string_view body) = 0;
  // The same without copying a large body.
  virtual void RespondOwned(int status, std::span<const HttpHeader> headers, std::string body) = 0;

  // Starts an answer of unknown length (chunked on HTTP/1.1). REQUIRES: nothing answered yet.
  virtual void BeginStream(int status, std::span<const HttpHeader> headers) = 0;
  // Sends a piece, and resumes once there is room for the next: a slow client slows its own handler, nothing piles up.
  // `chunk` must stay valid until it resumes. An error means that the client is gone; further calls repeat it.
  virtual asio::awaitable<base::Status> Write(std::string_view chunk) = 0;
  virtual asio::awaitable<base::Status> Finish() = 0;

  // A token that is cancelled when the client goes away. Only a handler that waits long should ask: it costs an
  // allocation and a wait on the socket. A client that closes its sending half counts as gone, though an answer still
  // reaches it. The same token on every call.
  virtual base::CancelToken WatchDisconnect() = 0;

  // Turns the exchange into a WebSocket (websocket.h), which lives until the handler's coroutine ends. On an error
  // nothing is answered yet: the handler answers it, with WebSocketRefusalHeaders. REQUIRES: nothing answered yet.
  // Errors, by reason: websocket_version, upgrade_required (426); websocket_handshake, websocket_http_version,
  // websocket_subprotocol (400); origin_not_allowed (403); too_many_websockets, draining (503, with retry_after).
  virtual asio::awaitable<base::Result<WebSocket*>> AcceptWebSocket(const WebSocketAccept& accept);

  bool answered() const { return answered_; }
  int status() const { return status_; }  // Of the answer; 0 before.

 protected:
  HttpExchange() = default;

  HttpRequest request_;
  base::TimePoint received_at_;
  bool answered_ = false;  // Respond or BeginStream was called.
  int status_ = 0;
};

class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  // Runs on the connection's I/O thread. `exchange` outlives the coroutine. An exception becomes a 500.
  virtual asio::awaitable<void> Handle(HttpExchange& exchange) = 0;
};

// "Not Found"; "Unknown" for a status we have no words for.
std::string_view HttpReason(int status);

// The HTTP status of an error (docs: the error table). resource_exhausted is 413 where the reason ends in "_too_large",
// 431 for "header_too_large", and 429 otherwise. failed_precondition is 426 for "upgrade_required" and
// "websocket_version".
int HttpStatusOf(const base::Error& error);

}  // namespace loquat::net
