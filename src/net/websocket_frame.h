// The frames of a WebSocket (RFC 6455 section 5.2): heads read strictly, heads written, payloads unmasked. Internal to
// net. Threads: pure functions.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace loquat::net {

enum class WebSocketOpcode : std::uint8_t {
  kContinuation = 0x0,
  kText = 0x1,
  kBinary = 0x2,
  kClose = 0x8,
  kPing = 0x9,
  kPong = 0xa,
};

inline constexpr std::size_t kFrameHeadBytesMax = 14;  // Two bytes, a length of eight, a mask of four.
inline constexpr std::size_t kControlPayloadMax = 125;

constexpr bool IsControl(WebSocketOpcode opcode) {
  return (static_cast<std::uint8_t>(opcode) & 0x8) != 0;
}

struct WebSocketFrameHead {
  bool fin = false;
  bool compressed = false;  // RSV1, as permessage-deflate uses it.
  WebSocketOpcode opcode = WebSocketOpcode::kContinuation;
  std::array<std::uint8_t, 4> mask{};
  std::uint64_t length = 0;  // Of the payload.
};

// Why a connection is failed by us. `code` 0: nothing is wrong.
struct WebSocketFailure {
  std::uint16_t code = 0;    // The close code.
  std::string_view reason;   // A stable word, as in WebSocket::Read.
  std::string_view message;  // A sentence for a person; short enough for a Close frame. Both are literals.

  explicit operator bool() const { return code != 0; }
};

// How many bytes the head has that begins with `start`; 0 while `start` has fewer than two.
std::size_t FrameHeadSize(std::string_view start);

// Reads a whole client frame's head. REQUIRES: head.size() == FrameHeadSize(head).
// Fails (1002): reserved bits and opcodes, RSV1 unless `deflate` allows it at the start of a message, no mask, a length
// not in its shortest form or past 2^63, control frames in fragments or longer than kControlPayloadMax.
WebSocketFailure ReadFrameHead(std::string_view head, bool deflate, WebSocketFrameHead& out);

// XORs the payload with the mask, `offset` bytes of it having gone before.
void Unmask(std::span<char> payload, const std::array<std::uint8_t, 4>& mask, std::uint64_t offset);

// Writes the head of a server frame (whole, not masked) and returns its size.
std::size_t WriteFrameHead(std::span<char, kFrameHeadBytesMax> out, WebSocketOpcode opcode, bool compressed,
                           std::uint64_t length);

// A code that may stand in a Close frame: RFC 6455 section 7.4, and 1012 to 1014 of its registry.
constexpr bool IsCloseCode(std::uint16_t code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

}  // namespace loquat::net
