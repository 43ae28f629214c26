// Any text is a URL of somebody: what passes is a host that reads in one way alone, and a literal address that passes
// is public.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "net/target_policy.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace net = loquat::net;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static const auto policy = net::TargetPolicy::Create({.allow_http = true, .ports = {}}, {}).value();
  const auto target = policy->CheckUrl(text);
  if (target.has_value()) {
    LOQUAT_CHECK(!target->url.host.empty() && target->url.port != 0, "a host and a port");
    if (target->literal) {
      LOQUAT_CHECK(net::KindOf(*target->literal) == net::AddressKind::kPublic, "only public addresses pass");
    } else {
      boost::system::error_code failed;
      (void)boost::asio::ip::make_address(target->url.host, failed);
      LOQUAT_CHECK(static_cast<bool>(failed), "an address is seen as one");
      LOQUAT_CHECK(target->url.host.find('.') != std::string::npos, "a name of the world has a dot");
      for (const char c : target->url.host) {
        LOQUAT_CHECK((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_', "plain");
      }
    }
  } else {
    LOQUAT_CHECK(!target.error().reason.empty(), "a refusal has a reason");
  }
  if (const auto network = net::IpNetwork::Parse(text); network.has_value()) (void)network->single();
  return 0;
}
