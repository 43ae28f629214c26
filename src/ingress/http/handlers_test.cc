// The endpoints behind a router, on a small trained model: what a client sends and what it gets.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json_value.h"
#include "ingress/http/fake_exchange.h"
#include "ingress/http/operations_handlers.h"
#include "ingress/http/sessions_handler.h"
#include "ingress/http/understand_handler.h"
#include "pipeline/test_assistant.h"

namespace loquat::ingress {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr std::string_view kWeather = R"({"text": "what is the weather in paris", "session": "s", "reply": true})";

class HandlersTest : public testing::Test {
 protected:
  HandlersTest() {
    router_.Add("POST", "/v1/understand", Access::kOpen, understand_);
    router_.Add("GET", "/v1/sessions/{}", Access::kOpen, get_session_);
    router_.Add("DELETE", "/v1/sessions/{}", Access::kOpen, delete_session_);
    router_.Add("POST", "/v1/sessions/{}/fork", Access::kOpen, fork_session_);
    router_.Add("GET", "/livez", Access::kOpen, live_);
    router_.Add("GET", "/readyz", Access::kOpen, ready_);
    router_.Add("GET", "/healthz", Access::kOpen, healthz_);
    router_.Add("GET", "/metrics", Access::kOpen, metrics_endpoint_);
    router_.Add("GET", "/debug/vars", Access::kOpen, vars_);
    router_.Add("GET", "/console", Access::kOpen, page_);
  }

  FakeExchange& Send(std::string method, std::string target, std::string body = {},
                     FakeExchange::OwnedHeaders headers = {}) {
    headers.emplace_back("x-request-id", "r-1");
    exchange_.emplace(std::move(method), std::move(target), std::move(headers), std::move(body), test_.clock.Now());
    if (client_gone_) exchange_->Disconnect();
    exchange_->ServeBy(router_);
    return *exchange_;
  }
  // A member of the last answer's JSON body.
  base::JsonValue Member(std::string_view key) {
    const auto root = parser_.Parse(exchange_->body());
    EXPECT_TRUE(root.has_value()) << exchange_->body();
    return root->AsObject()->Find(key);
  }
  std::string ErrorText() { return std::to_string(exchange_->status()) + " " + exchange_->body(); }

  pipeline::TestPipeline test_;
  pipeline::SessionUseCases sessions_{test_.sessions};
  pipeline::ModelSet models_;
  pipeline::Health health_{test_.pipeline, models_, test_.clock};
  observe::Logger log_;
  observe::Registry metrics_;
  Router router_{{}, test_.clock, log_, metrics_};
  pipeline::Callbacks callbacks_;
  pipeline::UnderstandStreams understand_streams_{test_.pipeline, {}, test_.clock, metrics_};
  EventStreams streams_{understand_streams_, {}, 1024};
  UnderstandEndpoint understand_{{test_.pipeline, streams_, callbacks_, test_.clock},
                                 {.text_bytes_max = 1024, .batch_max = 20}};
  GetSessionEndpoint get_session_{sessions_};
  DeleteSessionEndpoint delete_session_{sessions_};
  ForkSessionEndpoint fork_session_{sessions_};
  LiveEndpoint live_;
  ReadyEndpoint ready_{health_};
  HealthEndpoint healthz_{health_};
  MetricsEndpoint metrics_endpoint_{metrics_};
  VarsEndpoint vars_{[](std::string& out) { out += "{\"a\":1}\n"; }};
  StaticEndpoint page_{"text/html; charset=utf-8", "<!doctype html>"};
  base::JsonParser parser_;
  bool client_gone_ = false;
  std::optional<FakeExchange> exchange_;
};

TEST_F(HandlersTest, UnderstandsOneUtterance) {
  EXPECT_EQ(Send("POST", "/v1/understand", std::string(kWeather)).status(), 200);
  EXPECT_EQ(exchange_->Header("content-type"), "application/json");
  EXPECT_THAT(exchange_->body(),
              StartsWith("{\"id\":\"r-1\",\"text\":\"what is the weather in paris\",\"locale\":\"en\""));
  EXPECT_THAT(exchange_->body(), testing::EndsWith("}\n"));
  EXPECT_EQ(*Member("intent").AsObject()->Find("name").AsString(), "weather");
  EXPECT_EQ(*Member("session").AsObject()->Find("turn").AsInt(), 1);
  EXPECT_FALSE(Member("reply").AsObject()->Find("text").AsString()->empty());
  EXPECT_EQ(*Member("delivery").AsObject()->Find("mode").AsString(), "sync");
}

TEST_F(HandlersTest, RefusesABadBodyWithItsPointer) {
  Send("POST", "/v1/understand", R"({"text": "hi", "locale": "fr"})");
  EXPECT_THAT(ErrorText(), StartsWith("400 {\"error\":{\"code\":\"invalid_argument\""));
  EXPECT_THAT(ErrorText(), HasSubstr("\"param\":\"/locale\",\"request_id\":\"r-1\""));
  Send("POST", "/v1/understand", "");
  EXPECT_EQ(exchange_->status(), 400);
  Send("POST", "/v1/understand", R"({"text": ")" + std::string(1025, 'a') + "\"}");
  EXPECT_THAT(ErrorText(), StartsWith("413 "));
  EXPECT_THAT(ErrorText(), HasSubstr("text_too_large"));
}

