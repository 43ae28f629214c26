#include "net/serve_connection.h"

#include <fmt/format.h>

#include <chrono>
#include <string>
#include <utility>

#include "net/conn.h"
#include "net/http1_connection.h"
#include "net/http1_writer.h"
#include "net/http2_connection.h"

namespace loquat::net {
namespace {

constexpr std::size_t kLingeringMax = 256;  // Per loop; beyond it refused connections are closed at once.
constexpr std::size_t kLingerBytesMax = 8 * 1024 * 1024;

base::TimePoint Now() {
  return std::chrono::steady_clock::now();
}

// Counts a connection out, whichever way its coroutine ends.
class ConnectionCount {
 public:
  explicit ConnectionCount(std::shared_ptr<ServerShared> shared) : shared_(std::move(shared)) {}
  ConnectionCount(const ConnectionCount&) = delete;
  ConnectionCount& operator=(const ConnectionCount&) = delete;
  ~ConnectionCount() {
    if (opened_) shared_->observer.OnConnectionClosed();
    if (shared_->connections.fetch_sub(1) != 1) return;
    base::MutexLock lock(shared_->mutex);
    shared_->gone.NotifyAll();
  }
  void Open(bool secure) {
    opened_ = true;
    shared_->observer.OnConnectionOpened(secure);
  }

 private:
  const std::shared_ptr<ServerShared> shared_;
  bool opened_ = false;
};

// A connection before and after its protocol: it can be cut, and has nothing to finish.
class BareConnection final : public ServerConnection {
 public:
  BareConnection(Conn& conn, ServerShard& shard) : conn_(conn), shard_(shard) { shard_.Add(*this); }
  ~BareConnection() override { shard_.Remove(*this); }
  void BeginDrain() override {}
  void Abort() override { conn_.Close(); }

 private:
  Conn& conn_;
  ServerShard& shard_;
};

class LingerCount {
 public:
  explicit LingerCount(std::size_t& count) : count_(count) { ++count_; }
  ~LingerCount() { --count_; }

 private:
  std::size_t& count_;
};

// Closing with unread input makes the kernel send a reset, which can destroy our last answer on its way. So: end our
// half, and read what still comes for a moment (RFC 9112 section 9.6).
asio::awaitable<void> LingeringClose(Conn& conn, ServerShard& shard) {
  if (shard.lingering >= kLingeringMax) co_return;
  const LingerCount count(shard.lingering);
  const BareConnection registered(conn, shard);
  conn.ShutdownWrite();
  conn.SetReadDeadline(Now() + shard.shared->options.timeouts.linger);
  for (std::size_t dropped = 0; dropped < kLingerBytesMax;) {
    if (!(co_await conn.WaitReadable())) co_return;
    const auto got = conn.TryRead(shard.loop.read_scratch());
    if (!got || (got->bytes == 0 && !got->blocked)) co_return;
    dropped += got->bytes;
  }
}

asio::awaitable<void> RefuseConnection(Conn& conn, ServerShard& shard) {
  const HttpServerOptions& options = shard.shared->options;
  shard.shared->observer.OnConnectionRefused("connections");
  if (conn.secure()) co_return;
  const base::Error error = {.code = base::Code::kUnavailable,
                             .message = fmt::format("the server already has {} connections, its limit; try again later",
                                                    options.connections_max),
                             .reason = "too_many_connections",
                             .retry_after = options.retry_after};
  const std::string body = shard.shared->FormatError(503, error);
  const std::string retry_after = std::to_string(options.retry_after.count());
  const HttpHeader headers[] = {{"Content-Type", "application/json"}, {"Retry-After", retry_after}};
  std::string out;
  AppendResponseHead(out, {.status = 503,
                           .headers = headers,
                           .date = shard.loop.HttpDate(),
                           .content_length = body.size(),
                           .connection = ConnectionHeader::kClose});
  out += body;
  const std::string_view piece = out;
  if (conn.TryWrite({&piece, 1})) co_await LingeringClose(conn, shard);
}

asio::awaitable<bool> CompleteHandshake(Conn& conn, ServerShard& shard) {
  const BareConnection registered(conn, shard);
  const base::TimePoint deadline = Now() + shard.shared->options.timeouts.handshake;
  conn.SetReadDeadline(deadline);
  conn.SetWriteDeadline(deadline);
  const bool done = (co_await conn.Handshake()).has_value();
  if (!done) shard.shared->observer.OnConnectionRefused("tls_handshake");
  co_return done;
}

asio::awaitable<void> ServeProtocol(Conn& conn, ServerShard& shard) {
  std::string early;  // What was read before the protocol was known.
  if (conn.protocol() != "h2") {
    Http1Connection::Outcome outcome{};
    {
      const auto connection = std::make_unique<Http1Connection>(conn, shard);
      outcome = co_await connection->Run();
      if (outcome == Http1Connection::Outcome::kHttp2) early = connection->buffered();
    }
    if (outcome == Http1Connection::Outcome::kLinger) co_await LingeringClose(conn, shard);
    if (outcome != Http1Connection::Outcome::kHttp2) co_return;
  }
  co_await ServeHttp2(conn, shard, std::move(early));
  // A last GOAWAY wants to be read as well.
  if (!shard.shared->draining.load(std::memory_order_relaxed)) co_await LingeringClose(conn, shard);
}

}  // namespace

asio::awaitable<void> ServeConnection(std::shared_ptr<ServerShard> shard, int fd, std::shared_ptr<const TlsContext> tls,
                                      bool refused) {
  ConnectionCount count(shard->shared);
  const std::unique_ptr<Conn> conn = tls ? MakeTlsServerConn(shard->loop, fd, *tls) : MakePlainConn(shard->loop, fd);
  tls.reset();
  if (refused) {
    co_await RefuseConnection(*conn, *shard);
    co_return;
  }
  if (conn->secure() && !(co_await CompleteHandshake(*conn, *shard))) co_return;
  count.Open(conn->secure());
  co_await ServeProtocol(*conn, *shard);
  conn->Close();
}

}  // namespace loquat::net
