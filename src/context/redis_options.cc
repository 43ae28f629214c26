#include "context/redis_options.h"

#include <charconv>
#include <utility>

#include "net/tls.h"

namespace loquat::context {

using std::chrono::milliseconds;
using std::chrono::minutes;

namespace {

constexpr std::string_view kUnix = "unix:";
constexpr std::string_view kAddressForm = "HOST:PORT, [IPV6]:PORT or unix:/PATH";

bool IsPrefix(std::string_view text) {
  return !text.empty() && text.size() <= kRedisPrefixBytesMax &&
         std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
}

}  // namespace

base::Result<net::StreamAddress> ParseRedisAddress(std::string_view text) {
  const base::Error bad = base::InvalidArgument("a Redis address is " + std::string(kAddressForm));
  net::StreamAddress address;
  if (text.starts_with(kUnix)) {
    address.unix_path = text.substr(kUnix.size());
    if (!address.unix_path.starts_with('/')) return bad;
    return address;
  }
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return bad;
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.contains(':')) {
    return bad;
  }
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), address.port);
  if (host.empty() || error != std::errc() || end != port.data() + port.size() || address.port == 0) return bad;
  address.host = host;
  return address;
}

base::Result<net::RedisClientOptions> ClientOptions(const RedisOptions& options) {
  net::RedisClientOptions client{.username = options.username,
                                 .password = options.password,
                                 .database = options.database,
                                 .tls = nullptr,
                                 .connect_timeout = options.connect_timeout,
                                 .command_timeout = options.command_timeout,
                                 .in_flight_max = options.in_flight_max,
                                 .limits = {},
                                 .greeting = nullptr};
  LOQUAT_ASSIGN(client.address, ParseRedisAddress(options.address));
  if (options.tls) {
    LOQUAT_ASSIGN(client.tls, net::TlsContext::ForClient(
                                  {.ca_file = options.tls->ca_file, .verify = options.tls->verify, .protocols = {}}));
  }
  return client;
}

void Declare(config::Section<RedisTlsOptions>& section) {
  section.Key("ca_file", &RedisTlsOptions::ca_file)
      .NeedsRestart()
      .Help("PEM file of the authorities that the certificate of Redis is checked against; empty: the system's.");
  section.Key("verify", &RedisTlsOptions::verify)
      .NeedsRestart()
      .Help("Check the certificate and that it names the host; off: for tests alone.");
}

void Declare(config::Section<RedisOptions>& section) {
  section.Key("address", &RedisOptions::address)
      .Match([](std::string_view text) { return ParseRedisAddress(text).has_value(); }, std::string_view(kAddressForm))
      .NeedsRestart()
      .Help("Where Redis (6.0 or later is best) listens.");
  section.Key("username", &RedisOptions::username).NeedsRestart().Help("User of Redis; empty: the default user.");
  section.Key("password", &RedisOptions::password).Secret().NeedsRestart().Help("Its password; empty: no login.");
  section.Key("database", &RedisOptions::database)
      .Range(0, 65'535)
      .NeedsRestart()
      .Help("Number of the database; a cluster has only 0.");
  section.Sub("tls", &RedisOptions::tls).NeedsRestart().Help("Connect by TLS.");
  section.Key("prefix", &RedisOptions::prefix)
      .Match(IsPrefix, "1 to 256 visible ASCII characters")
      .NeedsRestart()
      .Help("What the keys begin with; one key for each session. The same on all servers that share sessions.");
  section.Key("connect_timeout", &RedisOptions::connect_timeout)
      .Range(milliseconds(10), milliseconds(minutes(1)))
      .NeedsRestart()
      .Help("Name lookup, TCP, TLS and login together.");
  section.Key("command_timeout", &RedisOptions::command_timeout)
      .Range(milliseconds(10), milliseconds(minutes(1)))
      .NeedsRestart()
      .Help("Redis may take so long to answer; then it counts as away.");
  section.Key("in_flight_max", &RedisOptions::in_flight_max)
      .Range(1, 1'000'000)
      .NeedsRestart()
      .Help("Commands of one I/O thread that wait for an answer; one more is refused.");
  section.Key("fallback", &RedisOptions::fallback)
      .NeedsRestart()
      .Help("While Redis is away: on, sessions go on in memory and are written back later; off, requests are refused.");
}

}  // namespace loquat::context
