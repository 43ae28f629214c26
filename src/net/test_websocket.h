// WebSocket clients for tests, made by hand: frames with whatever bits a test wants, and a blocking client that reads
// the server's frames one by one. Test code only.

#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "net/test_client.h"
#include "net/websocket_frame.h"

namespace loquat::net {

struct FrameBits {
  bool fin = true;
  std::uint8_t reserved = 0;  // 4: RSV1, 2: RSV2, 1: RSV3.
  bool masked = true;
};

// A client's frame; the mask is fixed, so that a test's bytes are always the same.
inline std::string ClientFrame(std::uint8_t opcode, std::string_view payload, FrameBits bits = {}) {
  constexpr std::string_view kMask = "\x12\x34\x56\x78";
  std::string frame(1, static_cast<char>((bits.fin ? 0x80 : 0) | bits.reserved << 4 | opcode));
  const auto mask_bit = static_cast<std::uint8_t>(bits.masked ? 0x80 : 0);
  if (payload.size() < 126) {
    frame += static_cast<char>(mask_bit | payload.size());
  } else {
    const int width = payload.size() <= 0xffff ? 2 : 8;
    frame += static_cast<char>(mask_bit | (width == 2 ? 126 : 127));
    for (int i = width - 1; i >= 0; --i) frame += static_cast<char>(payload.size() >> (8 * i));
  }
  if (bits.masked) frame += kMask;
  for (std::size_t i = 0; i < payload.size(); ++i) {
    frame += bits.masked ? static_cast<char>(payload[i] ^ kMask[i % 4]) : payload[i];
  }
  return frame;
}
inline std::string ClientText(std::string_view text) {
  return ClientFrame(0x1, text);
}
inline std::string ClosePayload(std::uint16_t code, std::string_view reason = {}) {
  std::string payload = {static_cast<char>(code >> 8), static_cast<char>(code & 0xff)};
  payload += reason;
  return payload;
}
inline std::string ClientClose(std::uint16_t code, std::string_view reason = {}) {
  return ClientFrame(0x8, ClosePayload(code, reason));
}

inline std::string UpgradeRequest(std::string_view path = "/", std::string_view more_headers = {}) {
  return "GET " + std::string(path) +
         " HTTP/1.1\r\nHost: example.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
         std::string(more_headers) + "\r\n";
}

struct ServerFrame {
  std::uint8_t first = 0;  // FIN, reserved bits and opcode as sent; 0: the connection ended.
  std::string payload;

  std::uint16_t close_code() const {
    if (payload.size() < 2) return 0;
    return static_cast<std::uint16_t>(static_cast<std::uint8_t>(payload[0]) << 8 |
                                      static_cast<std::uint8_t>(payload[1]));
  }
};

class WebSocketClient {
 public:
  explicit WebSocketClient(std::uint16_t port, std::string_view more_headers = {}, std::string_view path = "/")
      : raw_(port) {
    raw_.Send(UpgradeRequest(path, more_headers));
    buffer_ = raw_.ReadUntil("\r\n\r\n");
    const std::size_t end = buffer_.find("\r\n\r\n");
    if (end == std::string::npos) return;
    head_ = buffer_.substr(0, end + 4);
    buffer_.erase(0, end + 4);
  }

  const std::string& head() const { return head_; }
  RawClient& raw() { return raw_; }
  void Send(std::string_view bytes) { raw_.Send(bytes); }

  ServerFrame ReadFrame() {
    if (!Have(2)) return {};
    ServerFrame frame{.first = static_cast<std::uint8_t>(buffer_[0]), .payload = {}};
    std::uint64_t length = static_cast<std::uint8_t>(buffer_[1]);
    EXPECT_LT(length, 0x80u) << "a server masks nothing";
    const std::size_t width = length == 126 ? 2 : length == 127 ? 8 : 0;
    if (!Have(2 + width)) return {};
    if (width != 0) length = 0;
    for (std::size_t i = 0; i < width; ++i) length = length << 8 | static_cast<std::uint8_t>(buffer_[2 + i]);
    if (!Have(2 + width + length)) return {};
    frame.payload = buffer_.substr(2 + width, length);
    buffer_.erase(0, 2 + width + length);
    return frame;
  }
  // The next text message; anything else fails the test.
  std::string ReadText() {
    const ServerFrame frame = ReadFrame();
    EXPECT_EQ(frame.first, 0x81) << frame.payload;
    return frame.payload;
  }
  // The code of the Close frame that comes next.
  std::uint16_t ReadClose() {
    const ServerFrame frame = ReadFrame();
    EXPECT_EQ(frame.first, 0x88) << frame.payload;
    return frame.close_code();
  }
  // True when the server ends the connection without another byte.
  bool AtEnd() { return buffer_.empty() && raw_.ReadSome().empty(); }

 private:
  bool Have(std::size_t bytes) {
    while (buffer_.size() < bytes) {
      const std::string piece = raw_.ReadSome();
      if (piece.empty()) return false;
      buffer_ += piece;
    }
    return true;
  }

  RawClient raw_;
  std::string head_;
  std::string buffer_;
};

}  // namespace loquat::net
