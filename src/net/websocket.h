// A WebSocket of the server (RFC 6455, permessage-deflate: RFC 7692), as the handler that accepted it sees it: whole
// messages in, messages out. Fragments, pings, closing, text that is not UTF-8 and bounds are dealt with below.
// Threads: the loop thread of its connection. One coroutine reads at a time; any number send meanwhile.
// Lifetime: that of the exchange that became it. The handler's coroutine is the life of the connection: when it ends,
// the connection is closed with 1000 (1001 while draining, 1011 after an exception). REQUIRES: coroutines of the
// handler's that use it have ended by then; Close() makes a waiting Read or SendAwait resume at once.
//
//   asio::awaitable<void> Handle(HttpExchange& exchange) {
//     auto socket = co_await exchange.AcceptWebSocket({.options = options_, .subprotocol = "loquat.v1"});
//     if (!socket) { /* answer it: HttpStatusOf(error), WebSocketRefusalHeaders(error) */ co_return; }
//     for (;;) {
//       auto message = co_await (*socket)->Read();
//       if (!message) co_return;
//       if (!(*socket)->Send(Answer(message->data))) co_return;
//     }
//   }
//
// Pings are answered, and the peer's silence is noticed, while somebody reads. Time in which nobody does is not held
// against the peer, whose messages then wait in the kernel.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/result.h"
#include "net/http.h"
#include "net/websocket_options.h"

namespace loquat::net {

// Close codes (RFC 6455 section 7.4.1 and its registry) that this server sends or records.
inline constexpr std::uint16_t kCloseNormal = 1000;
inline constexpr std::uint16_t kCloseGoingAway = 1001;
inline constexpr std::uint16_t kCloseProtocolError = 1002;
inline constexpr std::uint16_t kCloseUnsupportedData = 1003;
inline constexpr std::uint16_t kCloseNoStatus = 1005;  // Never on the wire: the peer's Close gave no code.
inline constexpr std::uint16_t kCloseAbnormal = 1006;  // Never on the wire: the connection broke without a Close.
inline constexpr std::uint16_t kCloseInvalidPayload = 1007;
inline constexpr std::uint16_t kClosePolicy = 1008;
inline constexpr std::uint16_t kCloseTooBig = 1009;
inline constexpr std::uint16_t kCloseInternal = 1011;
inline constexpr std::uint16_t kCloseServiceRestart = 1012;
inline constexpr std::uint16_t kCloseTryLater = 1013;

// The reason of Read's error where the server stops: what is under way may be finished.
inline constexpr std::string_view kWebSocketDraining = "draining";

inline constexpr std::size_t kCloseReasonBytesMax = 123;  // RFC 6455 section 5.5: 125 less the code.

enum class WebSocketKind : std::uint8_t { kText, kBinary };

struct WebSocketMessage {
  WebSocketKind kind = WebSocketKind::kText;
  std::string data;  // Text is valid UTF-8.
};

struct WebSocketSend {
  WebSocketKind kind = WebSocketKind::kText;
  // Non-zero: this is one of a row of revisions of the same thing (the caller's number), of which only the last
  // matters. An earlier one that still waits is taken out, and it may be dropped when the peer is slow (options:
  // slow_consumer): what a peer must get, such as the final one, is sent without it. Zero: never dropped.
  std::uint64_t revision_of = 0;
};

struct WebSocketAccept {
  std::shared_ptr<const WebSocketOptions> options;  // REQUIRES: not null.
  // What the endpoint speaks; chosen when the client lists it. A client that lists others only is refused; one that
  // lists none is accepted. Empty: no subprotocol is negotiated.
  std::string_view subprotocol;
  std::span<const HttpHeader> headers;  // Further ones of the 101 answer.
};

class WebSocket {
 public:
  virtual ~WebSocket() = default;
  WebSocket(const WebSocket&) = delete;
  WebSocket& operator=(const WebSocket&) = delete;

  // The next message. Errors, all of them final but `draining`:
  //   cancelled           websocket_closed: the peer closed, or Close() was called
  //   unavailable         websocket_lost: the connection broke; websocket_idle: the peer answers no ping
  //                       draining: the server stops. Finish what is under way and return; Send still works
  //   invalid_argument    websocket_protocol, websocket_payload: the peer broke the protocol (closed with 1002, 1007)
  //   resource_exhausted  message_too_large (1009), too_many_fragments, control_flood, message_timeout (1008),
  //                       slow_consumer (1013)
  virtual asio::awaitable<base::Result<WebSocketMessage>> Read() = 0;
  // The same, and nothing once `until` has passed without a message (within about a millisecond of it). The connection
  // goes on as before.
  virtual asio::awaitable<base::Result<std::optional<WebSocketMessage>>> ReadUntil(base::TimePoint until) = 0;
  // The next message if it has arrived, without waiting: what several updates in a row came to. Errors as Read.
  // REQUIRES: no Read is under way.
  virtual base::Result<std::optional<WebSocketMessage>> TryRead() = 0;

  // Sends at once where the socket takes it, else queues up to send_bytes_max; never suspends. `data` is copied or sent
  // before it returns; text must be UTF-8. A full queue is dealt with as the options say; a revision that was dropped
  // is no error. A queue that is empty takes one message of any size.
  // Errors: resource_exhausted `slow_consumer` (the connection is closing with 1013), and those of Read once closed.
  virtual base::Status Send(std::string_view data, WebSocketSend how = {}) = 0;
  // Waits for room first: the peer's pace is the caller's. `data` must stay valid until it resumes.
  virtual asio::awaitable<base::Status> SendAwait(std::string_view data, WebSocketSend how = {}) = 0;
  // Waits until at most half of send_bytes_max waits for the peer. Errors as Send.
  virtual asio::awaitable<base::Status> AwaitRoom() = 0;
  // What the peer has not taken yet, in bytes as they are held here.
  virtual std::size_t queued_bytes() const = 0;

  // Starts to close: what waits is still sent, then a Close frame with this code and reason (cut to
  // kCloseReasonBytesMax). Waiting reads and sends resume with `websocket_closed`. The rest of the closing handshake
  // happens after the handler. Does nothing when the connection is closing already.
  // REQUIRES: a code that may be sent: 1000 to 1003, 1007 to 1014, 3000 to 4999.
  virtual void Close(std::uint16_t code, std::string_view reason = {}) = 0;
  // Nothing more can be sent: either side closed, or the connection is lost.
  virtual bool closed() const = 0;
  // The server stops: answer what is under way, then end.
  virtual bool draining() const = 0;
  // Cancelled when closed() becomes true.
  virtual base::CancelToken token() = 0;

 protected:
  WebSocket() = default;
};

// The headers that answer a refusal of AcceptWebSocket besides the usual ones: Upgrade and Sec-WebSocket-Version with
// 426 (RFC 6455 section 4.4); none otherwise. Static.
std::span<const HttpHeader> WebSocketRefusalHeaders(const base::Error& error);

}  // namespace loquat::net
