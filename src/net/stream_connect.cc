#include "net/stream_connect.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>
#include <tuple>
#include <utility>
#include <vector>

#include "net/socket_conn.h"

namespace loquat::net {
namespace {

using boost::system::error_code;
using tcp = asio::ip::tcp;

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

base::Error TooSlow(const std::string& what) {
  return {.code = base::Code::kDeadlineExceeded, .message = what + " does not answer in time"};
}

// Cancels a socket or a resolver when the time is up. Whether it fired is shared with the handler, which may run after
// this has gone; then the target has gone as well and is not touched.
template <typename Cancellable>
class Watchdog {
 public:
  Watchdog(EventLoop& loop, Cancellable& target, base::TimePoint at) : timer_(loop.context()) {
    timer_.expires_at(at);
    timer_.async_wait([&target, armed = armed_](const error_code& error) {
      if (!error && *armed) target.cancel();
    });
  }
  ~Watchdog() { *armed_ = false; }
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

 private:
  const std::shared_ptr<bool> armed_ = std::make_shared<bool>(true);
  asio::steady_timer timer_;
};

asio::awaitable<base::Result<std::vector<tcp::endpoint>>> Resolve(EventLoop& loop, StreamAddress address,
                                                                  base::TimePoint until) {
  error_code error;
  const auto literal = asio::ip::make_address(address.host == "localhost" ? "127.0.0.1" : address.host, error);
  if (!error) co_return std::vector<tcp::endpoint>{{literal, address.port}};
  tcp::resolver resolver(loop.context());
  const Watchdog<tcp::resolver> watchdog(loop, resolver, until);
  auto [failed, found] = co_await resolver.async_resolve(address.host, std::to_string(address.port), kAwait);
  if (failed == asio::error::operation_aborted) co_return TooSlow("the name service");
  if (failed) co_return base::Unavailable(fmt::format("cannot find the host '{}': {}", address.host, failed.message()));
  std::vector<tcp::endpoint> endpoints;
  for (const auto& entry : found) endpoints.push_back(entry.endpoint());
  co_return endpoints;
}

asio::awaitable<base::Result<int>> ConnectTcp(EventLoop& loop, tcp::endpoint endpoint, base::TimePoint until) {
  const std::string name = fmt::format("{} port {}", endpoint.address().to_string(), endpoint.port());
  tcp::socket socket(loop.context());
  error_code failed;
  {
    const Watchdog<tcp::socket> watchdog(loop, socket, until);
    std::tie(failed) = co_await socket.async_connect(endpoint, kAwait);
  }
  if (failed == asio::error::operation_aborted) co_return TooSlow(name);
  if (failed) co_return base::Unavailable(fmt::format("cannot connect to {}: {}", name, failed.message()));
  error_code error;
  const int fd = socket.release(error);
  if (error) co_return base::Internal("cannot take the connected socket: " + error.message());
  co_return fd;
}

// A local connect is done at once or not at all.
base::Result<int> ConnectUnix(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return base::InvalidArgument(
        fmt::format("the socket path '{}' is longer than {} bytes", path, sizeof(address.sun_path) - 1));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return SocketError("make a socket", errno);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) return fd;
  base::Error error = SocketError("connect to unix:" + path, errno);
  ::close(fd);
  return error;
}

}  // namespace

std::string StreamAddress::Text() const {
  if (!unix_path.empty()) return "unix:" + unix_path;
  return host.contains(':') ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

asio::awaitable<base::Result<int>> ConnectStream(EventLoop& loop, StreamAddress address, base::TimePoint until) {
  if (!address.unix_path.empty()) co_return ConnectUnix(address.unix_path);
  const auto endpoints = co_await Resolve(loop, address, until);
  if (!endpoints) co_return endpoints.error();
  base::Result<int> fd = base::Unavailable(fmt::format("the host '{}' has no address", address.host));
  for (const tcp::endpoint& endpoint : *endpoints) {
    fd = co_await ConnectTcp(loop, endpoint, until);
    if (fd) break;
  }
  co_return fd;
}

}  // namespace loquat::net
