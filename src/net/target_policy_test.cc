#include "net/target_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "net/event_loop.h"
#include "net/target_resolver.h"

namespace loquat::net {
namespace {

namespace ip = boost::asio::ip;

using Endpoints = std::vector<ip::tcp::endpoint>;

std::shared_ptr<const TargetPolicy> Policy(const TargetPolicyOptions& options = {}, const Endpoints& own = {}) {
  return TargetPolicy::Create(options, own).value();
}

std::string ReasonOf(const TargetPolicy& policy, std::string_view url) {
  const auto target = policy.CheckUrl(url);
  return target.has_value() ? "" : target.error().reason;
}

TEST(AddressKind, FollowsTheRegistries) {
  using enum AddressKind;
  const std::pair<const char*, AddressKind> cases[] = {
      {"8.8.8.8", kPublic},           {"1.1.1.1", kPublic},
      {"0.0.0.0", kThisNetwork},      {"0.255.255.255", kThisNetwork},
      {"1.0.0.0", kPublic},           {"9.255.255.255", kPublic},
      {"10.0.0.0", kPrivate},         {"10.255.255.255", kPrivate},
      {"11.0.0.0", kPublic},          {"100.63.255.255", kPublic},
      {"100.64.0.0", kShared},        {"100.127.255.255", kShared},
      {"100.128.0.0", kPublic},       {"100.100.100.200", kMetadata},
      {"126.255.255.255", kPublic},   {"127.0.0.1", kLoopback},
      {"127.255.255.255", kLoopback}, {"128.0.0.0", kPublic},
      {"169.253.255.255", kPublic},   {"169.254.0.1", kLinkLocal},
      {"169.254.169.254", kMetadata}, {"169.254.170.2", kMetadata},
      {"168.63.129.16", kMetadata},   {"169.255.0.0", kPublic},
      {"172.15.255.255", kPublic},    {"172.16.0.0", kPrivate},
      {"172.31.255.255", kPrivate},   {"172.32.0.0", kPublic},
      {"192.0.0.192", kMetadata},     {"192.0.2.1", kReserved},
      {"192.167.255.255", kPublic},   {"192.168.0.1", kPrivate},
      {"192.169.0.0", kPublic},       {"198.18.0.1", kReserved},
      {"198.19.255.255", kReserved},  {"198.20.0.0", kPublic},
      {"203.0.113.7", kReserved},     {"223.255.255.255", kPublic},
      {"224.0.0.1", kMulticast},      {"239.255.255.255", kMulticast},
      {"240.0.0.1", kReserved},       {"255.255.255.255", kReserved},
  };
  for (const auto& [text, kind] : cases) EXPECT_EQ(KindOf(ip::make_address(text)), kind) << text;
}

TEST(AddressKind, SeesTheIpv4AddressInsideAnIpv6One) {
  using enum AddressKind;
  const std::pair<const char*, AddressKind> cases[] = {
      {"::", kThisNetwork},
      {"::1", kLoopback},
      {"::2", kReserved},
      {"::7f00:1", kReserved},  // IPv4-compatible, given up by RFC 4291.
      {"::ffff:127.0.0.1", kLoopback},
      {"::ffff:8.8.8.8", kPublic},
      {"::ffff:169.254.169.254", kMetadata},
      {"64:ff9b::127.0.0.1", kLoopback},
      {"64:ff9b::8.8.8.8", kPublic},
      {"64:ff9b::169.254.169.254", kMetadata},
      {"64:ff9b:1::1", kReserved},
      {"100::1", kReserved},
      {"2001::1", kReserved},
      {"2001:db8::1", kReserved},
      {"2001:4860:4860::8888", kPublic},
      {"2002:7f00:1::", kLoopback},
      {"2002:808:808::", kPublic},
      {"2606:4700::1111", kPublic},
      {"3fff::1", kReserved},
      {"4000::1", kReserved},
      {"5f00::1", kReserved},
      {"fc00::1", kPrivate},
      {"fdff::1", kPrivate},
      {"fd00:ec2::254", kMetadata},
      {"fe80::1", kLinkLocal},
      {"fec0::1", kPrivate},
      {"ff02::1", kMulticast},
  };
  for (const auto& [text, kind] : cases) EXPECT_EQ(KindOf(ip::make_address(text)), kind) << text;
}

TEST(TargetPolicy, RefusesWhatIsNotPublicOrNotPlain) {
  const auto policy = Policy({.allow_http = true, .ports = {}});
  const std::pair<const char*, const char*> cases[] = {
      {"https://example.com/hook?a=b", ""},
      {"http://example.com:8080", ""},
      {"https://EXAMPLE.com", ""},
      {"https://xn--bcher-kva.example/", ""},
      {"https://8.8.8.8/", ""},
      {"https://[2606:4700::1111]/", ""},
      {"ftp://example.com/", "target_url"},
      {"//example.com/", "target_url"},
      {"https://", "target_url"},
      {"https://user:pw@example.com/", "target_url"},
      {"https://user@169.254.169.254/", "target_url"},
      {"https://example.com/#x", "target_url"},
      {"https://example.com:0/", "target_url"},
      {"https://example.com:65536/", "target_url"},
      {"https://exa mple.com/", "target_url"},
      {"https://example.com\\@127.0.0.1/", "target_url"},
      {"https://127.0.0.1/", "target_private"},
      {"https://169.254.169.254/latest/meta-data", "target_private"},
      {"https://10.0.0.1/", "target_private"},
      {"https://0.0.0.0/", "target_private"},
      {"https://[::1]/", "target_private"},
      {"https://[::]/", "target_private"},
      {"https://[::ffff:127.0.0.1]/", "target_private"},
      {"https://[::ffff:a9fe:a9fe]/", "target_private"},
      {"https://[64:ff9b::7f00:1]/", "target_private"},
      {"https://[fd00:ec2::254]/", "target_private"},
      {"https://[fe80::1%25lo]/", "target_host"},
      {"https://[fe80::1%lo]/", "target_host"},
      {"https://[127.0.0.1]/", "target_host"},
      {"https://[v1.x]/", "target_host"},
      {"https://2130706433/", "target_host"},
      {"https://0x7f000001/", "target_host"},
      {"https://0x7f.1/", "target_host"},
      {"https://017700000001/", "target_host"},
      {"https://127.1/", "target_host"},
      {"https://127.0.1/", "target_host"},
      {"https://0177.0.0.1/", "target_host"},
      {"https://127.0.0.01/", "target_host"},
      {"https://127.0.0.256/", "target_host"},
      {"https://127.0.0.1./", "target_host"},
      {"https://1.2.3.4.5/", "target_host"},
      {"https://example.com./", "target_host"},
      {"https://.example.com/", "target_host"},
      {"https://example..com/", "target_host"},
      {"https://-example.com/", "target_host"},
      {"https://exa%6Dple.com/", "target_host"},
      {"https://b\xC3\xBC"
       "cher.example/",
       "target_url"},
      {"https://\xE2\x91\xA0\xE2\x91\xA1\xE2\x91\xA6.0.0.1/", "target_url"},  // ①②⑦.0.0.1
      {"https://localhost/", "target_host"},
      {"https://LOCALHOST:8080/", "target_host"},
      {"https://x.localhost/", "target_host"},
      {"https://metadata/", "target_host"},
      {"https://metadata.google.internal/", "target_host"},
      {"https://printer.local/", "target_host"},
  };
  for (const auto& [url, reason] : cases) EXPECT_EQ(ReasonOf(*policy, url), reason) << url;
}

TEST(TargetPolicy, HostsAndLabelsHaveTheLengthsOfDns) {
  const auto policy = Policy();
  const std::string label(kHostLabelBytesMax, 'a');
  EXPECT_EQ(ReasonOf(*policy, "https://" + label + ".com/"), "");
  EXPECT_EQ(ReasonOf(*policy, "https://a" + label + ".com/"), "target_host");
  std::string host = label + "." + label + "." + label + ".";
  host += std::string(kHostNameBytesMax - host.size(), 'b');
  EXPECT_EQ(ReasonOf(*policy, "https://" + host + "/"), "");
  EXPECT_EQ(ReasonOf(*policy, "https://" + host + "b/"), "target_host");
}

TEST(TargetPolicy, SchemePortsAndHostsAreAsConfigured) {
  const auto usual = Policy();
  EXPECT_EQ(ReasonOf(*usual, "http://example.com/"), "target_scheme");
  EXPECT_EQ(ReasonOf(*usual, "https://example.com:443/"), "");
  EXPECT_EQ(ReasonOf(*usual, "https://example.com:22/"), "target_port");
  const auto listed = Policy({.allow_hosts = {"Hooks.example.com", ".customers.example"}});
  EXPECT_EQ(ReasonOf(*listed, "https://hooks.example.com/"), "");
  EXPECT_EQ(ReasonOf(*listed, "https://a.hooks.example.com/"), "target_not_allowed");
  EXPECT_EQ(ReasonOf(*listed, "https://a.b.customers.example/"), "");
  EXPECT_EQ(ReasonOf(*listed, "https://customers.example/"), "target_not_allowed");
  EXPECT_EQ(ReasonOf(*listed, "https://evilcustomers.example/"), "target_not_allowed");
  EXPECT_EQ(ReasonOf(*listed, "https://8.8.8.8/"), "target_not_allowed");
  const auto inside = Policy({.allow_hosts = {"receiver", ".svc.cluster.local"}});
  EXPECT_EQ(ReasonOf(*inside, "https://receiver/"), "");
  EXPECT_EQ(ReasonOf(*inside, "https://a.svc.cluster.local/"), "");
}

TEST(TargetPolicy, NetworksOpenWhatTheyHoldButNoMetadataByAccident) {
  const auto policy = Policy({.allow_networks = {"127.0.0.0/8", "169.254.0.0/16", "fd00::/8"}});
  EXPECT_EQ(ReasonOf(*policy, "https://127.0.0.1/"), "");
  EXPECT_EQ(ReasonOf(*policy, "https://[::ffff:127.0.0.1]/"), "");
  EXPECT_EQ(ReasonOf(*policy, "https://169.254.1.1/"), "");
  EXPECT_EQ(ReasonOf(*policy, "https://169.254.169.254/"), "target_private");
  EXPECT_EQ(ReasonOf(*policy, "https://[fd12::1]/"), "");
  EXPECT_EQ(ReasonOf(*policy, "https://[fd00:ec2::254]/"), "target_private");
  EXPECT_EQ(ReasonOf(*policy, "https://10.0.0.1/"), "target_private");
  EXPECT_EQ(ReasonOf(*policy, "https://[::1]/"), "target_private");
  EXPECT_EQ(ReasonOf(*Policy({.allow_networks = {"169.254.169.254"}}), "https://169.254.169.254/"), "");
}

TEST(TargetPolicy, NeverCallsItself) {
  const TargetPolicyOptions open = {.allow_http = true, .allow_networks = {"127.0.0.0/8", "::1"}, .ports = {}};
  const auto one = Policy(open, {{ip::make_address("127.0.0.1"), 8080}});
  EXPECT_EQ(ReasonOf(*one, "http://127.0.0.1:8080/"), "target_own");
  EXPECT_EQ(ReasonOf(*one, "http://[::ffff:127.0.0.1]:8080/"), "target_own");
  EXPECT_EQ(ReasonOf(*one, "http://127.0.0.1:8081/"), "");
  const auto any = Policy(open, {{ip::address_v4::any(), 8080}});
  EXPECT_EQ(ReasonOf(*any, "http://127.0.0.1:8080/"), "target_own");
}

TEST(TargetPolicy, BadSettingsAreNamed) {
  EXPECT_THAT(TargetPolicy::Create({.allow_networks = {"10.0.0.0/33"}}, {}).error().message,
              testing::HasSubstr("10.0.0.0/33"));
  EXPECT_FALSE(TargetPolicy::Create({.allow_networks = {"10.0.0/8"}}, {}).has_value());
  EXPECT_FALSE(TargetPolicy::Create({.allow_networks = {""}}, {}).has_value());
  EXPECT_FALSE(TargetPolicy::Create({.allow_hosts = {"https://example.com"}}, {}).has_value());
  EXPECT_FALSE(TargetPolicy::Create({.allow_hosts = {"*"}}, {}).has_value());
}

// Answers with what the test wrote.
class FakeResolver final : public HostResolver {
 public:
  explicit FakeResolver(std::vector<std::string> addresses) : addresses_(std::move(addresses)) {}
  boost::asio::awaitable<base::Result<std::vector<ip::address>>> Resolve(std::string, base::TimePoint) override {
    std::vector<ip::address> out;
    for (const std::string& text : addresses_) out.push_back(ip::make_address(text));
    co_return out;
  }

