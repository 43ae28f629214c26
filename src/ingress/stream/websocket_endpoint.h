// GET /v1/stream: the WebSocket protocol loquat.v1. The client sends open, then partial, final and cancel as it likes;
// the server sends opened, frame, reply_delta, reply, turn_end and error. docs/streaming.md tells the whole.
//
// Thread-safe: Serve on any I/O thread. References outlive it.

#pragma once

#include <chrono>
#include <memory>

#include "base/json_value.h"
#include "base/object_pool.h"
#include "config/snapshot.h"
#include "ingress/http/router.h"
#include "ingress/stream/event_stream.h"
#include "net/websocket.h"

namespace loquat::ingress {

inline constexpr std::string_view kStreamSubprotocol = "loquat.v1";
// Events in a row that could not be read, after which a client is taken for broken.
inline constexpr int kBadEventsMax = 16;
// Events of one client that are dealt with before others of its thread have their turn.
inline constexpr int kEventsAtOnceMax = 64;
// From the handshake to the open event.
inline constexpr std::chrono::seconds kOpenTimeout{10};

class WebSocketEndpoint final : public Endpoint {
 public:
  WebSocketEndpoint(EventStreams& streams, net::WebSocketOptions options, const base::Clock& clock);
  ~WebSocketEndpoint() override;

  boost::asio::awaitable<void> Serve(HttpCall& call) override;
  // For connections from now on.
  void SetOptions(net::WebSocketOptions options);

 private:
  class Connection;

  EventStreams& streams_;
  const base::Clock& clock_;
  base::SharedObjectPool<base::JsonParser> parsers_;
  config::SnapshotHolder<net::WebSocketOptions> options_;
};

}  // namespace loquat::ingress
