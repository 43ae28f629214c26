#include "net/url.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "net/http_text.h"

namespace loquat::net {
namespace {

int HexValue(char c) {
  if (IsDigit(c)) return c - '0';
  const char lower = LowerAscii(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

base::Error BadUrl(std::string_view url, std::string_view why) {
  return base::InvalidArgument(fmt::format("'{}' is no URL we can call: {}", url, why));
}

}  // namespace

base::Result<std::string> PercentDecode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_space) {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      const int high = i + 1 < text.size() ? HexValue(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? HexValue(text[i + 2]) : -1;
      if (high < 0 || low < 0) return base::InvalidArgument("a % in the URL is not followed by two hex digits");
      out += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return out;
}

std::optional<std::string> QueryParameter(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    const std::size_t equals = std::min(pair.find('='), pair.size());
    const auto key = PercentDecode(pair.substr(0, equals), true);
    if (!key || *key != name) continue;
    auto value = PercentDecode(pair.substr(std::min(equals + 1, pair.size())), true);
    if (!value) return std::nullopt;
    return std::move(*value);
  }
  return std::nullopt;
}

std::string HttpUrl::Authority() const {
  std::string out = host.find(':') == std::string::npos ? host : "[" + host + "]";
  if (port != (secure ? 443 : 80)) out += ":" + std::to_string(port);
  return out;
}

base::Result<HttpUrl> ParseHttpUrl(std::string_view url) {
  HttpUrl out;
  std::string_view rest = url;
  if (StartsWithNoCase(rest, "https://")) {
    out.secure = true;
    out.port = 443;
    rest.remove_prefix(8);
  } else if (StartsWithNoCase(rest, "http://")) {
    rest.remove_prefix(7);
  } else {
    return BadUrl(url, "it must start with http:// or https://");
  }
  if (!std::ranges::all_of(rest, IsTargetChar)) return BadUrl(url, "it has a space, a control character or a fragment");
  const std::size_t end = std::min(rest.find_first_of("/?"), rest.size());
  std::string_view authority = rest.substr(0, end);
  std::string_view target = rest.substr(end);
  if (authority.find('@') != std::string_view::npos) return BadUrl(url, "put credentials into a header");
  std::string_view port;
  if (authority.starts_with('[')) {
    const std::size_t close = authority.find(']');
    if (close == std::string_view::npos) return BadUrl(url, "the bracket of its IPv6 address is not closed");
    out.host = authority.substr(1, close - 1);
    port = authority.substr(close + 1);
    if (!port.empty() && port.front() != ':') return BadUrl(url, "only a port may follow the address");
  } else {
    const std::size_t colon = std::min(authority.find(':'), authority.size());
    out.host = authority.substr(0, colon);
    port = authority.substr(colon);
  }
  if (out.host.empty()) return BadUrl(url, "it names no host");
  if (!port.empty()) {
    port.remove_prefix(1);
    const auto parsed = std::from_chars(port.data(), port.data() + port.size(), out.port);
    if (parsed.ec != std::errc() || parsed.ptr != port.data() + port.size() || out.port == 0) {
      return BadUrl(url, "its port is not a number from 1 to 65535");
    }
  }
  if (!target.empty()) out.target = target.front() == '/' ? std::string(target) : "/" + std::string(target);
  return out;
}

}  // namespace loquat::net
