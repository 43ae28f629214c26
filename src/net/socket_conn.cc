#include "net/socket_conn.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/error_code.hpp>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

namespace loquat::net {
namespace {

using boost::system::error_code;

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t kMaxPieces = 16;  // Of one sendmsg; more pieces take more calls.

// Writes "address:port" into `out` and returns its size. `out` has room for the longest IPv6 form.
std::size_t FormatPeer(const sockaddr_storage& address, std::span<char> out) {
  char host[INET6_ADDRSTRLEN] = {};
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    inet_ntop(AF_INET, &v4.sin_addr, host, sizeof(host));
    return fmt::format_to_n(out.data(), out.size(), "{}:{}", host, ntohs(v4.sin_port)).size;
  }
  if (address.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    inet_ntop(AF_INET6, &v6.sin6_addr, host, sizeof(host));
    return fmt::format_to_n(out.data(), out.size(), "[{}]:{}", host, ntohs(v6.sin6_port)).size;
  }
  return std::string_view(address.ss_family == AF_UNIX ? "unix" : "unknown").copy(out.data(), out.size());
}

}  // namespace

base::Error SocketError(std::string_view doing, int error_number) {
  return base::Unavailable(fmt::format("{}: {}", doing, std::generic_category().message(error_number)));
}

asio::awaitable<base::Status> Conn::WriteAll(std::string_view bytes) {
  co_return co_await Write(std::span<const std::string_view>(&bytes, 1));
}

SocketConn::SocketConn(EventLoop& loop, int fd) : loop_(loop), socket_(loop.context().get_executor()) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  getpeername(fd, reinterpret_cast<sockaddr*>(&address), &size);
  peer_ = {peer_text_, std::min(FormatPeer(address, peer_text_), sizeof(peer_text_))};
  if (address.ss_family == AF_INET || address.ss_family == AF_INET6) {
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  }
  error_code error;
  socket_.assign(asio::generic::stream_protocol(address.ss_family, 0), fd, error);
  if (error) {
    ::close(fd);
    closed_ = true;
  } else {
    socket_.non_blocking(true, error);
  }
  loop_.AddDeadline(*this);
}

SocketConn::~SocketConn() {
  loop_.RemoveDeadline(*this);
}

std::optional<base::Error> SocketConn::AbortReason(bool expired, std::uint32_t cancels_before) {
  if (closed_) return base::Unavailable("the connection was closed");
  if (expired) return base::Error{.code = base::Code::kDeadlineExceeded, .message = "the peer was too slow"};
  if (cancels_before != read_cancels_) {
    return base::Error{.code = base::Code::kCancelled, .message = "the read was cancelled"};
  }
  return std::nullopt;
}

asio::awaitable<base::Result<std::size_t>> SocketConn::Read(std::span<char> into) {
  for (;;) {
    if (closed_) co_return base::Unavailable("the connection is closed");
    const std::uint32_t cancels = read_cancels_;
    read_expired_ = false;
    reading_ = true;
    const auto [error, bytes] = co_await socket_.async_read_some(asio::buffer(into.data(), into.size()), kAwait);
    reading_ = false;
    if (!error) co_return bytes;
    if (error == asio::error::eof) co_return std::size_t{0};
    if (error != asio::error::operation_aborted) co_return SocketError("read", error.value());
    if (auto reason = AbortReason(read_expired_, cancels)) co_return std::move(*reason);
  }
}

asio::awaitable<base::Status> SocketConn::WaitReadable() {
  for (;;) {
    if (closed_) co_return base::Unavailable("the connection is closed");
    const std::uint32_t cancels = read_cancels_;
    read_expired_ = false;
    reading_ = true;
    const auto [error] = co_await socket_.async_wait(Socket::wait_read, kAwait);
    reading_ = false;
    if (!error) co_return base::Status();
    if (error != asio::error::operation_aborted) co_return SocketError("wait for data", error.value());
    if (auto reason = AbortReason(read_expired_, cancels)) co_return std::move(*reason);
  }
}

