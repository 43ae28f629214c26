#include "net/websocket_connection.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "base/check.h"

namespace loquat::net {
namespace {

constexpr std::size_t kDiscardBytesMax = 8 * 1024 * 1024;  // Read and dropped while the peer's Close is awaited.
constexpr std::size_t kBatchBytes = 16 * 1024;             // Of one write. What is in it can no longer be taken out.
constexpr std::chrono::seconds kControlPeriod{10};
constexpr WebSocketFailure kControlFlood{kClosePolicy, "control_flood",
                                         "too many pings or pongs (websocket.control_frames_max)"};
constexpr WebSocketFailure kMessageTimeout{kClosePolicy, "message_timeout",
                                           "a message took too long to arrive (websocket.message_timeout)"};

base::TimePoint Now() {
  return std::chrono::steady_clock::now();
}

base::Error Ended(base::Code code, std::string reason, std::string message) {
  return {.code = code, .message = std::move(message), .reason = std::move(reason)};
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

// Cut to what a Close frame takes, at the start of a code point.
std::string_view CloseReason(std::string_view reason) {
  if (reason.size() <= kCloseReasonBytesMax) return reason;
  std::size_t end = kCloseReasonBytesMax;
  while (end > 0 && (static_cast<unsigned char>(reason[end]) & 0xc0) == 0x80) --end;
  return reason.substr(0, end);
}

}  // namespace

// A timer that may run out just when its connection ends: it then finds no owner.
struct WebSocketConnection::Alarm {
  Alarm(EventLoop& loop, WebSocketConnection& the_owner) : timer(loop.context()), owner(&the_owner) {}

  asio::steady_timer timer;
  WebSocketConnection* owner;
  base::TimePoint set_for = base::TimePoint::max();
};

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

// ---- reading

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
  return Ended(base::Code::kUnavailable, std::string(kWebSocketDraining),
               "the server stops: no further message is read");
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

// ---- writing

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

asio::awaitable<base::Status> WebSocketConnection::SendAwait(std::string_view data, WebSocketSend how) {
  const std::size_t size = data.size() + kFrameHeadBytesMax + WebSocketSendQueue::kFrameOverheadBytes;
  ++senders_;
  while (!end_ && !queue_.HasRoom(size)) co_await AwaitWriter();
  --senders_;
  co_return Send(data, how);
}

asio::awaitable<base::Status> WebSocketConnection::AwaitRoom() {
  while (!end_ && queue_.bytes() > options_->send_bytes_max / 2) co_await AwaitWriter();
  if (end_) co_return *end_;
  co_return base::Status();
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
