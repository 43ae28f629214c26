// The writing half of a WebSocketConnection.

#include <fmt/format.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <utility>

#include "net/websocket_connection.h"

namespace loquat::net {
namespace {

constexpr std::size_t kBatchBytes = 16 * 1024;  // Of one write. What is in it can no longer be taken out.
base::TimePoint Now() {
  return std::chrono::steady_clock::now();
}

// Cut to what a Close frame takes, at the start of a code point.
std::string_view CloseReason(std::string_view reason) {
  if (reason.size() <= kCloseReasonBytesMax) return reason;
  std::size_t end = kCloseReasonBytesMax;
  while (end > 0 && (static_cast<unsigned char>(reason[end]) & 0xc0) == 0x80) --end;
  return reason.substr(0, end);
}

}  // namespace

std::string WebSocketConnection::Encoded::Joined() const {
  std::string joined;
  joined.reserve(head_size + body.size());
  joined.append(head.data(), head_size);
  joined.append(body);
  return joined;
}

WebSocketConnection::Encoded WebSocketConnection::Encode(WebSocketOpcode opcode, std::string_view data) {
  Encoded frame;
  frame.body = data;
  bool compressed = false;
  if (deflate_bits_ != 0 && !IsControl(opcode) && !data.empty() && data.size() >= options_->compress_bytes_min) {
    const std::string_view smaller = tools_->deflater.Deflate(data, deflate_bits_);
    compressed = smaller.size() < data.size();
    if (compressed) frame.body = smaller;
  }
  frame.head_size = WriteFrameHead(frame.head, opcode, compressed, frame.body.size());
  return frame;
}

bool WebSocketConnection::TrySendNow(const Encoded& frame) {
  if (writing_) return false;
  const std::string_view pieces[] = {{frame.head.data(), frame.head_size}, frame.body};
  const auto sent = conn_.TryWrite(pieces);
  if (!sent) {
    Lose(sent.error().message);
    return true;
  }
  if (sent->bytes != 0) shard_.shared->observer.OnBytes(0, sent->bytes);
  if (sent->bytes < frame.head_size + frame.body.size()) {
    queue_.PushStarted(frame.Joined().substr(sent->bytes));
    writing_ = true;
    asio::co_spawn(conn_.loop().context(), WriteLoop(), asio::detached);
  }
  return true;
}

base::Status WebSocketConnection::Send(std::string_view data, WebSocketSend how) {
  if (end_) return *end_;
  NetObserver& observer = shard_.shared->observer;
  const auto opcode = how.kind == WebSocketKind::kText ? WebSocketOpcode::kText : WebSocketOpcode::kBinary;
  const Encoded frame = Encode(opcode, data);
  if (!TrySendNow(frame)) {
    const auto pushed = queue_.Push(frame.Joined(), how.revision_of);
    using Outcome = WebSocketSendQueue::Outcome;
    const std::size_t dropped = pushed.dropped + (pushed.outcome == Outcome::kDropped ? 1 : 0);
    if (pushed.replaced != 0) observer.OnWebSocketSlow(NetObserver::SlowAction::kReplaced, pushed.replaced);
    if (dropped != 0) observer.OnWebSocketSlow(NetObserver::SlowAction::kDropped, dropped);
    if (pushed.outcome == Outcome::kDropped) return {};
    if (pushed.outcome == Outcome::kFull) {
      observer.OnWebSocketSlow(NetObserver::SlowAction::kClosed, 1);
      queue_.Clear();
      SendClose(kCloseTryLater, "messages were not read in time");
      End(Ended(base::Code::kResourceExhausted, "slow_consumer",
                fmt::format("the client does not read: {} bytes wait for it (websocket.send_bytes_max)",
                            options_->send_bytes_max)),
          kCloseTryLater, false);
    }
  }
  if (end_) return *end_;
  observer.OnWebSocketMessage(NetObserver::Direction::kSent, data.size());
  return {};
}

asio::awaitable<base::Status> WebSocketConnection::AwaitRoom() {
  while (!end_ && queue_.bytes() > options_->send_bytes_max / 2) co_await AwaitWriter();
  if (end_) co_return *end_;
  co_return base::Status();
}

asio::awaitable<base::Status> WebSocketConnection::SendAwait(std::string_view data, WebSocketSend how) {
  const std::size_t size = data.size() + kFrameHeadBytesMax + WebSocketSendQueue::kFrameOverheadBytes;
  ++senders_;
  while (!end_ && !queue_.HasRoom(size)) co_await AwaitWriter();
  --senders_;
  co_return Send(data, how);
}

void WebSocketConnection::SendControl(WebSocketOpcode opcode, std::string_view payload) {
  const Encoded frame = Encode(opcode, payload);
  if (TrySendNow(frame)) return;
  switch (opcode) {
    case WebSocketOpcode::kPing:
      return queue_.PushPing(frame.Joined());
    case WebSocketOpcode::kPong:
      return queue_.PushPong(frame.Joined());
    default:
      return queue_.PushLast(frame.Joined());
  }
}

void WebSocketConnection::SendClose(std::uint16_t code, std::string_view reason) {
  std::string payload;
  payload += static_cast<char>(code >> 8);
  payload += static_cast<char>(code & 0xff);
  payload += CloseReason(reason);
  SendControl(WebSocketOpcode::kClose, payload);
}

asio::awaitable<void> WebSocketConnection::WriteLoop() {
  for (;;) {
    const std::string batch = queue_.TakeBatch(kBatchBytes);
    if (batch.empty()) break;
    bool sent = true;
    for (std::string_view rest = batch; sent && !rest.empty();) {
      const std::string_view slice = rest.substr(0, kBatchBytes);
      if (!end_) conn_.SetWriteDeadline(Now() + shard_.shared->options.timeouts.write_stall);
      sent = (co_await conn_.WriteAll(slice)).has_value();
      rest.remove_prefix(slice.size());
      if (sent) shard_.shared->observer.OnBytes(0, slice.size());
    }
    queue_.Sent();
    if (!sent) {
      Lose("the client takes nothing of what is sent");
      break;
    }
    WakeWriters();
  }
  writing_ = false;
  WakeWriters();
}

asio::awaitable<void> WebSocketConnection::AwaitWriter() {
  if (!writer_moved_) {
    writer_moved_ = std::make_unique<asio::steady_timer>(conn_.loop().context(), base::TimePoint::max());
  }
  co_await writer_moved_->async_wait(asio::as_tuple(asio::use_awaitable));
}

void WebSocketConnection::WakeWriters() {
  if (writer_moved_) writer_moved_->cancel();
}

}  // namespace loquat::net
