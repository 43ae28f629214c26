#include "net/target_policy.h"

#include <fmt/format.h>
#include <ifaddrs.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "net/http_text.h"

namespace loquat::net {
namespace {

namespace ip = boost::asio::ip;
using boost::system::error_code;

base::Error Refused(std::string_view reason, std::string message) {
  return {.code = base::Code::kInvalidArgument, .message = std::move(message), .reason = std::string(reason)};
}

std::string LowerCase(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), LowerAscii);
  return lower;
}

// The last label decides whether a host is meant as an IPv4 address (WHATWG URL, "ends in a number").
bool LooksLikeIpv4(std::string_view host) {
  const std::size_t dot = host.rfind('.');
  const std::string_view last = dot == std::string_view::npos ? host : host.substr(dot + 1);
  if (last.empty()) return false;
  return std::ranges::all_of(last, IsDigit) || last.starts_with("0x");
}

// Four decimal numbers without leading zeros: the one form that everybody reads in the same way.
std::optional<ip::address_v4> StrictIpv4(std::string_view text) {
  ip::address_v4::bytes_type bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const std::size_t end = i + 1 < bytes.size() ? text.find('.') : text.size();
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view part = text.substr(0, end);
    if (part.empty() || part.size() > 3 || (part.size() > 1 && part.front() == '0')) return std::nullopt;
    const auto [stop, failed] = std::from_chars(part.data(), part.data() + part.size(), bytes[i]);
    if (failed != std::errc{} || stop != part.data() + part.size()) return std::nullopt;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return ip::address_v4(bytes);
}

bool IsHostName(std::string_view host) {
  if (host.empty() || host.size() > kHostNameBytesMax) return false;
  while (true) {
    const std::size_t end = std::min(host.find('.'), host.size());
    const std::string_view label = host.substr(0, end);
    const auto allowed = [](char c) { return IsDigit(c) || (c >= 'a' && c <= 'z') || c == '-' || c == '_'; };
    if (label.empty() || label.size() > kHostLabelBytesMax || !std::ranges::all_of(label, allowed)) return false;
    if (label.front() == '-' || label.back() == '-') return false;
    if (end == host.size()) return true;
    host.remove_prefix(end + 1);
  }
}

// Names that mean something inside a network alone (RFC 6761, RFC 6762, RFC 8375, ICANN's .internal).
bool IsInsideName(std::string_view host) {
  if (host.find('.') == std::string_view::npos) return true;
  constexpr std::array<std::string_view, 7> kInside = {".localhost", ".local",       ".internal",    ".home.arpa",
                                                       ".intranet",  ".localdomain", ".in-addr.arpa"};
  return std::ranges::any_of(kInside, [&](std::string_view suffix) { return host.ends_with(suffix); });
}

base::Result<std::vector<ip::address>> OwnAddresses() {
  ifaddrs* first = nullptr;
  if (::getifaddrs(&first) != 0) return base::Internal("cannot list the addresses of this machine");
  std::vector<ip::address> addresses;
  for (const ifaddrs* entry = first; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr) continue;
    if (entry->ifa_addr->sa_family == AF_INET) {
      const auto* in = reinterpret_cast<const sockaddr_in*>(entry->ifa_addr);
      addresses.emplace_back(ip::address_v4(ntohl(in->sin_addr.s_addr)));
    } else if (entry->ifa_addr->sa_family == AF_INET6) {
      const auto* in = reinterpret_cast<const sockaddr_in6*>(entry->ifa_addr);
      ip::address_v6::bytes_type bytes;
      std::copy_n(in->sin6_addr.s6_addr, bytes.size(), bytes.begin());
      addresses.emplace_back(ip::address_v6(bytes));
    }
  }
  ::freeifaddrs(first);
  return addresses;
}

// Mapped IPv4 addresses as what they are.
ip::address Plain(const ip::address& address) {
  if (address.is_v6() && address.to_v6().is_v4_mapped()) return ip::make_address_v4(ip::v4_mapped, address.to_v6());
  return address;
}

}  // namespace

