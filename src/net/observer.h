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
};

}  // namespace loquat::net
