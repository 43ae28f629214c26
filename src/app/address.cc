#include "app/address.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdint>

namespace loquat::app {
namespace {

constexpr std::string_view kUnix = "unix:";

base::Error Bad(std::string_view text) {
  return base::InvalidArgument(
      fmt::format("\"{}\" is no address; write HOST:PORT, [IPV6]:PORT or unix:/PATH (port 0 picks a free one)", text));
}

}  // namespace

base::Result<net::ListenAddress> ParseAddress(std::string_view text) {
  net::ListenAddress address;
  if (text.starts_with(kUnix)) {
    if (text.size() == kUnix.size()) return Bad(text);
    address.host = text;
    return address;
  }
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return Bad(text);
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  const bool bracketed = host.starts_with('[') && host.ends_with(']') && host.size() > 2;
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (!bracketed && host.contains(':')) return Bad(text);  // An IPv6 address needs brackets.
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), address.port);
  if (port.empty() || error != std::errc() || end != port.data() + port.size()) return Bad(text);
  address.host = host.empty() ? "0.0.0.0" : host;
  return address;
}

std::vector<boost::asio::ip::tcp::endpoint> EndpointsOf(const net::ListenAddress& address) {
  namespace ip = boost::asio::ip;
  if (address.host == "localhost") {
    return {{ip::address_v4::loopback(), address.port}, {ip::address_v6::loopback(), address.port}};
  }
  boost::system::error_code no_address;
  const ip::address parsed = ip::make_address(address.host, no_address);
  if (no_address) return {};
  return {{parsed, address.port}};
}

std::string UrlOf(std::string_view scheme, const net::ListenAddress& address) {
  if (address.host.starts_with(kUnix)) return address.host;
  if (address.host == "0.0.0.0") return fmt::format("{}://127.0.0.1:{}", scheme, address.port);
  if (address.host == "::") return fmt::format("{}://[::1]:{}", scheme, address.port);
  const bool v6 = address.host.contains(':');
  return fmt::format("{}://{}{}{}:{}", scheme, v6 ? "[" : "", address.host, v6 ? "]" : "", address.port);
}

}  // namespace loquat::app
