// The configuration of sessions in Redis: `sessions.redis`. Plain values.

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "config/section.h"
#include "net/redis_client.h"

namespace loquat::context {

inline constexpr std::size_t kRedisPrefixBytesMax = 256;

struct RedisTlsOptions {
  std::string ca_file;  // PEM; empty: the system's trust store.
  bool verify = true;
};
void Declare(config::Section<RedisTlsOptions>& section);

struct RedisOptions {
  std::string address = "127.0.0.1:6379";  // HOST:PORT, [IPV6]:PORT or unix:/PATH.
  std::string username;                    // Empty: the default user.
  std::string password;                    // Empty: no login.
  std::uint32_t database = 0;
  std::optional<RedisTlsOptions> tls;
  std::string prefix = "loquat:session:";
  std::chrono::milliseconds connect_timeout{1'000};
  std::chrono::milliseconds command_timeout{500};
  std::size_t in_flight_max = 4'096;  // Of one I/O thread.
  bool fallback = true;               // Sessions go on in memory while Redis is away; off: requests are refused.
};
void Declare(config::Section<RedisOptions>& section);

base::Result<net::StreamAddress> ParseRedisAddress(std::string_view text);
// With TLS, reads the certificates.
base::Result<net::RedisClientOptions> ClientOptions(const RedisOptions& options);

}  // namespace loquat::context
