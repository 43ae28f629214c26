// permessage-deflate (RFC 7692) without context takeover: each message stands alone, so that one deflater and one
// inflater serve every connection of a loop (some 300 KB in all, not for each of them). Internal to net.
// Threads: one. Lifetime: none beyond the objects'. Failing to get memory throws std::bad_alloc.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "net/websocket_handshake.h"

struct z_stream_s;

namespace loquat::net {

class WebSocketInflater {
 public:
  enum class Outcome : std::uint8_t {
    kDone,
    kTooBig,   // It would be longer than bytes_max; no more than that was ever held.
    kCorrupt,  // No deflate data, or cut off in the middle.
  };

  WebSocketInflater();
  ~WebSocketInflater();
  WebSocketInflater(const WebSocketInflater&) = delete;
  WebSocketInflater& operator=(const WebSocketInflater&) = delete;

  // The message whose payload, all frames together, is `compressed`, put in the place of what `out` holds.
  Outcome Inflate(std::string_view compressed, std::size_t bytes_max, std::string& out);

 private:
  Outcome Feed(std::string_view part, std::size_t bytes_max, std::string& out);

  std::unique_ptr<z_stream_s> stream_;
  std::unique_ptr<char[]> chunk_;
  bool ended_ = false;  // After a block that said it was the last, with no byte since.
};

class WebSocketDeflater {
 public:
  WebSocketDeflater();
  ~WebSocketDeflater();
  WebSocketDeflater(const WebSocketDeflater&) = delete;
  WebSocketDeflater& operator=(const WebSocketDeflater&) = delete;

  // The payload for `data`, valid until the next call. REQUIRES: window_bits from kDeflateWindowBitsMin to ..Max.
  std::string_view Deflate(std::string_view data, int window_bits);

 private:
  z_stream_s& StreamFor(int window_bits);

  // Made when a peer first asks for that window; nearly all take the largest.
  std::array<std::unique_ptr<z_stream_s>, kDeflateWindowBitsMax - kDeflateWindowBitsMin + 1> streams_;
  std::string out_;
};

}  // namespace loquat::net
