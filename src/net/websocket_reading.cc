// The reading half of a WebSocketConnection.

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <utility>

#include "base/check.h"
#include "net/websocket_connection.h"

namespace loquat::net {
namespace {

constexpr std::chrono::seconds kControlPeriod{10};
constexpr WebSocketFailure kControlFlood{kClosePolicy, "control_flood",
                                         "too many pings or pongs (websocket.control_frames_max)"};
constexpr WebSocketFailure kMessageTimeout{kClosePolicy, "message_timeout",
                                           "a message took too long to arrive (websocket.message_timeout)"};

base::TimePoint Now() {
  return std::chrono::steady_clock::now();
}

}  // namespace

asio::awaitable<base::Result<WebSocketMessage>> WebSocketConnection::Read() {
  auto message = co_await ReadUntil(base::TimePoint::max());
  if (!message) co_return std::move(message).error();
  co_return std::move(**message);
}

asio::awaitable<base::Result<std::optional<WebSocketMessage>>> WebSocketConnection::ReadUntil(base::TimePoint until) {
  BeginReading();
  MaybeMessage message;
  try {
    message = co_await ReadLoop(until);
  } catch (...) {  // No memory.
    EndReading();
    throw;
  }
  EndReading();
  co_return std::move(message);
}

base::Result<std::optional<WebSocketMessage>> WebSocketConnection::TryRead() {
  BeginReading();
  std::optional<WebSocketMessage> message;
  if (!end_) message = Decode();
  if (!end_ && !message && !draining_) message = ReadSome();
  EndReading();
  if (!message && end_) return *end_;
  if (!message && draining_) return Draining();
  return message;
}

void WebSocketConnection::BeginReading() {
  LOQUAT_CHECK(!reading_, "one coroutine reads a WebSocket at a time");
  reading_ = true;
  const base::Duration unread = Now() - read_ended_at_;
  heard_at_ += unread;
  if (message_since_ != base::TimePoint{}) message_since_ += unread;
}

void WebSocketConnection::EndReading() {
  reading_ = false;
  read_ended_at_ = Now();
}

asio::awaitable<WebSocketConnection::MaybeMessage> WebSocketConnection::ReadLoop(base::TimePoint until) {
  for (;;) {
    if (end_) co_return *end_;
    if (auto message = Decode()) co_return std::move(message);
    if (end_) co_return *end_;
    if (draining_) co_return Draining();
    const base::TimePoint now = Now();
    if (now >= until) co_return std::nullopt;
    Check(now);
    if (end_) co_return *end_;
    conn_.SetReadDeadline(NextCheck());
    if (until != base::TimePoint::max()) WakeAt(until);
    const auto readable = co_await conn_.WaitReadable();
    if (readable) {
      if (end_ || draining_) continue;
      if (auto message = ReadSome()) co_return std::move(message);
    } else if (readable.error().code != base::Code::kDeadlineExceeded &&
               readable.error().code != base::Code::kCancelled) {
      Lose(readable.error().message);
    }
  }
}

std::optional<WebSocketMessage> WebSocketConnection::ReadSome() {
  const auto got = conn_.TryRead({tools_->read_bytes.get(), WebSocketTools::kReadBytes});
  if (!got) {
    Lose(got.error().message);
    return std::nullopt;
  }
  if (got->blocked) return std::nullopt;
  if (got->bytes == 0) {
    Lose("the client closed the connection without a Close frame");
    return std::nullopt;
  }
  heard_at_ = Now();
  shard_.shared->observer.OnBytes(got->bytes, 0);
  std::span<char> bytes(tools_->read_bytes.get(), got->bytes);
  auto message = DecodeFrom(bytes);
  inbox_.assign(bytes.data(), bytes.size());
  return message;
}

std::optional<WebSocketMessage> WebSocketConnection::Decode() {
  if (inbox_.empty()) return std::nullopt;
  std::span<char> rest = std::span<char>(inbox_).subspan(inbox_at_);
  auto message = DecodeFrom(rest);
  inbox_at_ = inbox_.size() - rest.size();
  if (rest.empty()) {
    inbox_ = std::string();
    inbox_at_ = 0;
  }
  return message;
}

std::optional<WebSocketMessage> WebSocketConnection::DecodeFrom(std::span<char>& bytes) {
  using Event = WebSocketDecoder::Event;
  for (;;) {
    const Event event = decoder_.Next(bytes, tools_->inflater);
    if (event == Event::kNeedMore) {
      if (!decoder_.in_message()) {
        message_since_ = {};
      } else if (message_since_ == base::TimePoint{}) {
        message_since_ = Now();
      }
      return std::nullopt;
    }
    if (event == Event::kMessage) {
      message_since_ = {};
      WebSocketMessage message = decoder_.TakeMessage();
      shard_.shared->observer.OnWebSocketMessage(NetObserver::Direction::kReceived, message.data.size());
      return message;
    }
    TakeControl(event);
    if (failed_ || peer_close_seen_) {
      bytes = {};  // What follows a Close or a fault means nothing (RFC 6455 sections 5.5.1 and 7.1.7).
      return std::nullopt;
    }
  }
}

void WebSocketConnection::TakeControl(WebSocketDecoder::Event event) {
  using Event = WebSocketDecoder::Event;
  if (event == Event::kFailed) return Fail(decoder_.failure());
  if (event == Event::kClose) {
    peer_close_seen_ = true;
    if (end_) return;
    const std::uint16_t code = decoder_.close_code();
    const std::string said(decoder_.control());
    queue_.Clear();
    // Without a code it is answered without one (RFC 6455 section 5.5.1).
    if (code == kCloseNoStatus) {
      SendControl(WebSocketOpcode::kClose, {});
    } else {
      SendClose(code, {});
    }
    End(Ended(base::Code::kCancelled, "websocket_closed",
              fmt::format("the client closed the WebSocket with {}{}{}", code, said.empty() ? "" : ": ", said)),
        code, true);
    return;
  }
  const base::TimePoint now = Now();
  if (now - control_since_ > kControlPeriod) {
    control_since_ = now;
    control_frames_ = 0;
  }
  if (++control_frames_ > options_->control_frames_max) return Fail(kControlFlood);
  if (event == Event::kPing && !end_) SendControl(WebSocketOpcode::kPong, decoder_.control());
}

base::Error WebSocketConnection::Draining() {
  return {.code = base::Code::kUnavailable,
          .message = "the server stops: no further message is read",
          .reason = "draining"};
}

base::TimePoint WebSocketConnection::NextCheck() const {
  base::TimePoint next = heard_at_ + options_->idle_timeout;
  if (options_->ping_interval.count() != 0) {
    next = std::min(next, std::max(heard_at_, pinged_at_) + options_->ping_interval);
  }
  if (message_since_ != base::TimePoint{}) next = std::min(next, message_since_ + options_->message_timeout);
  return next;
}

void WebSocketConnection::Check(base::TimePoint now) {
  if (now < NextCheck()) return;
  if (now >= heard_at_ + options_->idle_timeout) {
    if (pinged_at_ > heard_at_) shard_.shared->observer.OnWebSocketPingMissed();
    queue_.Clear();
    SendClose(kCloseGoingAway, "idle timeout");
    return End(Ended(base::Code::kUnavailable, "websocket_idle", "the client was silent and answers no ping"),
               kCloseGoingAway, false);
  }
  if (message_since_ != base::TimePoint{} && now >= message_since_ + options_->message_timeout) {
    return Fail(kMessageTimeout);
  }
  if (pinged_at_ > heard_at_) shard_.shared->observer.OnWebSocketPingMissed();
  pinged_at_ = now;
  SendControl(WebSocketOpcode::kPing, {});
}

void WebSocketConnection::WakeAt(base::TimePoint until) {
  if (!alarm_) alarm_ = std::make_shared<Alarm>(conn_.loop(), *this);
  if (alarm_->set_for == until) return;
  alarm_->set_for = until;
  alarm_->timer.expires_at(until);
  alarm_->timer.async_wait([alarm = alarm_](const boost::system::error_code& error) {
    if (error || alarm->owner == nullptr) return;
    alarm->set_for = base::TimePoint::max();
    if (alarm->owner->reading_) alarm->owner->conn_.CancelRead();
  });
}

}  // namespace loquat::net
