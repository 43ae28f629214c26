// Opens a stream to a server: name lookup, TCP with each address in turn, or a Unix-domain socket.
// Threads: the loop's. Lifetime: the loop outlives the call.

#pragma once

#include <cstdint>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "net/event_loop.h"

namespace loquat::net {

struct StreamAddress {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
  std::string unix_path;  // Not empty: a Unix-domain socket, and the two above say nothing.

  std::string Text() const;  // "127.0.0.1:6379", "unix:/run/redis.sock"
};

// A connected descriptor that the caller owns. Errors: unavailable, deadline_exceeded when `until` passed first.
asio::awaitable<base::Result<int>> ConnectStream(EventLoop& loop, StreamAddress address, base::TimePoint until);

}  // namespace loquat::net
