#include "context/redis_options.h"

#include <gtest/gtest.h>

namespace loquat::context {
namespace {

TEST(RedisAddress, ReadsHostsPortsAndSocketPaths) {
  EXPECT_EQ(ParseRedisAddress("127.0.0.1:6379")->Text(), "127.0.0.1:6379");
  EXPECT_EQ(ParseRedisAddress("redis.internal:1")->host, "redis.internal");
  EXPECT_EQ(ParseRedisAddress("[::1]:65535")->host, "::1");
  EXPECT_EQ(ParseRedisAddress("[::1]:65535")->Text(), "[::1]:65535");
  EXPECT_EQ(ParseRedisAddress("unix:/run/redis.sock")->unix_path, "/run/redis.sock");
  for (const char* bad : {"", "redis", ":6379", "redis:", "redis:0", "redis:65536", "redis:6379x", "::1:6379",
                          "unix:", "unix:redis.sock"}) {
    EXPECT_FALSE(ParseRedisAddress(bad).has_value()) << bad;
  }
}

TEST(RedisOptions, ATrustFileThatIsNotThereIsAnErrorAtTheStart) {
  RedisOptions options;
  EXPECT_TRUE(ClientOptions(options).has_value());
  options.tls = RedisTlsOptions{.ca_file = "/nowhere/ca.pem"};
  EXPECT_FALSE(ClientOptions(options).has_value());
}

}  // namespace
}  // namespace loquat::context
