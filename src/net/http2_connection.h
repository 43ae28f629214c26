// Serves HTTP/2 (RFC 9113) on a connection, through nghttp2. Internal to net.

#pragma once

#include <string>

#include "net/conn.h"
#include "net/server_shard.h"

namespace loquat::net {

// Runs until the connection is over. `early` is what was read of it before the protocol was known.
asio::awaitable<void> ServeHttp2(Conn& conn, ServerShard& shard, std::string early);

}  // namespace loquat::net
