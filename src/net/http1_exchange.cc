#include "net/http1_exchange.h"

#include <fmt/format.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "base/check.h"

namespace loquat::net {
namespace {

// Answers to pipelined requests are gathered up to this size before they are sent.
constexpr std::size_t kGatherBytesMax = 64 * 1024;
constexpr std::size_t kWriteSliceBytes = 64 * 1024;  // What must be taken within one write stall timeout.
constexpr std::size_t kScratchKeepBytes = 256 * 1024;
// A body up to this size travels in the same buffer as its head; a larger one stays where it is.
constexpr std::size_t kCopyBytesMax = 16 * 1024;
// How often a watched client that has sent more requests ahead is looked at: its bytes hide its leaving from epoll.
constexpr std::chrono::milliseconds kWatchPoll{200};

std::string& TakeScratch(EventLoop& loop) {
  std::string& scratch = loop.scratch();
  if (scratch.capacity() > kScratchKeepBytes) scratch = std::string();
  scratch.clear();
  return scratch;
}

base::Error TooManyWebSockets(std::size_t max, std::chrono::milliseconds retry_after) {
  return {
      .code = base::Code::kUnavailable,
      .message = fmt::format("the server already has {} WebSockets, its limit (websocket.connections_max); try again "
                             "later",
                             max),
      .reason = "too_many_websockets",
      .retry_after = retry_after};
}

}  // namespace

// Shared with the coroutine that waits for the client to leave, which may end a little after the request.
struct Http1Exchange::Watch {
  explicit Watch(Conn& the_conn) : conn(the_conn) {}

