// The receiving half of a server's WebSocket without I/O: bytes in, whole messages and control frames out. Holds
// nothing but the message that is under way. Internal to net.
// Threads: one. Lifetime: views of control() until the next call.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "net/websocket.h"
#include "net/websocket_deflate.h"
#include "net/websocket_frame.h"

namespace loquat::net {

class WebSocketDecoder {
 public:
  enum class Event : std::uint8_t {
    kNeedMore,
    kMessage,  // TakeMessage() has it.
    kPing,     // control() is its payload.
    kPong,
    kClose,   // close_code(), and control() is the reason.
    kFailed,  // failure() says why; nothing more is read.
  };

  // `deflate`: permessage-deflate was agreed.
  WebSocketDecoder(std::size_t message_bytes_max, std::size_t fragments_max, bool deflate)
      : message_bytes_max_(message_bytes_max), fragments_max_(fragments_max), deflate_(deflate) {}

  // Takes bytes off the front of `input`, unmasking them in place, up to the next event.
  Event Next(std::span<char>& input, WebSocketInflater& inflater);

  WebSocketMessage TakeMessage();
  std::string_view control() const { return {control_.data(), control_size_}; }
  std::uint16_t close_code() const { return close_code_; }
  const WebSocketFailure& failure() const { return failure_; }
  // Between the first byte of a message and its last.
  bool in_message() const { return in_message_ || head_size_ != 0 || in_payload_; }

  // From here on messages are stepped over: only a Close still matters.
  void DiscardMessages();

 private:
  Event Fail(const WebSocketFailure& failure);
  bool TakeHead(std::span<char>& input);
  WebSocketFailure StartFrame();
  void TakePayload(std::span<char>& input);
  Event FinishControl();
  Event FinishMessage(WebSocketInflater& inflater);

  const std::size_t message_bytes_max_;
  const std::size_t fragments_max_;
  const bool deflate_;

  WebSocketFailure failure_;
  std::array<char, kFrameHeadBytesMax> head_bytes_;
  std::size_t head_size_ = 0;  // Of a head that is not whole yet.
  WebSocketFrameHead head_;
  bool in_payload_ = false;
  std::uint64_t payload_taken_ = 0;

  std::string message_;  // Payloads so far, as they came: compressed ones still are.
  WebSocketKind kind_ = WebSocketKind::kText;
  bool in_message_ = false;  // A first frame without FIN has come.
  bool compressed_ = false;
  bool discard_ = false;
  std::size_t fragments_ = 0;

  std::array<char, kControlPayloadMax> control_;
  std::size_t control_size_ = 0;
  std::uint16_t close_code_ = 0;
};

}  // namespace loquat::net
