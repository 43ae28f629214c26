// The load generator against servers in this process. On a busy machine fewer requests go out in time: what is held is
// that every planned one is accounted for.

#include "app/load_generator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "net/http_client.h"
#include "net/test_client.h"
#include "net/test_server.h"

namespace loquat::app {
namespace {

using std::chrono::milliseconds;

LoadPlan PlanFor(const std::string& url, std::uint32_t connections, double rate, double seconds) {
  LoadPlan plan{.url = {},
                .rate = rate,
                .duration = std::chrono::duration<double>(seconds),
                .connections = connections,
                .requests = {},
                .progress = {}};
  plan.url = *net::ParseHttpUrl(url);
  for (std::uint32_t i = 0; i < connections; ++i) {
    plan.requests.push_back(
        {*net::SerializeRequest(plan.url, {.method = "POST", .url = {}, .headers = {}, .body = "one"}),
         *net::SerializeRequest(plan.url, {.method = "GET", .url = {}, .headers = {}, .body = {}})});
  }
  return plan;
}

// A port where nobody listens, as long as the object lives: bound, and never listened on.
class DeadPort {
 public:
  DeadPort() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(::bind(fd_, reinterpret_cast<const sockaddr*>(&address), size), 0);
    EXPECT_EQ(::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    url_ = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  }
  ~DeadPort() { ::close(fd_); }
  DeadPort(const DeadPort&) = delete;
  DeadPort& operator=(const DeadPort&) = delete;
  const std::string& url() const { return url_; }

