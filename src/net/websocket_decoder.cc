#include "net/websocket_decoder.h"

#include <algorithm>
#include <utility>

#include "base/utf8.h"

namespace loquat::net {
namespace {

constexpr WebSocketFailure kTooBig{kCloseTooBig, "message_too_large",
                                   "the message is larger than this server accepts (websocket.message_bytes_max)"};
constexpr WebSocketFailure kTooManyFragments{kClosePolicy, "too_many_fragments",
                                             "the message has too many fragments (websocket.fragments_max)"};
constexpr WebSocketFailure kStrayContinuation{kCloseProtocolError, "websocket_protocol",
                                              "a continuation frame continues nothing"};
constexpr WebSocketFailure kUnfinished{kCloseProtocolError, "websocket_protocol",
                                       "a new message begins inside of another"};
constexpr WebSocketFailure kCloseCode{kCloseProtocolError, "websocket_protocol",
                                      "a Close frame has a code that must not be sent"};
constexpr WebSocketFailure kCloseText{kCloseInvalidPayload, "websocket_payload",
                                      "the reason of a Close frame is not UTF-8"};
constexpr WebSocketFailure kBadText{kCloseInvalidPayload, "websocket_payload", "a text message is not UTF-8"};
constexpr WebSocketFailure kBadDeflate{kCloseInvalidPayload, "websocket_payload",
                                       "a compressed message is damaged or cut off"};

// Deflate makes what it cannot compress longer: by a seventh at most, with the smallest window and memory (zlib's
// deflateBound).
std::size_t CompressedMax(std::size_t bytes_max) {
  return bytes_max + bytes_max / 8 + bytes_max / 64 + 64;
}

}  // namespace

WebSocketDecoder::Event WebSocketDecoder::Fail(const WebSocketFailure& failure) {
  failure_ = failure;
  message_ = std::string();
  return Event::kFailed;
}

void WebSocketDecoder::DiscardMessages() {
  discard_ = true;
  message_ = std::string();
}

bool WebSocketDecoder::TakeHead(std::span<char>& input) {
  for (;;) {
    const std::size_t wanted = std::max<std::size_t>(FrameHeadSize({head_bytes_.data(), head_size_}), 2);
    const std::size_t n = std::min(wanted - head_size_, input.size());
    std::copy_n(input.begin(), n, head_bytes_.begin() + static_cast<std::ptrdiff_t>(head_size_));
    head_size_ += n;
    input = input.subspan(n);
    if (head_size_ < wanted) return false;
    if (head_size_ == FrameHeadSize({head_bytes_.data(), head_size_})) return true;
  }
}

WebSocketFailure WebSocketDecoder::StartFrame() {
  if (auto failure = ReadFrameHead({head_bytes_.data(), head_size_}, deflate_, head_)) return failure;
  head_size_ = 0;
  payload_taken_ = 0;
  in_payload_ = true;
  if (IsControl(head_.opcode)) {
    control_size_ = 0;
    return {};
  }
  if (head_.opcode == WebSocketOpcode::kContinuation) {
    if (!in_message_) return kStrayContinuation;
  } else {
    if (in_message_) return kUnfinished;
    in_message_ = true;
    kind_ = head_.opcode == WebSocketOpcode::kText ? WebSocketKind::kText : WebSocketKind::kBinary;
    compressed_ = head_.compressed;
    fragments_ = 0;
  }
  if (discard_) return {};
  if (++fragments_ > fragments_max_) return kTooManyFragments;
  // Said before a byte of it is kept.
  const std::size_t bytes_max = compressed_ ? CompressedMax(message_bytes_max_) : message_bytes_max_;
  if (head_.length > bytes_max - message_.size()) return kTooBig;
  return {};
}

void WebSocketDecoder::TakePayload(std::span<char>& input) {
  const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(head_.length - payload_taken_, input.size()));
  const std::span<char> piece = input.first(n);
  input = input.subspan(n);
  if (IsControl(head_.opcode)) {
    Unmask(piece, head_.mask, payload_taken_);
    std::copy_n(piece.begin(), n, control_.begin() + static_cast<std::ptrdiff_t>(control_size_));
    control_size_ += n;
  } else if (!discard_) {
    Unmask(piece, head_.mask, payload_taken_);
    message_.append(piece.data(), n);
  }
  payload_taken_ += n;
}

WebSocketDecoder::Event WebSocketDecoder::FinishControl() {
  if (head_.opcode == WebSocketOpcode::kPing) return Event::kPing;
  if (head_.opcode == WebSocketOpcode::kPong) return Event::kPong;
  close_code_ = kCloseNoStatus;
  if (control_size_ == 0) return Event::kClose;
  if (control_size_ == 1) return Fail(kCloseCode);
  close_code_ =
      static_cast<std::uint16_t>(static_cast<std::uint8_t>(control_[0]) << 8 | static_cast<std::uint8_t>(control_[1]));
  if (!IsCloseCode(close_code_)) return Fail(kCloseCode);
  control_size_ -= 2;
  std::copy_n(control_.begin() + 2, control_size_, control_.begin());
  if (!base::IsValidUtf8(control())) return Fail(kCloseText);
  return Event::kClose;
}

WebSocketDecoder::Event WebSocketDecoder::FinishMessage(WebSocketInflater& inflater) {
  in_message_ = false;
  if (discard_) return Event::kNeedMore;
  if (compressed_) {
    const std::string compressed = std::exchange(message_, std::string());
    switch (inflater.Inflate(compressed, message_bytes_max_, message_)) {
      case WebSocketInflater::Outcome::kTooBig:
        return Fail(kTooBig);
      case WebSocketInflater::Outcome::kCorrupt:
        return Fail(kBadDeflate);
      case WebSocketInflater::Outcome::kDone:
        break;
    }
  }
  if (kind_ == WebSocketKind::kText && !base::IsValidUtf8(message_)) return Fail(kBadText);
  return Event::kMessage;
}

WebSocketMessage WebSocketDecoder::TakeMessage() {
  return {.kind = kind_, .data = std::exchange(message_, std::string())};
}

WebSocketDecoder::Event WebSocketDecoder::Next(std::span<char>& input, WebSocketInflater& inflater) {
  if (failure_) return Event::kFailed;
  for (;;) {
    if (!in_payload_) {
      if (!TakeHead(input)) return Event::kNeedMore;
      if (auto failure = StartFrame()) return Fail(failure);
    }
    TakePayload(input);
    if (payload_taken_ < head_.length) return Event::kNeedMore;
    in_payload_ = false;
    if (IsControl(head_.opcode)) return FinishControl();
    if (!head_.fin) continue;
    if (const Event event = FinishMessage(inflater); event != Event::kNeedMore) return event;
  }
}

}  // namespace loquat::net
