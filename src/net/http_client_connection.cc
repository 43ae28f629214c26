#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "net/http1_writer.h"
#include "net/http_client.h"
#include "net/socket_conn.h"
#include "net/tls.h"

namespace loquat::net {
namespace {

using boost::system::error_code;
using tcp = asio::ip::tcp;

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

base::TimePoint Now() {
  return std::chrono::steady_clock::now();
}

// Cancels a socket or resolver when the time is up; shared, because the timer's last callback may come late.
template <typename Cancellable>
struct Watchdog {
  Watchdog(EventLoop& loop, Cancellable& the_target, base::TimePoint at) : timer(loop.context()) {
    timer.expires_at(at);
    timer.async_wait([target = &the_target](const error_code& error) {
      if (!error) target->cancel();
    });
  }
  asio::steady_timer timer;
};

asio::awaitable<base::Result<std::vector<tcp::endpoint>>> Resolve(EventLoop& loop, std::string host, std::uint16_t port,
                                                                  base::TimePoint until) {
  error_code error;
  const auto address = asio::ip::make_address(host == "localhost" ? "127.0.0.1" : host, error);
  if (!error) co_return std::vector<tcp::endpoint>{{address, port}};
  tcp::resolver resolver(loop.context());
  const Watchdog<tcp::resolver> watchdog(loop, resolver, until);
  auto [failed, found] = co_await resolver.async_resolve(host, std::to_string(port), kAwait);
  if (failed) co_return base::Unavailable(fmt::format("cannot find the host '{}': {}", host, failed.message()));
  std::vector<tcp::endpoint> endpoints;
  for (const auto& entry : found) endpoints.push_back(entry.endpoint());
  co_return endpoints;
}

// A connected descriptor.
asio::awaitable<base::Result<int>> ConnectTcp(EventLoop& loop, tcp::endpoint endpoint, base::TimePoint until) {
  tcp::socket socket(loop.context());
  error_code failed;
  {
    const Watchdog<tcp::socket> watchdog(loop, socket, until);
    std::tie(failed) = co_await socket.async_connect(endpoint, kAwait);
  }
  if (failed == asio::error::operation_aborted) {
    co_return base::Error{.code = base::Code::kDeadlineExceeded, .message = "the server does not answer"};
  }
  if (failed) {
    co_return base::Unavailable(fmt::format("cannot connect to {} port {}: {}", endpoint.address().to_string(),
                                            endpoint.port(), failed.message()));
  }
  error_code error;
  const int fd = socket.release(error);
  if (error) co_return base::Internal("cannot take the connected socket: " + error.message());
  co_return fd;
}

}  // namespace

HttpClientConnection::HttpClientConnection(std::unique_ptr<Conn> conn, HttpClientOptions options)
    : conn_(std::move(conn)), options_(std::move(options)) {}

asio::awaitable<base::Result<std::unique_ptr<HttpClientConnection>>> HttpClientConnection::Connect(
    EventLoop& loop, HttpUrl url, HttpClientOptions options, HttpRoute route) {
  if (url.secure && !options.tls)
    co_return base::FailedPrecondition("https needs a TLS context in the client's options");
  const base::TimePoint until = std::min(Now() + options.connect_timeout, route.until);
  base::Result<std::vector<tcp::endpoint>> endpoints = std::move(route.addresses);
  if (endpoints->empty()) {
    endpoints = co_await Resolve(loop, url.host, url.port, until);
    if (!endpoints) co_return std::move(endpoints).error();
  }
  base::Result<int> fd = base::Unavailable(fmt::format("the host '{}' has no address", url.host));
  for (const tcp::endpoint& endpoint : *endpoints) {
    fd = co_await ConnectTcp(loop, endpoint, until);
    if (fd) break;
  }
  if (!fd) co_return std::move(fd).error();
  auto conn = url.secure ? MakeTlsClientConn(loop, *fd, *options.tls, url.host) : MakePlainConn(loop, *fd);
  conn->SetReadDeadline(until);
  conn->SetWriteDeadline(until);
  if (auto shaken = co_await conn->Handshake(); !shaken) co_return std::move(shaken).error();
  co_return std::make_unique<HttpClientConnection>(std::move(conn), std::move(options));
}

asio::awaitable<base::Result<std::size_t>> HttpClientConnection::ReadMore() {
  if (in_.empty()) in_.Tidy();
  in_.Reserve(0);
  auto got = co_await conn_->Read(in_.free());
  if (got) in_.Commit(*got);
  co_return got;
}

asio::awaitable<base::Status> HttpClientConnection::ReadHead() {
  std::size_t scanned = 0;
  for (;;) {
    if (!in_.empty()) {
      const ParseOutcome outcome = ParseResponseHead(in_.data(), scanned, options_.limits, head_);
      if (outcome.state == ParseState::kDone) break;
      if (outcome.state == ParseState::kFailed) {
        co_return base::DataLoss(fmt::format("the server's answer is malformed: {}", outcome.failure.message));
      }
    }
    auto got = co_await ReadMore();
    if (!got) co_return std::move(got).error();
    if (*got == 0) co_return base::Unavailable("the server closed the connection before it answered");
  }
  used_ = head_.size;
  co_return base::Status();
}

void HttpClientConnection::ChooseFraming(bool head_only) {
  keep_alive_ = head_.keep_alive;
  left_ = 0;
  if (head_only || IsBodiless(head_.status)) {
    framing_ = Framing::kNone;
  } else if (head_.chunked) {
    framing_ = Framing::kChunked;
    chunks_.emplace(UINT64_MAX);
  } else if (head_.content_length) {
    framing_ = Framing::kLength;
    left_ = *head_.content_length;
  } else {
    framing_ = Framing::kClose;
    keep_alive_ = false;
  }
  body_done_ = framing_ == Framing::kNone || (framing_ == Framing::kLength && left_ == 0);
}

asio::awaitable<base::Result<const Http1Head*>> HttpClientConnection::Send(std::string_view request, bool head_only) {
  in_.Consume(std::exchange(used_, 0));
  if (!reusable() || !in_.empty()) co_return base::FailedPrecondition("the connection is not ready for a request");
  body_done_ = false;
  const base::TimePoint now = Now();
  conn_->SetReadDeadline(std::min(now + options_.head_timeout, until_));
  const auto sent = conn_->TryWrite({&request, 1});
  if (!sent) co_return sent.error();
  if (sent->bytes < request.size()) {
    conn_->SetWriteDeadline(std::min(now + options_.head_timeout, until_));
    if (auto rest = co_await conn_->WriteAll(request.substr(sent->bytes)); !rest) co_return std::move(rest).error();
  }
  for (;;) {
    if (auto read = co_await ReadHead(); !read) co_return std::move(read).error();
    // Interim answers (RFC 9110 section 15.2) are not the answer.
    if (head_.status >= 200) break;
    in_.Consume(std::exchange(used_, 0));
  }
  ChooseFraming(head_only);
  co_return &head_;
}

asio::awaitable<base::Result<std::string_view>> HttpClientConnection::ReadBody() {
  for (;;) {
    in_.Consume(std::exchange(used_, 0));
    if (body_done_) co_return std::string_view();
    if (in_.empty()) {
      conn_->SetReadDeadline(std::min(Now() + options_.stall_timeout, until_));
      auto got = co_await ReadMore();
      if (!got) co_return std::move(got).error();
      if (*got == 0) {
        body_done_ = true;
        if (framing_ == Framing::kClose) co_return std::string_view();
        keep_alive_ = false;
        co_return base::DataLoss("the server closed the connection in the middle of its answer");
      }
    }
    const std::span<char> data = in_.data();
    std::size_t size = data.size();
    used_ = size;
    if (framing_ == Framing::kLength) {
      size = used_ = std::min<std::uint64_t>(left_, data.size());
      left_ -= size;
      body_done_ = left_ == 0;
    } else if (framing_ == Framing::kChunked) {
      const ChunkedDecoder::Progress progress = chunks_->Feed(data);
      if (progress.state == ParseState::kFailed) {
        keep_alive_ = false;
        co_return base::DataLoss("the server's answer has a malformed chunk");
      }
      used_ = progress.consumed;
      size = progress.produced;
      body_done_ = progress.state == ParseState::kDone;
    }
    if (size != 0) co_return std::string_view(data.data(), size);
  }
}

asio::awaitable<base::Result<HttpClientConnection::Reply>> HttpClientConnection::RoundTrip(std::string_view request) {
  const auto head = co_await Send(request);
  if (!head) co_return head.error();
  Reply reply{.status = (*head)->status, .body_bytes = 0};
  // A short body that came with the head needs no further turn.
  if (framing_ == Framing::kLength && in_.size() - used_ >= left_) {
    reply.body_bytes = left_;
    used_ += std::exchange(left_, 0);
    body_done_ = true;
    co_return reply;
  }
  for (;;) {
    const auto piece = co_await ReadBody();
    if (!piece) co_return piece.error();
    if (piece->empty()) co_return reply;
    reply.body_bytes += piece->size();
  }
}

}  // namespace loquat::net
