// What a server tells about itself. Every method has an empty default, so an observer takes what it needs.
// Threads: called on all I/O threads at once; must be quick and must not block. Lifetime: outlives its servers.

#pragma once

#include <cstdint>
#include <string_view>

#include "net/http.h"

namespace loquat::net {

class NetObserver {
 public:
  virtual ~NetObserver() = default;
  virtual void OnConnectionOpened(bool /*secure*/) {}
  virtual void OnConnectionClosed() {}
  // "connections" (the limit was reached), "accept" (the system gave no descriptor), "tls_handshake".
  virtual void OnConnectionRefused(std::string_view /*reason*/) {}
  virtual void OnRequest(HttpVersion /*version*/, int /*status*/) {}
  virtual void OnBytes(std::uint64_t /*read*/, std::uint64_t /*written*/) {}
  // The reason word of the failure: "bad_chunk", "header_too_large", "request_timeout", "http2_reset_flood"…
  virtual void OnProtocolError(std::string_view /*reason*/) {}

  enum class Direction : std::uint8_t { kReceived, kSent };
  enum class SlowAction : std::uint8_t {
    kReplaced,  // A newer revision took the place of a waiting one.
    kDropped,   // A revision was dropped for want of room.
    kClosed,    // The connection was closed with 1013.
  };
  virtual void OnWebSocketOpened(bool /*compressed*/) {}
  // The close code, 1005 without one and 1006 without a Close, and who closed first.
  virtual void OnWebSocketClosed(std::uint16_t /*code*/, bool /*by_peer*/) {}
  // The reason of AcceptWebSocket's error.
  virtual void OnWebSocketRefused(std::string_view /*reason*/) {}
  // A whole message; its bytes uncompressed.
  virtual void OnWebSocketMessage(Direction /*direction*/, std::uint64_t /*bytes*/) {}
  // A ping that was not answered before the next was due, or before the idle timeout.
  virtual void OnWebSocketPingMissed() {}
  virtual void OnWebSocketSlow(SlowAction /*action*/, std::uint64_t /*messages*/) {}
};

}  // namespace loquat::net