TEST_F(HandlersTest, RefusesADeadlineThatHasPassed) {
  Send("POST", "/v1/understand", std::string(kWeather), {{"x-request-timeout-ms", "0"}});
  EXPECT_THAT(ErrorText(), StartsWith("504 "));
  Send("POST", "/v1/understand", std::string(kWeather), {{"x-request-deadline-ms", "1"}});
  EXPECT_THAT(ErrorText(), StartsWith("504 "));
  EXPECT_EQ(test_.sessions.stats().sessions, 0u);
}

TEST_F(HandlersTest, SaysWhichDeliveriesItCannotMake) {
  Send("POST", "/v1/understand", R"({"text": "hi", "delivery": "callback"})");
  EXPECT_THAT(ErrorText(), StartsWith("400 "));
  EXPECT_THAT(ErrorText(), HasSubstr("callback_url_missing"));
  Send("POST", "/v1/understand", R"({"text":"hi","delivery":"callback","callback_url":"http://a.example"})");
  EXPECT_THAT(ErrorText(), StartsWith("501 "));
  Send("POST", "/v1/understand", R"({"text": "hi", "delivery": "stream"})");
  EXPECT_THAT(ErrorText(), StartsWith("400 "));
}

TEST_F(HandlersTest, AnswersABatchInOrderAndKeepsAFaultInItsPlace) {
  Send("POST", "/v1/understand",
       R"({"inputs":[{"text":"play some jazz","session":"b"},{"text":"x","delivery":"stream"},)"
       R"({"text":"what is the weather in paris","session":"b"}]})");
  EXPECT_EQ(exchange_->status(), 200);
  std::vector<std::string> ids;
  std::vector<std::int64_t> turns;
  for (const base::JsonValue output : *Member("outputs").AsArray()) {
    const base::JsonObject object = *output.AsObject();
    if (object.Has("error")) {
      const base::JsonObject error = *object.Find("error").AsObject();
      EXPECT_EQ(*error.Find("param").AsString(), "/inputs/1/delivery");
      ids.emplace_back("!" + std::string(*error.Find("request_id").AsString()));
    } else {
      ids.emplace_back(*object.Find("id").AsString());
      turns.push_back(*object.Find("session").AsObject()->Find("turn").AsInt());
    }
  }
  EXPECT_THAT(ids, ElementsAre("r-1-0", "!r-1-1", "r-1-2"));
  EXPECT_THAT(turns, ElementsAre(1, 2));
}

TEST_F(HandlersTest, ABatchOfManySlicesIsAnsweredWhole) {
  std::string body = R"({"inputs":[)";
  for (int i = 0; i < 20; ++i) body += (i == 0 ? "" : ",") + std::string(R"({"text":"play some jazz"})");
  Send("POST", "/v1/understand", body + "]}");
  EXPECT_EQ(exchange_->status(), 200);
  EXPECT_EQ(Member("outputs").AsArray()->size(), 20u);
}

TEST_F(HandlersTest, ABatchEndsWhenItsClientIsGone) {
  client_gone_ = true;
  Send("POST", "/v1/understand", R"({"inputs":[{"text":"play some jazz","session":"gone"}]})");
  EXPECT_EQ(exchange_->status(), 499);
  EXPECT_EQ(test_.sessions.stats().sessions, 0u);
}

TEST_F(HandlersTest, StreamsTheAnswerAsEvents) {
  Send("POST", "/v1/understand", std::string(kWeather), {{"accept", "text/event-stream"}});
  EXPECT_EQ(exchange_->status(), 200);
  EXPECT_TRUE(exchange_->streamed());
  EXPECT_TRUE(exchange_->finished());
  const std::string& events = exchange_->body();
  EXPECT_THAT(events, HasSubstr("event: frame"));
  EXPECT_THAT(events, HasSubstr("event: reply"));
  EXPECT_THAT(events, HasSubstr("event: turn_end"));
  EXPECT_LT(events.find("event: frame"), events.find("event: reply"));
  EXPECT_LT(events.find("event: reply"), events.find("event: turn_end"));
  EXPECT_THAT(events, HasSubstr("\"mode\":\"stream\""));
  EXPECT_THAT(events, HasSubstr("\"final\":true"));
  EXPECT_THAT(events, HasSubstr("\"session\":{\"id\":\"s\",\"turn\":1"));
}

TEST_F(HandlersTest, StreamsNoReplyThatNobodyAskedFor) {
  Send("POST", "/v1/understand", R"({"text": "play some jazz"})", {{"accept", "application/json, text/event-stream"}});
  EXPECT_THAT(exchange_->body(), Not(HasSubstr("event: reply")));
  EXPECT_THAT(exchange_->body(), HasSubstr("event: turn_end"));
}

TEST_F(HandlersTest, WhatFailsBeforeTheFirstEventIsAnOrdinaryAnswer) {
  Send("POST", "/v1/understand", R"({"text": "hi", "delivery": "callback"})", {{"accept", "text/event-stream"}});
  EXPECT_FALSE(exchange_->streamed());
  EXPECT_THAT(ErrorText(), StartsWith("400 "));
}

TEST_F(HandlersTest, AStreamToNobodyIsLeftUnfinished) {
  client_gone_ = true;
  Send("POST", "/v1/understand", R"({"text": "play some jazz"})", {{"accept", "text/event-stream"}});
  EXPECT_TRUE(exchange_->streamed());
  EXPECT_FALSE(exchange_->finished());
}

TEST_F(HandlersTest, ShowsForgetsAndForksSessions) {
  Send("POST", "/v1/understand", std::string(kWeather));
  EXPECT_EQ(Send("GET", "/v1/sessions/s").status(), 200);
  EXPECT_EQ(*Member("turn").AsInt(), 1);
  EXPECT_EQ(Member("turns").AsArray()->size(), 1u);

  EXPECT_EQ(Send("POST", "/v1/sessions/s/fork", R"({"id": "t"})").status(), 201);
  EXPECT_EQ(*Member("id").AsString(), "t");
  EXPECT_EQ(Send("POST", "/v1/sessions/s/fork", R"({"id": "t"})").status(), 409);
  EXPECT_THAT(ErrorText(), HasSubstr("\"param\":\"/id\""));

  EXPECT_EQ(Send("DELETE", "/v1/sessions/s").status(), 204);
  EXPECT_EQ(exchange_->body(), "");
  EXPECT_EQ(exchange_->Header("content-type"), "(none)");
  EXPECT_EQ(Send("DELETE", "/v1/sessions/s").status(), 404);
  EXPECT_EQ(Send("GET", "/v1/sessions/s").status(), 404);
  EXPECT_EQ(Send("GET", "/v1/sessions/t").status(), 200);
}

TEST_F(HandlersTest, ForksUnderAnIdOfItsOwnMakingWithoutABody) {
  Send("POST", "/v1/understand", std::string(kWeather));
  for (const std::string body : {"", "{}", R"({"id": null})"}) {
    EXPECT_EQ(Send("POST", "/v1/sessions/s/fork", body).status(), 201) << body;
    const std::string id(*Member("id").AsString());
    EXPECT_NE(id, "s");
    EXPECT_EQ(Send("GET", "/v1/sessions/" + id).status(), 200);
  }
}

TEST_F(HandlersTest, RefusesForkBodiesThatAreWrong) {
  Send("POST", "/v1/understand", std::string(kWeather));
  for (const std::string bad : {"[]", "{", R"({"id": ""})", R"({"id": 7})", R"({"id": "a b"})", R"({"ID": "t"})",
                                R"({"id": "t", "id": "u"})", "null", "\xff"}) {
    EXPECT_EQ(Send("POST", "/v1/sessions/s/fork", bad).status(), 400) << bad;
  }
  EXPECT_EQ(test_.sessions.stats().sessions, 1u);
}

TEST_F(HandlersTest, TakesPercentEncodedIds) {
  Send("POST", "/v1/understand", R"({"text": "play some jazz", "session": "a:b@c"})");
  EXPECT_EQ(Send("GET", "/v1/sessions/a:b@c").status(), 200);
  EXPECT_EQ(Send("GET", "/v1/sessions/a%3Ab%40c").status(), 200);
  EXPECT_EQ(*Member("id").AsString(), "a:b@c");
  EXPECT_EQ(Send("POST", "/v1/sessions/a%3ab%40c/fork", R"({"id":"x"})").status(), 201);
  EXPECT_EQ(Send("DELETE", "/v1/sessions/%61:b@c").status(), 204);
}

TEST_F(HandlersTest, RefusesHostileIdsOnEveryRoad) {
  for (const std::string id : {"a%2Fb", "%2e%2e%2Fetc", "a%00b", "%", "%4", "%zz", "a%20b", "a+b", "%E4%BD%A0", "%ff",
                               "<script>", "a%0d%0aSet-Cookie:x"}) {
    EXPECT_EQ(Send("GET", "/v1/sessions/" + id).status(), 400) << id;
    EXPECT_THAT(ErrorText(), HasSubstr("\"param\":\"id\"")) << id;
    EXPECT_EQ(Send("DELETE", "/v1/sessions/" + id).status(), 400) << id;
    EXPECT_EQ(Send("POST", "/v1/sessions/" + id + "/fork").status(), 400) << id;
  }
  EXPECT_EQ(Send("GET", "/v1/sessions/" + std::string(128, 'a')).status(), 404);
  EXPECT_EQ(Send("GET", "/v1/sessions/" + std::string(129, 'a')).status(), 400);
}

TEST_F(HandlersTest, TellsThatItLivesAndIsReady) {
  EXPECT_EQ(Send("GET", "/livez").body(), "alive\n");
  EXPECT_EQ(Send("GET", "/readyz").body(), "ready\n");
  health_.StartDraining();
  EXPECT_EQ(Send("GET", "/livez").status(), 200);
  EXPECT_EQ(Send("GET", "/readyz").status(), 503);
  EXPECT_EQ(exchange_->Header("retry-after"), "1");
  EXPECT_THAT(ErrorText(), HasSubstr("\"reason\":\"draining\""));
}

TEST_F(HandlersTest, TellsHowTheCanaryIs) {
  EXPECT_EQ(Send("GET", "/healthz").status(), 200);
  EXPECT_EQ(*Member("status").AsString(), "ok");
  EXPECT_EQ(*Member("ready").AsBool(), true);
  EXPECT_EQ(*Member("model").AsString(), "small");
  EXPECT_TRUE(Member("canary_us").AsDouble().has_value());
  EXPECT_TRUE(Member("error").is_null());

  health_.StartDraining();
  EXPECT_EQ(Send("GET", "/healthz").status(), 503);
  EXPECT_EQ(*Member("status").AsString(), "degraded");
  EXPECT_EQ(*Member("error").AsObject()->Find("reason").AsString(), "draining");
}

TEST_F(HandlersTest, TellsThatTheCanaryFailed) {
  pipeline::UnderstandSettings settings = *test_.pipeline.settings();
  settings.tokens_max = 0;
  test_.pipeline.SetSettings(settings);
  EXPECT_EQ(Send("GET", "/healthz").status(), 503);
  EXPECT_EQ(*Member("status").AsString(), "failed");
  EXPECT_EQ(*Member("ready").AsBool(), true);
  EXPECT_EQ(*Member("error").AsObject()->Find("code").AsString(), "invalid_argument");
}

TEST_F(HandlersTest, ShowsMetricsAndVars) {
  Send("GET", "/livez");
  EXPECT_EQ(Send("GET", "/metrics").Header("content-type"), observe::kMetricsContentType);
  EXPECT_THAT(exchange_->body(),
              HasSubstr("loquat_http_requests_total{route=\"/livez\",method=\"GET\",status=\"200\"} 1"));
  EXPECT_EQ(Send("GET", "/debug/vars").body(), "{\"a\":1}\n");
  EXPECT_EQ(exchange_->Header("content-type"), "application/json");
}

TEST_F(HandlersTest, ServesPagesThatNobodyMayFrame) {
  EXPECT_EQ(Send("GET", "/console").body(), "<!doctype html>");
  EXPECT_EQ(exchange_->Header("content-type"), "text/html; charset=utf-8");
  EXPECT_THAT(exchange_->Header("content-security-policy"), HasSubstr("frame-ancestors 'none'"));
  EXPECT_EQ(exchange_->Header("x-content-type-options"), "nosniff");
}

}  // namespace
}  // namespace loquat::ingress