 private:
  const std::vector<std::string> addresses_;
};

base::Result<Endpoints> Pin(const std::string& url, HostResolver& resolver, boost::asio::io_context& context) {
  const auto policy = Policy();
  const Target target = policy->CheckUrl(url).value();
  base::Result<Endpoints> out = base::Unavailable("");
  boost::asio::co_spawn(
      context,
      [&]() -> boost::asio::awaitable<void> {
        out =
            co_await PinTarget(*policy, resolver, target, std::chrono::steady_clock::now() + std::chrono::seconds(20));
      },
      [](std::exception_ptr) {});
  context.run();
  return out;
}

TEST(PinTarget, GivesTheCheckedAddresses) {
  boost::asio::io_context context;
  FakeResolver resolver({"8.8.8.8", "2606:4700::1111"});
  const auto pinned = Pin("https://example.com/", resolver, context);
  ASSERT_TRUE(pinned.has_value());
  EXPECT_EQ(*pinned, (Endpoints{{ip::make_address("8.8.8.8"), 443}, {ip::make_address("2606:4700::1111"), 443}}));
}

TEST(PinTarget, OnePrivateAddressRefusesTheName) {
  boost::asio::io_context context;
  FakeResolver resolver({"8.8.8.8", "127.0.0.1"});
  const auto pinned = Pin("https://rebind.example/", resolver, context);
  ASSERT_FALSE(pinned.has_value());
  EXPECT_EQ(pinned.error().reason, "target_private");
  EXPECT_THAT(pinned.error().message, testing::HasSubstr("rebind.example"));
}

TEST(PinTarget, TheSystemsResolverAnswersOnTheLoop) {
  boost::asio::io_context context;  // its threads post there until the resolver has gone
  SystemResolver resolver;
  const auto missing = Pin("https://no-such-name.invalid/", resolver, context);
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().reason, "host_not_found");
}

}  // namespace
}  // namespace loquat::net
