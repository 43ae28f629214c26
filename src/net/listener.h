// A listening socket: accepts on one loop and hands the descriptors to a callback, which spreads them over the loops.
// One acceptor instead of SO_REUSEPORT per loop: connections spread evenly, a taken port is an error instead of being
// shared in silence, and none waits in the queue of a loop that is closing.
// Threads: Open and Close from any thread; the callback runs on the accepting loop.
// Lifetime: shared; the accepting coroutine holds one reference until Close.

#pragma once

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "net/event_loop.h"

namespace loquat::net {

inline constexpr int kDefaultBacklog = 1024;

struct ListenAddress {
  // An IPv4 or IPv6 address ("127.0.0.1", "::1", "0.0.0.0", "::"), "localhost", or "unix:/path/of.sock".
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;  // 0: the system picks one; see Listener::port().
  int backlog = kDefaultBacklog;
};

class Listener : public std::enable_shared_from_this<Listener> {
 public:
  struct Callbacks {
    std::function<void(int fd)> accepted;              // Takes the descriptor.
    std::function<void(std::string_view why)> failed;  // The system gave no descriptor; tried again in a moment.
  };

  // Binds and listens; accepting starts with Start().
  static base::Result<std::shared_ptr<Listener>> Open(EventLoop& loop, const ListenAddress& address);
  Listener(EventLoop& loop, int fd, std::string unix_path);
  ~Listener();

  void Start(Callbacks callbacks);
  // Accepts what the kernel has already queued, then closes. `closed` runs on the loop after the last callback.
  void Close(std::function<void()> closed);
  std::uint16_t port() const { return port_; }

 private:
  static asio::awaitable<void> AcceptLoop(std::shared_ptr<Listener> self);
  // False: stop for a while, the process is out of descriptors.
  bool AcceptSome(std::size_t limit, bool& drained);

  using Socket = asio::basic_stream_socket<asio::generic::stream_protocol, asio::io_context::executor_type>;

  EventLoop& loop_;
  const std::string unix_path_;
  std::uint16_t port_ = 0;
  // Loop thread only.
  Socket socket_;
  Callbacks callbacks_;
  bool closed_ = false;
};

}  // namespace loquat::net
