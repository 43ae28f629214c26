// "HOST:PORT" as configuration and command line write it. Pure functions.

#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "net/listener.h"

namespace loquat::app {

// "127.0.0.1:8080", "localhost:0", "[::1]:8080", ":8080" (all IPv4 addresses), "unix:/path".
base::Result<net::ListenAddress> ParseAddress(std::string_view text);

// What the listener answers at; nothing for a Unix-domain socket.
std::vector<boost::asio::ip::tcp::endpoint> EndpointsOf(const net::ListenAddress& address);

// As a URL has it: the wildcard addresses become the loopback ones, IPv6 gets brackets.
std::string UrlOf(std::string_view scheme, const net::ListenAddress& address);

}  // namespace loquat::app
