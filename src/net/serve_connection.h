// The life of one accepted connection: handshake, choice of protocol, service, and a close that lets the client read
// its last answer. Internal to net.

#pragma once

#include <memory>

#include "net/server_shard.h"

namespace loquat::net {

// Runs on the shard's loop and takes `fd`. `refused`: the connection limit is reached, say so and close.
// REQUIRES: shared->connections was raised for it; it is lowered at the end.
asio::awaitable<void> ServeConnection(std::shared_ptr<ServerShard> shard, int fd, std::shared_ptr<const TlsContext> tls,
                                      bool refused);

}  // namespace loquat::net
