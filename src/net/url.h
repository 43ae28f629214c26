// Reading the parts of request targets and of our own upstream URLs (RFC 3986). Pure functions.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace loquat::net {

// "%E4%BD%A0" to its bytes. invalid_argument for a bad or cut escape; the bytes are not checked to be UTF-8.
base::Result<std::string> PercentDecode(std::string_view text, bool plus_is_space = false);

// The decoded value of the first `name=value` of a query ("a=1&b=%20"; a `+` is a space). No value when there is none,
// or when its escapes are bad. A name without `=` has the value "".
std::optional<std::string> QueryParameter(std::string_view query, std::string_view name);

struct HttpUrl {
  bool secure = false;
  std::string host;  // Without brackets.
  std::uint16_t port = 80;
  std::string target = "/";  // Path and query, as sent.

  // For the Host header: with brackets around IPv6, without a default port.
  std::string Authority() const;
};
// "https://host[:port][/path][?query]". User info and fragments are refused.
base::Result<HttpUrl> ParseHttpUrl(std::string_view url);

}  // namespace loquat::net
