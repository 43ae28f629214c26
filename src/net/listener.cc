#include "net/listener.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace loquat::net {
namespace {

using boost::system::error_code;

constexpr std::size_t kAcceptBatch = 64;  // Then other work of the loop gets its turn.
constexpr std::chrono::milliseconds kAcceptRetry{100};
constexpr std::string_view kUnixPrefix = "unix:";

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

base::Result<SocketAddress> ParseAddress(const ListenAddress& address) {
  SocketAddress out;
  const std::string host = address.host == "localhost" ? "127.0.0.1" : address.host;
  auto& v4 = reinterpret_cast<sockaddr_in&>(out.storage);
  auto& v6 = reinterpret_cast<sockaddr_in6&>(out.storage);
  auto& local = reinterpret_cast<sockaddr_un&>(out.storage);
  if (host.starts_with(kUnixPrefix)) {
    const std::string path = host.substr(kUnixPrefix.size());
    if (path.empty() || path.size() >= sizeof(local.sun_path)) {
      return base::InvalidArgument(
          fmt::format("the socket path '{}' is empty or longer than {} bytes", path, sizeof(local.sun_path) - 1));
    }
    local.sun_family = AF_UNIX;
    path.copy(local.sun_path, path.size());
    out.size = sizeof(sockaddr_un);
  } else if (inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(address.port);
    out.size = sizeof(sockaddr_in);
  } else if (inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(address.port);
    out.size = sizeof(sockaddr_in6);
  } else {
    return base::InvalidArgument(
        fmt::format("cannot listen on '{}': give an IPv4 or IPv6 address, localhost, or unix:/path", host));
  }
  return out;
}

std::string Describe(const ListenAddress& address) {
  return address.host.starts_with(kUnixPrefix) ? address.host : fmt::format("{} port {}", address.host, address.port);
}

base::Error ListenError(const ListenAddress& address, int error_number) {
  std::string hint;
  if (error_number == EADDRINUSE) hint = "; another program has it: stop it or choose another";
  if (error_number == EACCES) hint = "; ports below 1024 need privileges: choose another";
  if (error_number == EADDRNOTAVAIL) hint = "; this machine has no such address";
  return base::Unavailable(
      fmt::format("cannot listen on {}: {}{}", Describe(address), std::generic_category().message(error_number), hint));
}

std::uint16_t PortOf(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof(storage);
  getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size);
  if (storage.ss_family == AF_INET) return ntohs(reinterpret_cast<sockaddr_in&>(storage).sin_port);
  if (storage.ss_family == AF_INET6) return ntohs(reinterpret_cast<sockaddr_in6&>(storage).sin6_port);
  return 0;
}

// A socket file that a dead server left behind would keep us from binding. Only a socket is ever removed.
void RemoveStaleSocket(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) == 0 && S_ISSOCK(info.st_mode)) ::unlink(path.c_str());
}

bool IsTransient(int error_number) {
  return error_number == EINTR || error_number == ECONNABORTED || error_number == EPROTO || error_number == EPERM;
}

}  // namespace

base::Result<std::shared_ptr<Listener>> Listener::Open(EventLoop& loop, const ListenAddress& address) {
  LOQUAT_ASSIGN(const SocketAddress where, ParseAddress(address));
  const int family = where.storage.ss_family;
  const int fd = ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return ListenError(address, errno);
  const int on = 1;
  std::string unix_path;
  if (family == AF_UNIX) {
    unix_path = address.host.substr(kUnixPrefix.size());
    RemoveStaleSocket(unix_path);
  } else {
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  }
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&where.storage), where.size) != 0 ||
      ::listen(fd, address.backlog) != 0) {
    const int error_number = errno;
    ::close(fd);
    return ListenError(address, error_number);
  }
  return std::make_shared<Listener>(loop, fd, std::move(unix_path));
}

Listener::Listener(EventLoop& loop, int fd, std::string unix_path)
    : loop_(loop), unix_path_(std::move(unix_path)), port_(PortOf(fd)), socket_(loop.context().get_executor()) {
  error_code ignored;
  socket_.assign(asio::generic::stream_protocol(unix_path_.empty() ? AF_INET : AF_UNIX, 0), fd, ignored);
}

Listener::~Listener() {
  if (!unix_path_.empty()) RemoveStaleSocket(unix_path_);
}

void Listener::Start(Callbacks callbacks) {
  loop_.Post([self = shared_from_this(), callbacks = std::move(callbacks)]() mutable {
    self->callbacks_ = std::move(callbacks);
    asio::co_spawn(self->loop_.context(), AcceptLoop(self), asio::detached);
  });
}

void Listener::Close(std::function<void()> closed) {
  loop_.Post([self = shared_from_this(), closed = std::move(closed)] {
    if (!self->closed_) {
      bool drained = false;
      while (!drained && self->AcceptSome(kAcceptBatch, drained)) {
      }
      self->closed_ = true;
      error_code ignored;
      self->socket_.close(ignored);
    }
    if (closed) closed();
  });
}

bool Listener::AcceptSome(std::size_t limit, bool& drained) {
  for (std::size_t i = 0; i < limit; ++i) {
    const int fd = ::accept4(socket_.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      callbacks_.accepted(fd);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      drained = true;
      return true;
    } else if (!IsTransient(errno)) {
      if (callbacks_.failed) callbacks_.failed(std::generic_category().message(errno));
      return false;
    }
  }
  return true;
}

asio::awaitable<void> Listener::AcceptLoop(std::shared_ptr<Listener> self) {
  while (!self->closed_) {
    const auto [error] = co_await self->socket_.async_wait(Socket::wait_read, asio::as_tuple(asio::use_awaitable));
    if (self->closed_) break;
    bool drained = static_cast<bool>(error);
    while (!drained && !self->closed_) {
      if (!self->AcceptSome(kAcceptBatch, drained)) {
        co_await SleepFor(kAcceptRetry);
        break;
      }
      if (!drained) co_await asio::post(asio::use_awaitable);
    }
  }
}

}  // namespace loquat::net
