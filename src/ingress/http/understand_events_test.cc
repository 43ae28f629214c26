// The stream of events while a local model makes the reply.

#include "ingress/http/understand_events.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ingress/http/fake_exchange.h"
#include "ingress/http/understand_handler.h"
#include "pipeline/fake_engine.h"
#include "pipeline/test_assistant.h"

namespace loquat::ingress {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class UnderstandEventsTest : public testing::Test {
 protected:
  UnderstandEventsTest() {
    router_.Add("POST", "/v1/understand", Access::kOpen, endpoint_);
    pipeline::UnderstandSettings settings = pipeline::TestPipeline::Settings();
    pipeline::ReplyPolicy policy;
    policy.model = "chat";
    settings.reply = *pipeline::ReplyRule::Create(policy, models_, *settings.assistant);
    pipeline_.SetSettings(std::move(settings));
  }

  FakeExchange& Send(std::string_view accept) {
    exchange_.emplace("POST", "/v1/understand", FakeExchange::OwnedHeaders{{"accept", std::string(accept)}},
                      R"({"text": "who won the war of 1812", "session": "s", "reply": true})", test_.clock.Now());
    boost::asio::io_context loop(1);
    exchange_->set_loop(loop);
    if (client_gone_) exchange_->Disconnect();
    boost::asio::co_spawn(loop, router_.Handle(*exchange_), [](const std::exception_ptr& thrown) {
      if (thrown) std::rethrow_exception(thrown);
    });
    loop.run();
    return *exchange_;
  }
  // The types of the events, in order, each once where it comes several times in a row.
  std::vector<std::string> Types() const {
    std::vector<std::string> types;
    const std::string& body = exchange_->body();
    for (std::size_t at = body.find("event: "); at != std::string::npos; at = body.find("event: ", at + 1)) {
      std::string type = body.substr(at + 7, body.find('\n', at) - at - 7);
      if (types.empty() || types.back() != type) types.push_back(std::move(type));
    }
    return types;
  }

  std::shared_ptr<pipeline::FakeEngine> engine_ = std::make_shared<pipeline::FakeEngine>("chat", 4096);
  const pipeline::ModelSet models_{{pipeline::Serve(engine_)}};
  pipeline::PromptWorkers workers_;
  pipeline::GenerateUseCase generate_{models_, workers_};
  pipeline::TestPipeline test_;
  observe::Registry metrics_;
  pipeline::ReplyWriter writer_{generate_, metrics_, test_.clock};
  pipeline::UnderstandPipeline pipeline_{
      pipeline::TestPipeline::Settings(), test_.sessions, test_.clock, {.replies = &writer_, .workers = &workers_}};
  pipeline::Callbacks callbacks_;
  pipeline::UnderstandStreams understand_streams_{pipeline_, {}, test_.clock, metrics_};
  EventStreams streams_{understand_streams_, {}, UnderstandBodyLimits{}.text_bytes_max};
  UnderstandEndpoint endpoint_{{pipeline_, streams_, callbacks_, test_.clock}, {}};
  observe::Logger log_;
  Router router_{{}, test_.clock, log_, metrics_};
  std::optional<FakeExchange> exchange_;
  bool client_gone_ = false;
};

TEST_F(UnderstandEventsTest, TheFrameThenTheDeltasThenTheReply) {
  EXPECT_EQ(Send("text/event-stream").status(), 200);
  EXPECT_TRUE(exchange_->streamed());
  EXPECT_TRUE(exchange_->finished());
  EXPECT_THAT(Types(), ElementsAre("frame", "reply_delta", "reply", "turn_end"));
  EXPECT_THAT(exchange_->body(),
              HasSubstr(R"("text":"Hello","source":"model","model":"chat","reason":"out of scope"})"));
}

TEST_F(UnderstandEventsTest, AModelThatFailsInTheMiddleIsReplacedByTheDomainsReply) {
  engine_->set_script({.text = "Half", .status = base::Internal("the model gave NaN")});
  Send("text/event-stream");
  EXPECT_THAT(Types(), ElementsAre("frame", "reply_delta", "reply", "turn_end"));
  EXPECT_THAT(exchange_->body(), HasSubstr(R"("text":"Pardon?","source":"template","model":"chat")"));
  EXPECT_THAT(exchange_->body(), HasSubstr(R"("failed":{"code":"internal","message":"the model gave NaN"})"));
}

TEST_F(UnderstandEventsTest, AModelThatRefusesLeavesNoDelta) {
  engine_->set_script({.refusal = base::Unavailable("full")});
  Send("text/event-stream");
  EXPECT_THAT(Types(), ElementsAre("frame", "reply", "turn_end"));
}

TEST_F(UnderstandEventsTest, JsonWaitsForTheWholeReply) {
  Send("application/json");
  EXPECT_FALSE(exchange_->streamed());
  EXPECT_THAT(exchange_->body(), HasSubstr(R"("reply":{"text":"Hello","source":"model")"));
}

TEST_F(UnderstandEventsTest, WhatFailsAfterTheFrameIsAnErrorEvent) {
  // A deadline that ends with the fallback's reserve: the model is given up, and nothing is left to save the turn.
  engine_->set_script({.text = "slow", .hold_after = 1});
  exchange_.emplace("POST", "/v1/understand",
                    FakeExchange::OwnedHeaders{{"accept", "text/event-stream"}, {"x-request-timeout-ms", "70"}},
                    R"({"text": "who won the war of 1812", "session": "s", "reply": true})", test_.clock.Now());
  boost::asio::io_context loop(1);
  exchange_->set_loop(loop);
  boost::asio::co_spawn(loop, router_.Handle(*exchange_), [](const std::exception_ptr& thrown) {
    if (thrown) std::rethrow_exception(thrown);
  });
  while (Types().size() < 2 && loop.run_one() > 0) {
  }
  test_.clock.Advance(std::chrono::milliseconds(70));
  loop.run();
  EXPECT_THAT(Types(), ElementsAre("frame", "reply_delta", "error", "turn_end"));
  EXPECT_THAT(exchange_->body(), HasSubstr("deadline_exceeded"));
  EXPECT_TRUE(exchange_->finished());
  EXPECT_EQ(test_.sessions.stats().sessions, 0u);
}

TEST_F(UnderstandEventsTest, AClientThatHasGoneGetsNothing) {
  client_gone_ = true;
  for (const std::string_view accept : {"text/event-stream", "application/json"}) {
    Send(accept);
    EXPECT_THAT(exchange_->body(), Not(HasSubstr("event: ")));
    EXPECT_EQ(exchange_->status(), 499);
  }
  EXPECT_EQ(test_.sessions.stats().sessions, 0u);
}

}  // namespace
}  // namespace loquat::ingress
