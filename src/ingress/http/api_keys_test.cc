#include "ingress/http/api_keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/digest.h"
#include "config/load.h"
#include "ingress/http/fake_exchange.h"

namespace loquat::ingress {
namespace {

using testing::HasSubstr;

constexpr std::string_view kAnnsKey = "ann-0123456789abcdef";
constexpr std::string_view kBobsKey = "bob-0123456789abcdef";

ApiKeys TwoKeys() {
  return ApiKeys(
      {{.name = "ann", .sha256 = base::Sha256Hex(kAnnsKey)}, {.name = "bob", .sha256 = base::Sha256Hex(kBobsKey)}});
}

// The tenant, or "!" and the reason of the refusal.
std::string Ask(const ApiKeys& keys, FakeExchange::OwnedHeaders headers) {
  const FakeExchange exchange("GET", "/", std::move(headers));
  const auto tenant = keys.Authenticate(exchange.request());
  if (tenant.has_value()) return std::string(*tenant);
  EXPECT_EQ(tenant.error().code, base::Code::kUnauthenticated);
  return "!" + tenant.error().reason;
}

TEST(ApiKeys, EverybodyIsAnonymousWhereNoKeyIsConfigured) {
  const ApiKeys keys({});
  EXPECT_EQ(Ask(keys, {}), "anonymous");
  EXPECT_EQ(Ask(keys, {{"authorization", "Bearer whatever"}}), "anonymous");
}

TEST(ApiKeys, KnowsATenantByEitherHeader) {
  const ApiKeys keys = TwoKeys();
  EXPECT_EQ(Ask(keys, {{"authorization", "Bearer " + std::string(kAnnsKey)}}), "ann");
  EXPECT_EQ(Ask(keys, {{"authorization", "bEARER " + std::string(kBobsKey)}}), "bob");
  EXPECT_EQ(Ask(keys, {{"x-api-key", std::string(kBobsKey)}}), "bob");
  // Some other scheme is not ours to judge: the second header counts.
  EXPECT_EQ(Ask(keys, {{"authorization", "Basic eDp5"}, {"x-api-key", std::string(kAnnsKey)}}), "ann");
}

TEST(ApiKeys, ABearerKeyIsNotMadeUpForByTheOtherHeader) {
  EXPECT_EQ(Ask(TwoKeys(), {{"authorization", "Bearer wrong"}, {"x-api-key", std::string(kAnnsKey)}}),
            "!api_key_unknown");
}

TEST(ApiKeys, APageNamesItsKeyAmongTheSubprotocols) {
  const ApiKeys keys = TwoKeys();
  const std::string listed = "loquat.v1 ,\t loquat.key." + std::string(kAnnsKey) + " ";
  EXPECT_EQ(Ask(keys, {{"sec-websocket-protocol", listed}}), "ann");
  EXPECT_EQ(Ask(keys, {{"sec-websocket-protocol", listed}, {"x-api-key", std::string(kBobsKey)}}), "bob");
  for (const char* none : {"", ",", " ", "loquat.v1", "loquat.key."}) {
    EXPECT_EQ(Ask(keys, {{"sec-websocket-protocol", none}}), "!api_key_missing") << none;
  }
  EXPECT_EQ(Ask(keys, {{"sec-websocket-protocol", "loquat.key.x, " + listed}}), "!api_key_unknown");
}

TEST(ApiKeys, RefusesWhoHasNoKey) {
  const ApiKeys keys = TwoKeys();
  EXPECT_EQ(Ask(keys, {}), "!api_key_missing");
  EXPECT_EQ(Ask(keys, {{"authorization", "Bearer"}}), "!api_key_missing");
  EXPECT_EQ(Ask(keys, {{"authorization", "Bearer "}}), "!api_key_missing");
  EXPECT_EQ(Ask(keys, {{"x-api-key", ""}}), "!api_key_missing");
}

TEST(ApiKeys, RefusesKeysThatAreAlmostRight) {
  const ApiKeys keys = TwoKeys();
  for (std::size_t i = 0; i < kAnnsKey.size(); ++i) {
    std::string key(kAnnsKey);
    key[i] ^= 1;
    EXPECT_EQ(Ask(keys, {{"x-api-key", key}}), "!api_key_unknown") << key;
  }
  const std::string key(kAnnsKey);
  for (const std::string& bad : {key + " ", " " + key, key.substr(1), key + key, base::Sha256Hex(key)}) {
    EXPECT_EQ(Ask(keys, {{"x-api-key", bad}}), "!api_key_unknown") << bad;
  }
}

TEST(ApiKeys, TheRefusalSaysWhatToSend) {
  const FakeExchange exchange("GET", "/");
  EXPECT_THAT(TwoKeys().Authenticate(exchange.request()).error().message, HasSubstr("Authorization: Bearer"));
}

TEST(ApiKeyOptions, TakesAHashAndNothingElse) {
  const std::string hash = base::Sha256Hex("x");
  const auto load = [](const std::string& sha256) {
    return config::LoadText<ApiKeyOptions>("name: ann\nsha256: \"" + sha256 + "\"\n", "c.yaml");
  };
  EXPECT_EQ(load(hash)->sha256, hash);
  for (const std::string& bad :
       {hash.substr(1), hash + "0", "G" + hash.substr(1), "A" + hash.substr(1), std::string("secret"), std::string()}) {
    const auto loaded = load(bad);
    ASSERT_FALSE(loaded.has_value()) << bad;
    EXPECT_THAT(loaded.error().message, HasSubstr("sha256sum")) << bad;
  }
  EXPECT_FALSE(config::LoadText<ApiKeyOptions>("name: ann\n", "c.yaml").has_value());
}

}  // namespace
}  // namespace loquat::ingress