base::Result<std::shared_ptr<const TargetPolicy>> TargetPolicy::Create(const TargetPolicyOptions& options,
                                                                       const std::vector<ip::tcp::endpoint>& own) {
  auto policy = std::make_shared<TargetPolicy>();
  policy->options_ = options;
  for (std::string& host : policy->options_.allow_hosts) {
    host = LowerCase(host);
    const std::string_view name = std::string_view(host).substr(host.starts_with('.') ? 1 : 0);
    error_code no_ipv6;
    (void)ip::make_address_v6(std::string(name), no_ipv6);
    if (!IsHostName(name) && no_ipv6) {
      return base::InvalidArgument(fmt::format("\"{}\" is no host name; write example.com or .example.com", host));
    }
  }
  for (const std::string& text : options.allow_networks) {
    LOQUAT_ASSIGN(const IpNetwork network, IpNetwork::Parse(text));
    policy->networks_.push_back(network);
  }
  for (const ip::tcp::endpoint& endpoint : own) {
    if (!endpoint.address().is_unspecified()) {
      policy->own_.emplace_back(Plain(endpoint.address()), endpoint.port());
      continue;
    }
    LOQUAT_ASSIGN(const std::vector<ip::address> addresses, OwnAddresses());
    for (const ip::address& address : addresses) policy->own_.emplace_back(Plain(address), endpoint.port());
  }
  return policy;
}

bool TargetPolicy::Listed(std::string_view host) const {
  return std::ranges::any_of(options_.allow_hosts, [&](const std::string& allowed) {
    return allowed.starts_with('.') ? host.ends_with(allowed) && host.size() > allowed.size() : host == allowed;
  });
}

base::Status TargetPolicy::CheckName(std::string_view host) const {
  if (!IsHostName(host)) {
    return Refused("target_host", fmt::format("'{}' is no host name that is called; it has letters, digits, dashes and "
                                              "single dots between them (other scripts as xn--…)",
                                              host));
  }
  if (IsInsideName(host) && !Listed(host)) {
    return Refused("target_host", fmt::format("'{}' is a name of an inside network, which is not called", host));
  }
  return {};
}

base::Result<Target> TargetPolicy::CheckUrl(std::string_view url) const {
  auto parsed = ParseHttpUrl(url);
  if (!parsed.has_value()) return Refused("target_url", parsed.error().message);
  Target target{.url = std::move(*parsed), .literal = {}};
  HttpUrl& to = target.url;
  if (!to.secure && !options_.allow_http) return Refused("target_scheme", "the URL must begin with https://");
  if (!options_.ports.empty() && std::ranges::find(options_.ports, to.port) == options_.ports.end()) {
    return Refused("target_port",
                   fmt::format("port {} is not called; allowed: {}", to.port, fmt::join(options_.ports, ", ")));
  }
  to.host = LowerCase(to.host);
  const std::size_t authority = url.find("://") + 3;
  if (authority < url.size() && url[authority] == '[') {
    error_code failed;
    const auto address = ip::make_address_v6(to.host, failed);
    if (failed || to.host.find('%') != std::string::npos) {
      return Refused("target_host", fmt::format("'[{}]' is no IPv6 address that is called", to.host));
    }
    target.literal = address;
  } else if (LooksLikeIpv4(to.host)) {
    const auto address = StrictIpv4(to.host);
    if (!address) {
      return Refused("target_host",
                     fmt::format("'{}' is no IPv4 address in its usual form: four decimal numbers", to.host));
    }
    target.literal = *address;
  } else {
    LOQUAT_TRY(CheckName(to.host));
  }
  if (!options_.allow_hosts.empty() && !Listed(to.host)) {
    return Refused("target_not_allowed", fmt::format("the host '{}' is not among those that may be called", to.host));
  }
  if (target.literal) LOQUAT_TRY(CheckAddress({*target.literal, to.port}));
  return target;
}

base::Status TargetPolicy::CheckAddress(const ip::tcp::endpoint& endpoint) const {
  const ip::address address = Plain(endpoint.address());
  const bool own = std::ranges::any_of(
      own_, [&](const auto& mine) { return mine.port() == endpoint.port() && mine.address() == address; });
  if (own) return Refused("target_own", "the target is this server itself");
  const AddressKind kind = KindOf(address);
  if (kind == AddressKind::kPublic) return {};
  // A network that holds a metadata service by accident does not open it.
  const bool allowed = std::ranges::any_of(networks_, [&](const IpNetwork& network) {
    return network.Contains(address) && (kind != AddressKind::kMetadata || network.single());
  });
  if (allowed) return {};
  return Refused("target_private",
                 fmt::format("the address {} is not called: it is {}", address.to_string(), AddressKindName(kind)));
}

}  // namespace loquat::net