  Conn& conn;  // REQUIRES: active, or waiting; the exchange outlasts both.
  base::CancelSource source;
  bool active = true;
  bool waiting = false;
};

Http1Exchange::~Http1Exchange() {
  if (watch_) watch_->active = false;
}

void Http1Exchange::Begin(const Http1Head& head, std::string_view body, base::TimePoint received_at, bool keep_alive,
                          std::string_view following) {
  request_.method = head.method;
  request_.target = head.target;
  request_.path = head.path;
  request_.query = head.query;
  request_.authority = head.authority;
  request_.headers = head.headers;
  request_.body = body;
  request_.peer = conn_.peer();
  request_.version = head.version;
  request_.secure = conn_.secure();
  received_at_ = received_at;
  answered_ = false;
  status_ = 0;
  keep_alive_ = keep_alive;
  following_ = following;
  more_input_ = !following.empty();
  streaming_ = chunked_ = finished_ = false;
}

ConnectionHeader Http1Exchange::ConnectionToSay() const {
  if (!keep_alive_) return ConnectionHeader::kClose;
  return request_.version == HttpVersion::kHttp10 ? ConnectionHeader::kKeepAlive : ConnectionHeader::kNone;
}

void Http1Exchange::WriteHead(std::string& out, int status, std::span<const HttpHeader> headers,
                              std::optional<std::uint64_t> length) {
  LOQUAT_CHECK(!answered_, "an exchange is answered once");
  answered_ = true;
  status_ = status;
  if (shard_.shared->draining.load(std::memory_order_relaxed)) keep_alive_ = false;
  Http1ResponseHead head;
  head.status = status;
  head.headers = headers;
  head.date = conn_.loop().HttpDate();
  if (!IsBodiless(status)) head.content_length = length;
  head.chunked = chunked_;
  head.connection = ConnectionToSay();
  AppendResponseHead(out, head);
}

void Http1Exchange::Respond(int status, std::span<const HttpHeader> headers, std::string_view body) {
  std::string& scratch = TakeScratch(conn_.loop());
  WriteHead(scratch, status, headers, body.size());
  finished_ = true;
  if (request_.method == "HEAD" || IsBodiless(status)) body = {};
  if (body.size() <= kCopyBytesMax) {
    scratch += body;
    body = {};
  }
  Send(scratch, body);
}

void Http1Exchange::RespondOwned(int status, std::span<const HttpHeader> headers, std::string body) {
  Respond(status, headers, body);
}

void Http1Exchange::Send(std::string_view head, std::string_view body) {
  if (broken_) return;
  if (!out_.empty() || (more_input_ && head.size() + body.size() < kGatherBytesMax)) {
    out_ += head;
    out_ += body;
    return;
  }
  const std::array<std::string_view, 2> pieces = {head, body};
  const auto sent = conn_.TryWrite({pieces.data(), body.empty() ? 1U : 2U});
  if (!sent) {
    broken_ = true;
    CancelWork();
    return;
  }
  shard_.shared->observer.OnBytes(0, sent->bytes);
  if (sent->bytes < head.size()) {
    out_ += head.substr(sent->bytes);
    out_ += body;
  } else if (sent->bytes < head.size() + body.size()) {
    out_ += body.substr(sent->bytes - head.size());
  }
}

asio::awaitable<base::Status> Http1Exchange::Flush() {
  const std::string out = std::exchange(out_, std::string());
  for (std::string_view rest = out; !rest.empty() && !broken_;) {
    const std::string_view slice = rest.substr(0, kWriteSliceBytes);
    conn_.SetWriteDeadline(std::chrono::steady_clock::now() + shard_.shared->options.timeouts.write_stall);
    auto written = co_await conn_.WriteAll(slice);
    if (!written) {
      if (written.error().code == base::Code::kDeadlineExceeded) {
        shard_.shared->observer.OnProtocolError("write_stalled");
      }
      broken_ = true;
      CancelWork();
      co_return std::move(written).error();
    }
    shard_.shared->observer.OnBytes(0, slice.size());
    rest.remove_prefix(slice.size());
  }
  if (broken_) co_return base::Unavailable("the client is gone");
  co_return base::Status();
}

void Http1Exchange::BeginStream(int status, std::span<const HttpHeader> headers) {
  // HTTP/1.0 knows no chunks: its stream ends with the connection.
  chunked_ = request_.version != HttpVersion::kHttp10 && !IsBodiless(status);
  if (!chunked_) keep_alive_ = false;
  streaming_ = true;
  std::string& scratch = TakeScratch(conn_.loop());
  WriteHead(scratch, status, headers, std::nullopt);
  more_input_ = false;
  Send(scratch, {});
}

asio::awaitable<base::Status> Http1Exchange::Write(std::string_view chunk) {
  LOQUAT_CHECK(streaming_ && !finished_, "Write comes between BeginStream and Finish");
  if (broken_) co_return base::Unavailable("the client is gone");
  if (chunk.empty() || request_.method == "HEAD" || IsBodiless(status_)) co_return base::Status();
  std::string& scratch = TakeScratch(conn_.loop());
  if (chunked_) AppendChunkSize(scratch, chunk.size());
  scratch += chunk;
  if (chunked_) scratch += "\r\n";
  Send(scratch, {});
  if (out_.empty() && !broken_) co_return base::Status();
  co_return co_await Flush();
}

asio::awaitable<base::Status> Http1Exchange::Finish() {
  LOQUAT_CHECK(streaming_ && !finished_, "Finish comes once, after BeginStream");
  finished_ = true;
  if (chunked_ && request_.method != "HEAD") Send("0\r\n\r\n", {});
  if (out_.empty() && !broken_) co_return base::Status();
  co_return co_await Flush();
}

void Http1Exchange::Refuse(int status, const base::Error& error, bool head_only) {
  keep_alive_ = false;
  answered_ = false;
  chunked_ = false;
  const std::string body = shard_.shared->FormatError(status, error);
  const HttpHeader content_type = {"Content-Type", "application/json"};
  std::string head;
  WriteHead(head, status, {&content_type, 1}, body.size());
  Send(head, head_only ? std::string_view() : body);
}

base::CancelToken Http1Exchange::WatchDisconnect() {
  if (websocket_) return websocket_->token();
  if (!watch_) {
    watch_ = std::make_shared<Watch>(conn_);
    if (broken_ || conn_.PeerGone()) {
      watch_->source.Cancel();
    } else {
      conn_.SetReadDeadline(base::TimePoint::max());
      asio::co_spawn(executor(), WatchLoop(watch_), asio::detached);
    }
  }
  return watch_->source.token();
}

asio::awaitable<void> Http1Exchange::WatchLoop(std::shared_ptr<Watch> watch) {
  while (watch->active) {
    watch->waiting = true;
    const auto readable = co_await watch->conn.WaitReadable();
    watch->waiting = false;
    if (!watch->active) break;
    if (!readable || watch->conn.PeerGone()) {
      watch->source.Cancel();
      break;
    }
    co_await SleepFor(kWatchPoll);
  }
}

void Http1Exchange::CancelWork() {
  if (watch_) watch_->source.Cancel();
}

asio::awaitable<void> Http1Exchange::StopWatching() {
  if (!watch_) co_return;
  watch_->active = false;
  conn_.CancelRead();
  // One turn of the loop lets the watcher see it; the next read must not share the socket with it.
  while (watch_->waiting) co_await asio::post(asio::use_awaitable);
}

void Http1Exchange::BeginDrain() {
  keep_alive_ = false;
  if (websocket_) websocket_->BeginDrain();
}

void Http1Exchange::Abort() {
  CancelWork();
  if (websocket_) websocket_->Abort();
}

base::Result<WebSocketHandshake> Http1Exchange::CheckUpgrade(const WebSocketAccept& accept) {
  LOQUAT_ASSIGN(WebSocketHandshake agreed, CheckHandshake(request_, accept));
  if (shard_.shared->draining.load(std::memory_order_relaxed)) {
    return base::Error{.code = base::Code::kUnavailable,
                       .message = "the server is stopping and takes no new WebSocket; connect again",
                       .reason = "draining",
                       .retry_after = shard_.shared->options.retry_after};
  }
  return agreed;
}

void Http1Exchange::SwitchProtocols(const WebSocketHandshake& agreed, const WebSocketAccept& accept) {
  std::vector<HttpHeader> headers = {
      {"Upgrade", "websocket"}, {"Connection", "Upgrade"}, {"Sec-WebSocket-Accept", agreed.accept_key}};
  if (!agreed.subprotocol.empty()) headers.push_back({"Sec-WebSocket-Protocol", agreed.subprotocol});
  const std::string deflate = agreed.deflate ? DeflateAnswer(*agreed.deflate) : std::string();
  if (agreed.deflate) headers.push_back({"Sec-WebSocket-Extensions", deflate});
  headers.insert(headers.end(), accept.headers.begin(), accept.headers.end());
  answered_ = finished_ = true;
  status_ = 101;
  more_input_ = keep_alive_ = false;
  std::string& scratch = TakeScratch(conn_.loop());
  AppendResponseHead(scratch, {.status = status_, .headers = headers, .date = conn_.loop().HttpDate()});
  Send(scratch, {});
  shard_.shared->observer.OnRequest(request_.version, status_);
}

asio::awaitable<base::Result<WebSocket*>> Http1Exchange::AcceptWebSocket(const WebSocketAccept& accept) {
  LOQUAT_CHECK(!answered_, "an exchange is answered once");
  auto agreed = CheckUpgrade(accept);
  std::optional<WebSocketSlot> slot;
  if (agreed) {
    slot = WebSocketSlot::Take(shard_.shared->websockets, accept.options->connections_max);
    if (!slot) agreed = TooManyWebSockets(accept.options->connections_max, shard_.shared->options.retry_after);
  }
  if (!agreed) {
    shard_.shared->observer.OnWebSocketRefused(agreed.error().reason);
    co_return std::move(agreed).error();
  }
  co_await StopWatching();
  SwitchProtocols(*agreed, accept);
  if (!out_.empty()) (void)co_await Flush();
  // It is answered now: that the client has gone is for the socket to say.
  if (broken_) conn_.Close();
  if (!shard_.websockets) shard_.websockets = std::make_shared<WebSocketTools>();
  websocket_ = std::make_unique<WebSocketConnection>(conn_, shard_, accept.options, agreed->deflate, *std::move(slot),
                                                     following_);
  if (watch_) websocket_->Adopt(watch_->source);
  if (shard_.shared->draining.load(std::memory_order_relaxed)) websocket_->BeginDrain();
  co_return websocket_.get();
}

asio::awaitable<bool> Http1Exchange::End(bool handler_failed) {
  if (websocket_) {
    co_await websocket_->Finish(handler_failed);
    websocket_.reset();
    watch_.reset();
    co_return false;
  }
  co_await StopWatching();
  watch_.reset();
  if (!answered_ && !broken_) {
    Refuse(500, {.code = base::Code::kInternal, .message = "the request was not answered", .reason = "no_answer"},
           request_.method == "HEAD");
  } else if (streaming_ && !finished_) {
    broken_ = true;  // The missing last chunk tells the client that the answer is cut.
  }
  shard_.shared->observer.OnRequest(request_.version, status_);
  if (out_.size() > kGatherBytesMax || (!out_.empty() && !more_input_)) co_return (co_await Flush()).has_value();
  co_return !broken_;
}

}  // namespace loquat::net
