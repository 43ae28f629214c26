#include "net/websocket_connection.h"

#include <fmt/format.h>

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "base/check.h"

namespace loquat::net {
namespace {

constexpr std::size_t kDiscardBytesMax = 8 * 1024 * 1024;  // Read and dropped while the peer's Close is awaited.

base::TimePoint Now() {
  return std::chrono::steady_clock::now();
}

base::Code CodeOf(std::uint16_t close_code) {
  switch (close_code) {
    case kClosePolicy:
    case kCloseTooBig:
      return base::Code::kResourceExhausted;
    default:
      return base::Code::kInvalidArgument;
  }
}

}  // namespace

std::optional<WebSocketSlot> WebSocketSlot::Take(std::atomic<std::size_t>& open, std::size_t max) {
  // Relaxed: a count, which orders nothing.
  if (open.fetch_add(1, std::memory_order_relaxed) < max) return WebSocketSlot(open);
  open.fetch_sub(1, std::memory_order_relaxed);
  return std::nullopt;
}

WebSocketConnection::WebSocketConnection(Conn& conn, ServerShard& shard,
                                         std::shared_ptr<const WebSocketOptions> options,
                                         const std::optional<WebSocketDeflateTerms>& deflate, WebSocketSlot slot,
                                         std::string_view early)
    : conn_(conn),
      shard_(shard),
      tools_(shard.websockets),
      options_(std::move(options)),
      slot_(std::move(slot)),
      deflate_bits_(deflate ? deflate->server_window_bits : 0),
      decoder_(options_->message_bytes_max, options_->fragments_max, deflate.has_value()),
      inbox_(early),
      queue_(options_->send_bytes_max, options_->slow_consumer),
      heard_at_(Now()),
      read_ended_at_(heard_at_),
      control_since_(heard_at_) {
  shard_.shared->observer.OnWebSocketOpened(deflate.has_value());
}

WebSocketConnection::~WebSocketConnection() {
  if (alarm_) {
    alarm_->owner = nullptr;
    alarm_->timer.cancel();
  }
  shard_.shared->observer.OnWebSocketClosed(end_ ? close_code_ : kCloseAbnormal, closed_by_peer_);
}

base::Error WebSocketConnection::Ended(base::Code code, std::string reason, std::string message) {
  return {.code = code, .message = std::move(message), .reason = std::move(reason)};
}

base::CancelToken WebSocketConnection::token() {
  if (!source_) {
    source_.emplace();
    if (end_) source_->Cancel();
  }
  return source_->token();
}

void WebSocketConnection::End(base::Error why, std::uint16_t code, bool by_peer) {
  if (end_) return;
  end_ = std::make_unique<base::Error>(std::move(why));
  close_code_ = code;
  closed_by_peer_ = by_peer;
  conn_.SetWriteDeadline(Now() + options_->close_timeout);
  if (reading_) conn_.CancelRead();
  WakeWriters();
  if (source_) source_->Cancel();
}

void WebSocketConnection::Fail(const WebSocketFailure& failure) {
  failed_ = true;
  if (end_) return;
  shard_.shared->observer.OnProtocolError(failure.reason);
  queue_.Clear();
  SendClose(failure.code, failure.message);
  End(Ended(CodeOf(failure.code), std::string(failure.reason), std::string(failure.message)), failure.code, false);
}

void WebSocketConnection::Lose(std::string_view what) {
  lost_ = true;
  queue_.Clear();
  End(Ended(base::Code::kUnavailable, "websocket_lost", fmt::format("the WebSocket is lost: {}", what)), kCloseAbnormal,
      true);
}

void WebSocketConnection::Close(std::uint16_t code, std::string_view reason) {
  LOQUAT_CHECK(IsCloseCode(code), "a close code that may be sent");
  if (end_) return;
  SendClose(code, reason);
  End(Ended(base::Code::kCancelled, "websocket_closed", fmt::format("this server closed the WebSocket with {}", code)),
      code, false);
}

void WebSocketConnection::BeginDrain() {
  draining_ = true;
  if (reading_) conn_.CancelRead();
}

void WebSocketConnection::Abort() {
  if (end_) return;
  queue_.Clear();
  SendClose(kCloseGoingAway, "the server stops");
  End(Ended(base::Code::kUnavailable, "websocket_lost", "the server stops and has cut the WebSocket"), kCloseGoingAway,
      false);
}

asio::awaitable<void> WebSocketConnection::Finish(bool failed) {
  if (!end_) {
    if (failed) {
      Close(kCloseInternal, "internal error");
    } else if (draining_) {
      Close(kCloseGoingAway, "the server stops");
    } else {
      Close(kCloseNormal, {});
    }
  }
  const base::TimePoint until = Now() + options_->close_timeout;
  conn_.SetWriteDeadline(until);
  while (writing_) co_await AwaitWriter();
  // Coroutines of the handler's that still wait have been woken; they see the end before the connection goes.
  while (reading_ || senders_ != 0) co_await asio::post(asio::use_awaitable);
  if (!lost_ && !peer_close_seen_) co_await AwaitPeerClose(until);
}

asio::awaitable<void> WebSocketConnection::AwaitPeerClose(base::TimePoint until) {
  decoder_.DiscardMessages();
  Decode();
  inbox_ = std::string();
  // A peer that does not speak the protocol is only read on, so that the kernel's reset does not destroy our Close.
  if (failed_) conn_.ShutdownWrite();
  conn_.SetReadDeadline(until);
  for (std::size_t dropped = 0; dropped < kDiscardBytesMax && !peer_close_seen_;) {
    if (!(co_await conn_.WaitReadable())) co_return;
    const auto got = conn_.TryRead({tools_->read_bytes.get(), WebSocketTools::kReadBytes});
    if (!got || (got->bytes == 0 && !got->blocked)) co_return;
    dropped += got->bytes;
    std::span<char> bytes(tools_->read_bytes.get(), got->bytes);
    if (!failed_) DecodeFrom(bytes);
  }
}

}  // namespace loquat::net
