// The address half of target_policy.h: kinds and networks.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <span>

#include "net/target_policy.h"

namespace loquat::net {
namespace {

namespace ip = boost::asio::ip;
using V4 = ip::address_v4::bytes_type;
using V6 = ip::address_v6::bytes_type;

template <typename Bytes>
struct Row {
  Bytes base;
  unsigned prefix;
  AddressKind kind;
};

template <typename Bytes>
bool InPrefix(const Bytes& address, const Bytes& base, unsigned prefix) {
  for (std::size_t i = 0; i < address.size() && prefix > 0; ++i) {
    const unsigned bits = std::min(prefix, 8U);
    const unsigned mask = 0xFFU << (8 - bits) & 0xFFU;
    if ((address[i] & mask) != (base[i] & mask)) return false;
    prefix -= bits;
  }
  return true;
}

// The first row that holds an address counts.
using enum AddressKind;
constexpr std::array<Row<V4>, 21> kV4Rows = {{
    {{169, 254, 169, 254}, 32, kMetadata},  // AWS, Google, Azure and most others.
    {{169, 254, 170, 2}, 32, kMetadata},    // Credentials of containers at AWS.
    {{169, 254, 170, 23}, 32, kMetadata},   // The same in EKS.
    {{100, 100, 100, 200}, 32, kMetadata},  // Alibaba.
    {{192, 0, 0, 192}, 32, kMetadata},      // Oracle.
    {{168, 63, 129, 16}, 32, kMetadata},    // Azure's host, a public address by its looks.
    {{0, 0, 0, 0}, 8, kThisNetwork},       {{10, 0, 0, 0}, 8, kPrivate},       {{100, 64, 0, 0}, 10, kShared},
    {{127, 0, 0, 0}, 8, kLoopback},        {{169, 254, 0, 0}, 16, kLinkLocal}, {{172, 16, 0, 0}, 12, kPrivate},
    {{192, 0, 0, 0}, 24, kReserved},       {{192, 0, 2, 0}, 24, kReserved},    {{192, 88, 99, 0}, 24, kReserved},
    {{192, 168, 0, 0}, 16, kPrivate},      {{198, 18, 0, 0}, 15, kReserved},   {{198, 51, 100, 0}, 24, kReserved},
    {{203, 0, 113, 0}, 24, kReserved},     {{224, 0, 0, 0}, 4, kMulticast},    {{240, 0, 0, 0}, 4, kReserved},
}};

constexpr V6 Head(std::initializer_list<unsigned char> head) {
  V6 bytes{};
  std::copy(head.begin(), head.end(), bytes.begin());
  return bytes;
}

const std::array<Row<V6>, 13> kV6Rows = {{
    // fd00:ec2::254 at AWS, fd00:ec2::23 of EKS, fd20:ce::254 at Google.
    {{0xFD, 0x00, 0x0E, 0xC2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x54}, 128, kMetadata},
    {{0xFD, 0x00, 0x0E, 0xC2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x00, 0x23}, 128, kMetadata},
    {{0xFD, 0x20, 0x00, 0xCE, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x54}, 128, kMetadata},
    {Head({}), 128, kThisNetwork},
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 128, kLoopback},
    {Head({0xFC}), 7, kPrivate},
    {Head({0xFE, 0x80}), 10, kLinkLocal},
    {Head({0xFE, 0xC0}), 10, kPrivate},
    {Head({0xFF}), 8, kMulticast},
    {Head({0x20, 0x01, 0x00}), 23, kReserved},  // Protocols of the IETF, Teredo among them.
    {Head({0x20, 0x01, 0x0D, 0xB8}), 32, kReserved},
    {Head({0x3F, 0xFF, 0x00}), 20, kReserved},
    {Head({0x26, 0x20, 0x00, 0x4F, 0x80, 0x00}), 48, kReserved},  // AS112, which answers for private names.
}};

template <typename Bytes>
const Row<Bytes>* Find(std::span<const Row<Bytes>> rows, const Bytes& address) {
  const auto found =
      std::ranges::find_if(rows, [&](const Row<Bytes>& row) { return InPrefix(address, row.base, row.prefix); });
  return found == rows.end() ? nullptr : &*found;
}

AddressKind KindOfV4(const V4& address) {
  const auto* row = Find<V4>(kV4Rows, address);
  return row == nullptr ? kPublic : row->kind;
}

V4 Carried(const V6& address, std::size_t at) {
  return {address[at], address[at + 1], address[at + 2], address[at + 3]};
}

AddressKind KindOfV6(const V6& address) {
  static constexpr V6 kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  if (InPrefix(address, kMapped, 96)) return KindOfV4(Carried(address, 12));
  if (InPrefix(address, Head({0x00, 0x64, 0xFF, 0x9B}), 96)) return KindOfV4(Carried(address, 12));  // NAT64, RFC 6052.
  if (InPrefix(address, Head({0x20, 0x02}), 16)) return KindOfV4(Carried(address, 2));               // 6to4, RFC 3056.
  if (const auto* row = Find<V6>(kV6Rows, address)) return row->kind;
  // Nothing else than 2000::/3 is handed out for the world (RFC 4291 section 2.4).
  return InPrefix(address, Head({0x20}), 3) ? kPublic : kReserved;
}

}  // namespace

std::string_view AddressKindName(AddressKind kind) {
  switch (kind) {
    case kPublic:
      return "public";
    case kThisNetwork:
      return "of \"this\" network";
    case kLoopback:
      return "a loopback address";
    case kPrivate:
      return "private";
    case kLinkLocal:
      return "link-local";
    case kMetadata:
      return "a cloud's metadata service";
    case kShared:
      return "shared by a carrier's NAT";
    case kMulticast:
      return "multicast";
    case kReserved:
      return "reserved";
  }
  return "unknown";
}

AddressKind KindOf(const ip::address& address) {
  return address.is_v4() ? KindOfV4(address.to_v4().to_bytes()) : KindOfV6(address.to_v6().to_bytes());
}

base::Result<IpNetwork> IpNetwork::Parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  boost::system::error_code failed;
  IpNetwork network;
  network.base_ = ip::make_address(std::string(text.substr(0, slash)), failed);
  const unsigned bits = network.base_.is_v4() ? 32 : 128;
  network.prefix_ = bits;
  bool bad = static_cast<bool>(failed);
  if (slash != std::string_view::npos) {
    const std::string_view number = text.substr(slash + 1);
    const auto [stop, error] = std::from_chars(number.data(), number.data() + number.size(), network.prefix_);
    bad = bad || error != std::errc{} || stop != number.data() + number.size() || network.prefix_ > bits;
  }
  if (!bad) return network;
  return base::InvalidArgument(fmt::format("\"{}\" is no network; write 10.0.0.0/8, fd00::/8 or one address", text));
}

bool IpNetwork::Contains(const ip::address& address) const {
  if (address.is_v6() && address.to_v6().is_v4_mapped() && base_.is_v4()) {
    return Contains(ip::make_address_v4(ip::v4_mapped, address.to_v6()));
  }
  if (address.is_v4() != base_.is_v4()) return false;
  if (address.is_v4()) return InPrefix(address.to_v4().to_bytes(), base_.to_v4().to_bytes(), prefix_);
  return InPrefix(address.to_v6().to_bytes(), base_.to_v6().to_bytes(), prefix_);
}

bool IpNetwork::single() const {
  return prefix_ == (base_.is_v4() ? 32U : 128U);
}

}  // namespace loquat::net