 private:
  const int fd_;
  std::string url_;
};

TEST(LoadGenerator, EveryPlannedRequestIsAnsweredOrUnsent) {
  net::TestServer server(net::Echo);
  const auto result = RunLoad(PlanFor(server.Url("/"), 4, 400, 0.5));
  ASSERT_TRUE(result.has_value()) << result.error().message;
  EXPECT_EQ(result->errors, 0u) << result->first_error;
  EXPECT_EQ(result->latency.count() + result->unsent, 200u);
  EXPECT_GT(result->latency.count(), 0u);
  EXPECT_EQ(result->service.count(), result->latency.count());
  EXPECT_THAT(result->statuses, testing::ElementsAre(testing::Pair(200, result->latency.count())));
  EXPECT_GE(result->seconds, 0.5);
}

TEST(LoadGenerator, AStallIsChargedToAllWhoHadToWait) {
  net::TestServer server([](net::HttpExchange& exchange) -> net::asio::awaitable<void> {
    co_await net::SleepFor(milliseconds(100));
    exchange.Respond(200, {}, "late");
  });
  const auto result = RunLoad(PlanFor(server.Url("/"), 1, 100, 0.4));
  ASSERT_TRUE(result.has_value()) << result.error().message;
  EXPECT_EQ(result->errors, 0u) << result->first_error;
  EXPECT_GT(result->unsent, 0u);
  EXPECT_EQ(result->latency.count() + result->unsent, 40u);
  // Planned 10 ms apart and served 100 ms apart: from the second on each waited for those before it.
  EXPECT_GT(result->latency.max(), result->service.max());
}

TEST(LoadGenerator, CountsAServerThatIsNotThere) {
  const DeadPort port;
  const auto result = RunLoad(PlanFor(port.url(), 2, 100, 0.3));
  ASSERT_TRUE(result.has_value()) << result.error().message;
  EXPECT_GT(result->errors, 0u);
  EXPECT_FALSE(result->first_error.empty());
  EXPECT_EQ(result->latency.count(), 0u);
  EXPECT_EQ(result->unsent, 30u);
  EXPECT_TRUE(result->statuses.empty());
}

TEST(LoadGenerator, CountsConnectionsLostInTheMiddleOfARequest) {
  net::TestServer server([](net::HttpExchange& exchange) -> net::asio::awaitable<void> {
    exchange.BeginStream(200, {});
    co_return;  // Cut in mid-stream.
  });
  const auto result = RunLoad(PlanFor(server.Url("/"), 2, 100, 0.3));
  ASSERT_TRUE(result.has_value()) << result.error().message;
  EXPECT_EQ(result->latency.count(), 0u);
  EXPECT_GT(result->errors, 0u);
  EXPECT_EQ(result->errors + result->unsent, 30u);
}

TEST(LoadGenerator, ConnectsAgainWhereTheServerClosesAfterEachAnswer) {
  net::HttpServerOptions options;
  options.requests_per_connection_max = 1;
  net::TestServer server(net::Echo, options);
  const auto result = RunLoad(PlanFor(server.Url("/"), 2, 100, 0.3));
  ASSERT_TRUE(result.has_value()) << result.error().message;
  EXPECT_EQ(result->errors, 0u) << result->first_error;
  EXPECT_EQ(result->latency.count() + result->unsent, 30u);
  EXPECT_GT(result->latency.count(), 1u);
}

TEST(LoadGenerator, WithoutARateNothingIsPlannedAndNothingUnsent) {
  net::TestServer server(net::Echo);
  LoadPlan plan = PlanFor(server.Url("/"), 2, 0, 0.2);
  std::vector<double> fractions;
  plan.progress = [&](double fraction, std::uint64_t) { fractions.push_back(fraction); };
  const auto result = RunLoad(plan);
  ASSERT_TRUE(result.has_value()) << result.error().message;
  EXPECT_GT(result->latency.count(), 0u);
  EXPECT_EQ(result->unsent, 0u);
  EXPECT_EQ(result->errors, 0u);
  ASSERT_FALSE(fractions.empty());
  EXPECT_EQ(fractions.back(), 1.0);
  EXPECT_TRUE(std::ranges::is_sorted(fractions));
}

TEST(LoadGenerator, KeepsTheStatusesApart) {
  net::TestServer server([](net::HttpExchange& exchange) -> net::asio::awaitable<void> {
    exchange.Respond(exchange.request().method == "GET" ? 404 : 200, {}, "");
    co_return;
  });
  const auto result = RunLoad(PlanFor(server.Url("/"), 1, 100, 0.3));
  ASSERT_TRUE(result.has_value()) << result.error().message;
  ASSERT_EQ(result->statuses.size(), 2u);
  EXPECT_EQ(result->statuses.at(200) + result->statuses.at(404), result->latency.count());
  EXPECT_LE(result->statuses.at(200) - result->statuses.at(404), 1u);  // The two requests go in turn.
}

TEST(LoadGenerator, RefusesPlansThatCannotBe) {
  const DeadPort port;
  const LoadPlan good = PlanFor(port.url(), 1, 1, 0.1);
  const auto refused = [&](auto change) {
    LoadPlan plan = good;
    change(plan);
    const auto result = RunLoad(plan);
    return !result.has_value() && result.error().code == base::Code::kInvalidArgument;
  };
  using Seconds = std::chrono::duration<double>;
  EXPECT_TRUE(refused([](LoadPlan& plan) { plan.connections = 0; }));
  EXPECT_TRUE(refused([](LoadPlan& plan) { plan.connections = 2; }));
  EXPECT_TRUE(refused([](LoadPlan& plan) { plan.requests[0].clear(); }));
  EXPECT_TRUE(refused([](LoadPlan& plan) { plan.rate = -1; }));
  EXPECT_TRUE(refused([](LoadPlan& plan) { plan.rate = std::nan(""); }));
  EXPECT_TRUE(refused([](LoadPlan& plan) { plan.duration = Seconds(0); }));
  EXPECT_TRUE(refused([](LoadPlan& plan) { plan.duration = Seconds(std::nan("")); }));
  EXPECT_TRUE(refused([](LoadPlan& plan) { plan.duration = Seconds(kLoadSecondsMax + 1); }));
}

TEST(LoadGenerator, RatesBeyondAnyClockNeitherStopItNorOverflow) {
  const DeadPort port;
  for (const double rate : {1e-300, 1e300, HUGE_VAL}) {
    const auto result = RunLoad(PlanFor(port.url(), 1, rate, 0.05));
    ASSERT_TRUE(result.has_value()) << rate;
    EXPECT_GT(result->unsent, 0u) << rate;
  }
}

}  // namespace
}  // namespace loquat::app
