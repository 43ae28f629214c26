#include "net/websocket_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "config/load.h"

namespace loquat::net {
namespace {

using testing::HasSubstr;

TEST(WebSocketOptions, EachKeyIsTakenAtItsEndsAndRefusedBeyond) {
  struct Edges {
    std::string key, below, low, high, above;
  };
  for (const Edges& edges : {Edges{"connections_max", "0", "1", "1000000", "1000001"},
                             {"message_bytes_max", "124", "125", "1GiB", "1073741825"},
                             {"fragments_max", "0", "1", "1000000", "1000001"},
                             {"control_frames_max", "0", "1", "1000000", "1000001"},
                             {"message_timeout", "99ms", "100ms", "1h", "3600001ms"},
                             {"close_timeout", "9ms", "10ms", "1h", "3600001ms"},
                             {"idle_timeout", "99ms", "30s", "24h", "86400001ms"},
                             {"ping_interval", "-1ms", "0ms", "59s", "60s"},
                             {"send_bytes_max", "1023", "1KiB", "1GiB", "1073741825"},
                             {"compress_bytes_min", "-1", "0", "1GiB", "1073741825"}}) {
    for (const std::string& good : {edges.low, edges.high}) {
      const auto loaded = config::LoadText<WebSocketOptions>(edges.key + ": " + good, "a.yaml");
      EXPECT_TRUE(loaded) << (loaded ? "" : loaded.error().message);
    }
    for (const std::string& bad : {edges.below, edges.above}) {
      const auto loaded = config::LoadText<WebSocketOptions>(edges.key + ": " + bad, "a.yaml");
      ASSERT_FALSE(loaded) << edges.key << ": " << bad;
      EXPECT_THAT(loaded.error().message, HasSubstr(edges.key));
    }
  }
}

TEST(WebSocketOptions, PoliciesAndOriginsAreRead) {
  const auto loaded = config::LoadText<WebSocketOptions>(
      "slow_consumer: close\ncompression: false\norigins: [\"https://app.example\", \"*\"]", "a.yaml");
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(loaded->slow_consumer, SlowConsumerPolicy::kClose);
  EXPECT_FALSE(loaded->compression);
  EXPECT_EQ(loaded->origins, (std::vector<std::string>{"https://app.example", "*"}));
  EXPECT_FALSE(config::LoadText<WebSocketOptions>("slow_consumer: wait", "a.yaml"));
  EXPECT_FALSE(config::LoadText<WebSocketOptions>("origins: [app.example]", "a.yaml"));
}

}  // namespace
}  // namespace loquat::net