asio::awaitable<base::Status> SocketConn::WaitWritable() {
  for (;;) {
    if (closed_) co_return base::Unavailable("the connection is closed");
    write_expired_ = false;
    writing_ = true;
    const auto [error] = co_await socket_.async_wait(Socket::wait_write, kAwait);
    writing_ = false;
    if (!error) co_return base::Status();
    if (error != asio::error::operation_aborted) co_return SocketError("wait for room to write", error.value());
    if (auto reason = AbortReason(write_expired_, read_cancels_)) co_return std::move(*reason);
  }
}

base::Result<Conn::Attempt> SocketConn::TryRead(std::span<char> into) {
  if (closed_) return base::Unavailable("the connection is closed");
  for (;;) {
    const ssize_t n = ::recv(fd(), into.data(), into.size(), MSG_DONTWAIT);
    if (n >= 0) return Attempt{.bytes = static_cast<std::size_t>(n)};
    if (errno == EAGAIN || errno == EWOULDBLOCK) return Attempt{.blocked = true};
    if (errno != EINTR) return SocketError("read", errno);
  }
}

base::Result<Conn::Attempt> SocketConn::TryWrite(std::span<const std::string_view> pieces) {
  if (closed_) return base::Unavailable("the connection is closed");
  std::array<iovec, kMaxPieces> vectors;
  const std::size_t count = std::min(pieces.size(), kMaxPieces);
  for (std::size_t i = 0; i < count; ++i) vectors[i] = {const_cast<char*>(pieces[i].data()), pieces[i].size()};
  msghdr message{};
  message.msg_iov = vectors.data();
  message.msg_iovlen = count;
  for (;;) {
    const ssize_t n = ::sendmsg(fd(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n >= 0) return Attempt{.bytes = static_cast<std::size_t>(n)};
    if (errno == EAGAIN || errno == EWOULDBLOCK) return Attempt{.blocked = true};
    if (errno != EINTR) return SocketError("write", errno);
  }
}

asio::awaitable<base::Status> SocketConn::Write(std::span<const std::string_view> pieces) {
  std::size_t index = 0;
  std::size_t offset = 0;  // Into pieces[index].
  while (index < pieces.size()) {
    std::array<std::string_view, kMaxPieces> rest;
    std::size_t count = 0;
    for (std::size_t i = index; i < pieces.size() && count < rest.size(); ++i) {
      rest[count++] = i == index ? pieces[i].substr(offset) : pieces[i];
    }
    auto sent = TryWrite({rest.data(), count});
    if (!sent) co_return std::move(sent).error();
    if (sent->blocked) {
      if (auto waited = co_await WaitWritable(); !waited) co_return std::move(waited).error();
      continue;
    }
    std::size_t left = sent->bytes;
    while (index < pieces.size() && left >= pieces[index].size() - offset) {
      left -= pieces[index].size() - offset;
      offset = 0;
      ++index;
    }
    offset += left;
  }
  co_return base::Status();
}

asio::awaitable<base::Status> SocketConn::Handshake() {
  co_return base::Status();
}

bool SocketConn::PeerGone() {
  if (closed_) return true;
  pollfd query{.fd = fd(), .events = POLLRDHUP, .revents = 0};
  return ::poll(&query, 1, 0) > 0 && (query.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

void SocketConn::ShutdownWrite() {
  if (closed_) return;
  error_code ignored;
  socket_.shutdown(Socket::shutdown_send, ignored);
}

void SocketConn::Close() {
  if (std::exchange(closed_, true)) return;
  error_code ignored;
  socket_.close(ignored);
}

void SocketConn::CancelRead() {
  ++read_cancels_;
  error_code ignored;
  if (reading_ && !closed_) socket_.cancel(ignored);
}

// Asio cancels both directions at once; the operation that was not meant sees no reason and waits again.
void SocketConn::OnTick(base::TimePoint now) {
  const bool read_late = reading_ && !read_expired_ && now >= read_deadline_;
  const bool write_late = writing_ && !write_expired_ && now >= write_deadline_;
  if (!read_late && !write_late) return;
  read_expired_ |= read_late;
  write_expired_ |= write_late;
  error_code ignored;
  socket_.cancel(ignored);
}

std::unique_ptr<Conn> MakePlainConn(EventLoop& loop, int fd) {
  return std::make_unique<SocketConn>(loop, fd);
}

}  // namespace loquat::net
