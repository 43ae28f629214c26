// Which addresses of the outside world a request of a client may make this server call (OWASP: server-side request
// forgery). Used for callbacks and actions, whose URLs others choose or whose names others resolve.
//
// A URL is checked as it is written (CheckUrl), and the addresses that its name stands for are checked before the
// connection is made to one of them (CheckAddress), so that a name which answers differently the second time gains
// nothing: see target_resolver.h, which does both. What cannot be read in one way alone is refused.
//
// TargetPolicy is immutable; safe from any thread. The rest is pure.

#pragma once

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "net/url.h"

namespace loquat::net {

inline constexpr std::size_t kHostNameBytesMax = 253;  // RFC 1035 section 2.3.4, without the root's dot.
inline constexpr std::size_t kHostLabelBytesMax = 63;

// By IANA's registries of special-purpose addresses (RFC 6890) and the well-known metadata services of clouds.
enum class AddressKind : std::uint8_t {
  kPublic,
  kThisNetwork,  // 0.0.0.0/8, ::
  kLoopback,
  kPrivate,    // RFC 1918; unique local, RFC 4193; site local.
  kLinkLocal,  // 169.254.0.0/16, fe80::/10
  kMetadata,   // 169.254.169.254 and its kin.
  kShared,     // 100.64.0.0/10 of carrier-grade NAT, RFC 6598.
  kMulticast,
  kReserved,  // Documentation, benchmarks, tunnels, and what is not handed out.
};
std::string_view AddressKindName(AddressKind kind);
// An IPv6 address that carries an IPv4 one (mapped, NAT64, 6to4) is what that one is.
AddressKind KindOf(const boost::asio::ip::address& address);

// "10.0.0.0/8", "fd00::/8", or one address.
class IpNetwork {
 public:
  static base::Result<IpNetwork> Parse(std::string_view text);
  // An IPv4-mapped address is in the networks of its IPv4 address.
  bool Contains(const boost::asio::ip::address& address) const;
  bool single() const;  // One address alone.

 private:
  boost::asio::ip::address base_;
  unsigned prefix_ = 0;  // Bits.
};

struct TargetPolicyOptions {
  bool allow_http = false;                   // Else https alone.
  std::vector<std::string> allow_hosts;      // "example.com" itself, ".example.com" all below it; empty: any.
  std::vector<std::string> allow_networks;   // That are not public and may be called all the same.
  std::vector<std::uint16_t> ports = {443};  // Empty: any.
};

struct Target {
  HttpUrl url;                                      // The host in lower case.
  std::optional<boost::asio::ip::address> literal;  // Where the host is an address.
};

class TargetPolicy {
 public:
  // `own`: the listeners of this server, which are never called, whatever else is allowed; an unspecified address
  // stands for every address of this machine. Errors: invalid_argument that names the culprit.
  static base::Result<std::shared_ptr<const TargetPolicy>> Create(
      const TargetPolicyOptions& options, const std::vector<boost::asio::ip::tcp::endpoint>& own);

  // Errors: invalid_argument with the reason "target_url" (no URL we call), "target_scheme", "target_port",
  // "target_host" (odd, or a name of the inside), "target_not_allowed" (not in allow_hosts), or one of CheckAddress.
  base::Result<Target> CheckUrl(std::string_view url) const;
  // Errors: invalid_argument "target_private" (not public and not allowed), "target_own" (this server itself).
  base::Status CheckAddress(const boost::asio::ip::tcp::endpoint& endpoint) const;

 private:
  base::Status CheckName(std::string_view host) const;
  bool Listed(std::string_view host) const;

  // Constant after construction.
  TargetPolicyOptions options_;
  std::vector<IpNetwork> networks_;
  std::vector<boost::asio::ip::tcp::endpoint> own_;  // Without unspecified addresses.
};

}  // namespace loquat::net
