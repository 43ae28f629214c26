#include "ingress/http/router.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/digest.h"
#include "ingress/http/fake_exchange.h"
#include "pipeline/test_assistant.h"

namespace loquat::ingress {
namespace {

using boost::asio::awaitable;
using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kKey = "key-0123456789abcdef";

// Answers with its name and what the router told it.
class NamedEndpoint final : public Endpoint {
 public:
  explicit NamedEndpoint(std::string name) : name_(std::move(name)) {}
  awaitable<void> Serve(HttpCall& call) override {
    ++calls;
    if (name_ == "broken") {
      call.Fail(base::Internal("it broke"));
    } else {
      call.Respond(200, "text/plain", name_ + "(" + std::string(call.path_part()) + ")" + call.context().tenant);
    }
    co_return;
  }
  int calls = 0;

 private:
  const std::string name_;
};

class RouterTest : public testing::Test {
 protected:
  explicit RouterTest(RouterOptions options = {}) : router_(std::move(options), clock_, log_, metrics_) {
    router_.Add("GET", "/things", Access::kOpen, list_);
    router_.Add("POST", "/things", Access::kOpen, make_);
    router_.Add("GET", "/things/{}", Access::kOpen, get_);
    router_.Add("POST", "/things/{}/fork", Access::kOpen, fork_);
    router_.Add("GET", "/locked", Access::kKey, locked_);
    router_.Add("GET", "/broken", Access::kOpen, broken_);
  }

  FakeExchange& Send(std::string method, std::string target, FakeExchange::OwnedHeaders headers = {}) {
    exchange_.emplace(std::move(method), std::move(target), std::move(headers), "", clock_.Now());
    pipeline::RunNow(router_.Handle(*exchange_));
    return *exchange_;
  }
  bool HasMetric(std::string_view line) const { return ("\n" + metrics_.Text()).contains("\n" + std::string(line)); }

