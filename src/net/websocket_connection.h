// A WebSocket over a Conn: what the handler holds, and what its HTTP exchange ends. Internal to net.
// Threads: its loop's. Lifetime: owned by the exchange; Finish() before it dies, or the loop has been destroyed.
//
// Reading goes through one buffer of the loop's: a connection keeps bytes of its own only while a message is under way
// or several have come at once. Output is tried on the socket; what it does not take waits in a queue that a coroutine
// empties. An idle connection thus has neither buffers nor a writing coroutine.

#pragma once

#include <atomic>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/cancel.h"
#include "net/conn.h"
#include "net/server_shard.h"
#include "net/websocket.h"
#include "net/websocket_decoder.h"
#include "net/websocket_deflate.h"
#include "net/websocket_handshake.h"
#include "net/websocket_send_queue.h"

namespace loquat::net {

// What the WebSockets of one loop share.
struct WebSocketTools {
  static constexpr std::size_t kReadBytes = 64 * 1024;

  WebSocketInflater inflater;
  WebSocketDeflater deflater;
  // Not the loop's own scratch, in which TLS gathers records while we still decode.
  std::unique_ptr<char[]> read_bytes = std::make_unique_for_overwrite<char[]>(kReadBytes);
};

// Counts an open WebSocket; empty when the limit was reached.
class WebSocketSlot {
 public:
  static std::optional<WebSocketSlot> Take(std::atomic<std::size_t>& open, std::size_t max);
  WebSocketSlot(WebSocketSlot&& other) noexcept : open_(std::exchange(other.open_, nullptr)) {}
  WebSocketSlot& operator=(WebSocketSlot&& other) noexcept {
    std::swap(open_, other.open_);
    return *this;
  }
  ~WebSocketSlot() {
    if (open_ != nullptr) open_->fetch_sub(1, std::memory_order_relaxed);
  }

 private:
  explicit WebSocketSlot(std::atomic<std::size_t>& open) : open_(&open) {}
  std::atomic<std::size_t>* open_;
};

class WebSocketConnection final : public WebSocket {
 public:
  // `early`: bytes that came right behind the request.
  WebSocketConnection(Conn& conn, ServerShard& shard, std::shared_ptr<const WebSocketOptions> options,
                      const std::optional<WebSocketDeflateTerms>& deflate, WebSocketSlot slot, std::string_view early);
  ~WebSocketConnection() override;

  asio::awaitable<base::Result<WebSocketMessage>> Read() override;
  asio::awaitable<base::Result<std::optional<WebSocketMessage>>> ReadUntil(base::TimePoint until) override;
  base::Result<std::optional<WebSocketMessage>> TryRead() override;
  base::Status Send(std::string_view data, WebSocketSend how) override;
  asio::awaitable<base::Status> SendAwait(std::string_view data, WebSocketSend how) override;
  asio::awaitable<base::Status> AwaitRoom() override;
  std::size_t queued_bytes() const override { return queue_.bytes(); }
  void Close(std::uint16_t code, std::string_view reason) override;
  bool closed() const override { return end_ != nullptr; }
  bool draining() const override { return draining_; }
  base::CancelToken token() override;

  // For the exchange from here on.
  // The token that the exchange gave out before.
  void Adopt(const base::CancelSource& source) { source_ = source; }
  // Ends the connection properly after the handler: what waits is sent, the closing handshake is done, both within
  // close_timeout. `failed`: the handler threw.
  asio::awaitable<void> Finish(bool failed);
  void BeginDrain();
  // Says goodbye if the socket takes it at once. The conn is closed by the caller.
  void Abort();

 private:
  // A timer that may run out just when its connection ends: it then finds no owner.
  struct Alarm {
    Alarm(EventLoop& loop, WebSocketConnection& the_owner) : timer(loop.context()), owner(&the_owner) {}

    asio::steady_timer timer;
    WebSocketConnection* owner;
    base::TimePoint set_for = base::TimePoint::max();
  };
  using MaybeMessage = base::Result<std::optional<WebSocketMessage>>;

  // Reading.
  void BeginReading();
  void EndReading();
  asio::awaitable<MaybeMessage> ReadLoop(base::TimePoint until);
  // The next message of what has been read before. Sets end_ when that is the end.
  std::optional<WebSocketMessage> Decode();
  std::optional<WebSocketMessage> DecodeFrom(std::span<char>& bytes);
  void TakeControl(WebSocketDecoder::Event event);
  // One read that does not wait, and its first message.
  std::optional<WebSocketMessage> ReadSome();
  // When silence next means something, and what it means then.
  base::TimePoint NextCheck() const;
  void Check(base::TimePoint now);
  // Makes a waiting read look at the time.
  void WakeAt(base::TimePoint until);
  asio::awaitable<void> AwaitPeerClose(base::TimePoint until);
  static base::Error Draining();

  // Writing.
  struct Encoded {
    std::array<char, kFrameHeadBytesMax> head;
    std::size_t head_size = 0;
    std::string_view body;
    std::string Joined() const;
  };
  Encoded Encode(WebSocketOpcode opcode, std::string_view data);
  // True: it is out of our hands, or the connection is lost. False: others wait before it.
  bool TrySendNow(const Encoded& frame);
  void SendControl(WebSocketOpcode opcode, std::string_view payload);
  void SendClose(std::uint16_t code, std::string_view reason);
  // Empties the queue, then ends. Runs while writing_.
  asio::awaitable<void> WriteLoop();
  // Resumes when the writer got on or ended, or the connection did.
  asio::awaitable<void> AwaitWriter();
  void WakeWriters();

  // Ending.
  void Fail(const WebSocketFailure& failure);
  void Lose(std::string_view what);
  void End(base::Error why, std::uint16_t code, bool by_peer);
  static base::Error Ended(base::Code code, std::string reason, std::string message);

  Conn& conn_;
  ServerShard& shard_;
  const std::shared_ptr<WebSocketTools> tools_;
  const std::shared_ptr<const WebSocketOptions> options_;
  const WebSocketSlot slot_;
  const int deflate_bits_;  // The window of what we compress; 0: nothing is.

  WebSocketDecoder decoder_;
  std::string inbox_;  // Read and not decoded.
  std::size_t inbox_at_ = 0;
  std::shared_ptr<Alarm> alarm_;  // Made by the first ReadUntil.
  WebSocketSendQueue queue_;
  std::unique_ptr<asio::steady_timer> writer_moved_;  // Made by the first who waits; never runs out, only cancelled.
  std::optional<base::CancelSource> source_;
  std::unique_ptr<base::Error> end_;  // Why nothing more can be sent.

  base::TimePoint heard_at_;         // When the peer last sent anything, less the time in which nobody read.
  base::TimePoint pinged_at_{};      // When we last did.
  base::TimePoint read_ended_at_;    // When somebody last stopped to read.
  base::TimePoint message_since_{};  // When the message under way began; zero: none is.
  base::TimePoint control_since_;    // The ten seconds in which control frames are counted.
  std::size_t control_frames_ = 0;
  std::size_t senders_ = 0;  // Within SendAwait.
  std::uint16_t close_code_ = 0;
  bool closed_by_peer_ = false;
  bool peer_close_seen_ = false;
  bool failed_ = false;  // The peer broke the protocol: its bytes mean nothing any more.
  bool lost_ = false;
  bool reading_ = false;
  bool writing_ = false;
  bool draining_ = false;
};

}  // namespace loquat::net
