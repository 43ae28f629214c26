#include "net/target_resolver.h"

#include <fmt/format.h>
#include <netdb.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <memory>
#include <utility>

#include "net/late_value.h"

namespace loquat::net {
namespace {

namespace asio = boost::asio;
using Addresses = std::vector<asio::ip::address>;

base::Error NotFound(const std::string& host, std::string_view why) {
  return {.code = base::Code::kUnavailable,
          .message = fmt::format("cannot find the host '{}': {}", host, why),
          .reason = "host_not_found"};
}

// Blocks.
base::Result<Addresses> LookUp(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* first = nullptr;
  if (const int failed = ::getaddrinfo(host.c_str(), nullptr, &hints, &first); failed != 0) {
    return NotFound(host, ::gai_strerror(failed));
  }
  Addresses found;
  for (const addrinfo* entry = first; entry != nullptr && found.size() < kAddressesPerHostMax; entry = entry->ai_next) {
    asio::ip::tcp::endpoint endpoint;
    if (entry->ai_addrlen > endpoint.capacity()) continue;
    std::copy_n(reinterpret_cast<const char*>(entry->ai_addr), entry->ai_addrlen,
                reinterpret_cast<char*>(endpoint.data()));
    endpoint.resize(entry->ai_addrlen);
    found.push_back(endpoint.address());
  }
  ::freeaddrinfo(first);
  if (found.empty()) return NotFound(host, "it has no address");
  return found;
}

}  // namespace

SystemResolver::~SystemResolver() {
  pool_.stop();
  pool_.join();
}

asio::awaitable<base::Result<Addresses>> SystemResolver::Resolve(std::string host, base::TimePoint until) {
  const auto late = std::make_shared<LateValue<base::Result<Addresses>>>(co_await asio::this_coro::executor);
  asio::post(pool_, [late, host] { late->Set(LookUp(host)); });
  auto found = co_await LateValue<base::Result<Addresses>>::Get(late, until);
  if (found) co_return std::move(*found);
  co_return base::Error{.code = base::Code::kDeadlineExceeded,
                        .message = fmt::format("the look-up of the host '{}' takes too long", host),
                        .reason = "resolve_timeout"};
}

asio::awaitable<base::Result<std::vector<asio::ip::tcp::endpoint>>> PinTarget(const TargetPolicy& policy,
                                                                              HostResolver& resolver,
                                                                              const Target& target,
                                                                              base::TimePoint until) {
  Addresses addresses;
  if (target.literal) {
    addresses.push_back(*target.literal);
  } else {
    LOQUAT_CO_ASSIGN(addresses, co_await resolver.Resolve(target.url.host, until));
  }
  std::vector<asio::ip::tcp::endpoint> endpoints;
  for (const asio::ip::address& address : addresses) {
    endpoints.emplace_back(address, target.url.port);
    base::Status checked = policy.CheckAddress(endpoints.back());
    if (!checked.has_value()) {
      if (!target.literal) checked.error().message.insert(0, fmt::format("the host '{}': ", target.url.host));
      co_return std::move(checked).error();
    }
  }
  co_return endpoints;
}

}  // namespace loquat::net