  base::ManualClock clock_{base::WallTime(std::chrono::hours(500'000))};
  observe::Logger log_;
  observe::Registry metrics_;
  Router router_;
  NamedEndpoint list_{"list"}, make_{"make"}, get_{"get"}, fork_{"fork"}, locked_{"locked"}, broken_{"broken"};
  std::optional<FakeExchange> exchange_;
};

TEST_F(RouterTest, FindsAnEndpointByMethodAndPath) {
  EXPECT_EQ(Send("GET", "/things").body(), "list()");
  EXPECT_EQ(Send("POST", "/things").body(), "make()");
  EXPECT_EQ(Send("GET", "/things?page=2").body(), "list()");
}

TEST_F(RouterTest, GivesTheEndpointThePartOfThePath) {
  EXPECT_EQ(Send("GET", "/things/a").body(), "get(a)");
  EXPECT_EQ(Send("GET", "/things/a%2Fb").body(), "get(a%2Fb)");
  EXPECT_EQ(Send("POST", "/things/a/fork").body(), "fork(a)");
  EXPECT_EQ(Send("GET", "/things/fork").body(), "get(fork)");
}

TEST_F(RouterTest, SaysWhereThereIsNothing) {
  for (const std::string path : {"/", "", "/thing", "/things/", "/Things", "/things/a/b", "/things//fork", "/things/a/",
                                 "/things/a/b/fork", "*", "//things"}) {
    const FakeExchange& answer = Send("GET", path);
    EXPECT_EQ(answer.status(), 404) << path;
    EXPECT_THAT(answer.body(), HasSubstr("\"reason\":\"no_route\"")) << path;
    EXPECT_THAT(answer.body(), HasSubstr(answer.Header("x-request-id"))) << path;
  }
  EXPECT_TRUE(HasMetric("loquat_http_refusals_total{code=\"not_found\",reason=\"no_route\"} 11"));
}

TEST_F(RouterTest, SaysWhichMethodsAPathTakes) {
  const FakeExchange& answer = Send("DELETE", "/things");
  EXPECT_EQ(answer.status(), 405);
  EXPECT_EQ(answer.Header("allow"), "OPTIONS, GET, HEAD, POST");
  EXPECT_THAT(answer.body(), HasSubstr("/things does not take DELETE"));
  EXPECT_EQ(Send("GET", "/things/a/fork").status(), 405);
  EXPECT_EQ(Send("get", "/things").status(), 405);  // Methods are case-sensitive.
  EXPECT_EQ(Send("HEAD", "/things/a/fork").status(), 405);
  EXPECT_EQ(list_.calls + fork_.calls, 0);
}

TEST_F(RouterTest, AHeadIsServedAsAGet) {
  EXPECT_EQ(Send("HEAD", "/things").status(), 200);
  EXPECT_EQ(list_.calls, 1);
  EXPECT_TRUE(HasMetric("loquat_http_requests_total{route=\"/things\",method=\"HEAD\",status=\"200\"} 1"));
}

TEST_F(RouterTest, OptionsTellTheMethodsAndNothingOfOriginsByDefault) {
  const FakeExchange& answer = Send("OPTIONS", "/things/a/fork", {{"origin", "https://a.example"}});
  EXPECT_EQ(answer.status(), 204);
  EXPECT_EQ(answer.Header("allow"), "OPTIONS, POST");
  EXPECT_EQ(answer.Header("access-control-allow-origin"), "(none)");
  EXPECT_EQ(answer.Header("access-control-allow-methods"), "(none)");
  EXPECT_EQ(answer.Header("vary"), "(none)");
  EXPECT_EQ(Send("OPTIONS", "/nowhere").status(), 404);
}

TEST_F(RouterTest, ABadCallHeaderIsRefusedBeforeTheEndpoint) {
  const FakeExchange& answer = Send("GET", "/things", {{"x-request-timeout-ms", "soon"}});
  EXPECT_EQ(answer.status(), 400);
  EXPECT_THAT(answer.body(), HasSubstr("\"param\":\"x-request-timeout-ms\""));
  EXPECT_EQ(list_.calls, 0);
}

TEST_F(RouterTest, EchoesTheClientsIdAndTrace) {
  const FakeExchange& answer =
      Send("GET", "/things",
           {{"x-request-id", "job-1"}, {"traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}});
  EXPECT_EQ(answer.Header("x-request-id"), "job-1");
  EXPECT_THAT(answer.Header("traceparent"), testing::StartsWith("00-0af7651916cd43dd8448eb211c80319c-"));
  EXPECT_THAT(answer.Header("traceparent"), Not(HasSubstr("b7ad6b7169203331")));
}

TEST_F(RouterTest, CountsRequestsByRouteAndRefusalsByReason) {
  Send("GET", "/things/a");
  Send("GET", "/things/b");
  Send("GET", "/broken");
  EXPECT_TRUE(HasMetric("loquat_http_requests_total{route=\"/things/{}\",method=\"GET\",status=\"200\"} 2"));
  EXPECT_TRUE(HasMetric("loquat_http_requests_total{route=\"/broken\",method=\"GET\",status=\"500\"} 1"));
  EXPECT_TRUE(HasMetric("loquat_http_refusals_total{code=\"internal\",reason=\"\"} 1"));
  EXPECT_TRUE(HasMetric("loquat_http_request_duration_seconds_count{route=\"/things/{}\"} 2"));
}

TEST_F(RouterTest, MethodsThatNobodyKnowsShareOneSeries) {
  for (int i = 0; i < 500; ++i) Send("M" + std::to_string(i), "/things");
  EXPECT_TRUE(HasMetric("loquat_http_requests_total{route=\"/things\",method=\"other\",status=\"405\"} 500"));
  Send("GET", "/things");
  EXPECT_TRUE(HasMetric("loquat_http_requests_total{route=\"/things\",method=\"GET\",status=\"200\"} 1"));
}

TEST_F(RouterTest, KeepsLatenciesByPattern) {
  EXPECT_TRUE(router_.Latencies().empty());
  exchange_.emplace("GET", "/things/a", FakeExchange::OwnedHeaders{}, "", clock_.Now());
  clock_.Advance(std::chrono::microseconds(100));
  pipeline::RunNow(router_.Handle(*exchange_));
  const auto latencies = router_.Latencies();
  ASSERT_EQ(latencies.size(), 1u);
  EXPECT_EQ(latencies[0].first, "/things/{}");
  EXPECT_EQ(latencies[0].second.count(), 1u);
  EXPECT_NEAR(static_cast<double>(latencies[0].second.max()), 1e5, 1e3);
}

class LockedRouterTest : public RouterTest {
 protected:
  LockedRouterTest()
      : RouterTest({.api_keys = {{.name = "ann", .sha256 = base::Sha256Hex(kKey)}}, .cors_origins = {}}) {}
};

TEST_F(LockedRouterTest, AsksForAKeyWhereTheRouteSaysSo) {
  EXPECT_EQ(Send("GET", "/things").status(), 200);
  const FakeExchange& refused = Send("GET", "/locked");
  EXPECT_EQ(refused.status(), 401);
  EXPECT_EQ(refused.Header("www-authenticate"), "Bearer");
  EXPECT_EQ(Send("GET", "/locked", {{"x-api-key", "wrong"}}).status(), 401);
  EXPECT_EQ(locked_.calls, 0);
  EXPECT_EQ(Send("GET", "/locked", {{"authorization", "Bearer " + std::string(kKey)}}).body(), "locked()ann");
  EXPECT_EQ(Send("OPTIONS", "/locked").status(), 204);  // A preflight carries no key.
  EXPECT_TRUE(HasMetric("loquat_http_refusals_total{code=\"unauthenticated\",reason=\"api_key_missing\"} 1"));
  EXPECT_TRUE(HasMetric("loquat_http_refusals_total{code=\"unauthenticated\",reason=\"api_key_unknown\"} 1"));
}

class CorsRouterTest : public RouterTest {
 protected:
  CorsRouterTest() : RouterTest({.api_keys = {}, .cors_origins = {"https://a.example", "https://b.example"}}) {}
};

TEST_F(CorsRouterTest, AllowsTheListedOriginsAlone) {
  const FakeExchange& answer = Send("GET", "/things", {{"origin", "https://b.example"}});
  EXPECT_EQ(answer.Header("access-control-allow-origin"), "https://b.example");
  EXPECT_EQ(answer.Header("vary"), "Origin");
  for (const std::string other : {"https://c.example", "http://a.example", "https://a.example.evil", "null", ""}) {
    EXPECT_EQ(Send("GET", "/things", {{"origin", other}}).Header("access-control-allow-origin"), "(none)") << other;
    EXPECT_EQ(exchange_->Header("vary"), "Origin") << other;  // Caches must keep the answers apart.
  }
}

TEST_F(CorsRouterTest, PreflightsTellWhatMayBeSent) {
  const FakeExchange& answer =
      Send("OPTIONS", "/things", {{"origin", "https://a.example"}, {"access-control-request-method", "POST"}});
  EXPECT_EQ(answer.status(), 204);
  EXPECT_EQ(answer.Header("access-control-allow-origin"), "https://a.example");
  EXPECT_EQ(answer.Header("access-control-allow-methods"), "OPTIONS, GET, HEAD, POST");
  EXPECT_THAT(answer.Header("access-control-allow-headers"), HasSubstr("content-type"));
  for (const std::string_view header : {kRequestIdHeader, kTimeoutHeader, kDeadlineHeader, kPriorityHeader}) {
    EXPECT_THAT(answer.Header("access-control-allow-headers"), HasSubstr(std::string(header)));
  }
  EXPECT_EQ(Send("OPTIONS", "/things", {{"origin", "https://c.example"}}).Header("access-control-allow-methods"),
            "(none)");
}

TEST_F(CorsRouterTest, ErrorsCanBeReadByThePageToo) {
  EXPECT_EQ(Send("GET", "/no", {{"origin", "https://a.example"}}).Header("access-control-allow-origin"),
            "https://a.example");
  EXPECT_EQ(Send("GET", "/things", {{"origin", "https://a.example"}, {"x-priority", "?"}}).status(), 400);
  EXPECT_EQ(exchange_->Header("access-control-allow-origin"), "https://a.example");
}

class AnyOriginRouterTest : public RouterTest {
 protected:
  AnyOriginRouterTest() : RouterTest({.api_keys = {}, .cors_origins = {"*"}}) {}
};

TEST_F(AnyOriginRouterTest, AStarAllowsEverybodyAlike) {
  const FakeExchange& answer = Send("GET", "/things", {{"origin", "https://c.example"}});
  EXPECT_EQ(answer.Header("access-control-allow-origin"), "*");
  EXPECT_EQ(answer.Header("vary"), "(none)");
  EXPECT_EQ(Send("GET", "/things").Header("access-control-allow-origin"), "(none)");
}

}  // namespace
}  // namespace loquat::ingress
