// The endpoints behind a router, on an engine that says what it is told to: what a client sends and what it gets.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "base/base64.h"
#include "base/json_value.h"
#include "ingress/http/fake_exchange.h"
#include "ingress/openai/chat_handler.h"
#include "ingress/openai/completions_handler.h"
#include "ingress/openai/embeddings_handler.h"
#include "ingress/openai/models_handler.h"
#include "pipeline/fake_engine.h"

namespace loquat::ingress::openai {
namespace {

using pipeline::FakeEngine;
using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class EndpointsTest : public testing::Test {
 protected:
  EndpointsTest() {
    router_.Add("POST", "/v1/chat/completions", Access::kOpen, chat_);
    router_.Add("POST", "/v1/completions", Access::kOpen, completions_);
    router_.Add("POST", "/v1/embeddings", Access::kOpen, embeddings_);
    router_.Add("GET", "/v1/models", Access::kOpen, list_);
    router_.Add("GET", "/v1/models/{}", Access::kOpen, model_);
  }

  const std::string& Send(std::string method, std::string target, std::string body = {},
                          FakeExchange::OwnedHeaders headers = {}) {
    headers.emplace_back("x-request-id", "r-1");
    exchange_.emplace(std::move(method), std::move(target), std::move(headers), std::move(body), clock_.Now());
    if (client_gone_) exchange_->Disconnect();
    exchange_->ServeBy(router_);
    return exchange_->body();
  }
  const std::string& Chat(std::string_view more = {}) {
    return Send("POST", "/v1/chat/completions",
                R"({"model":"small","messages":[{"role":"user","content":"hi"}])" + std::string(more) + "}");
  }
  const std::string& Complete(std::string_view more) {
    return Send("POST", "/v1/completions", R"({"model":"small",)" + std::string(more) + "}");
  }

  base::ManualClock clock_{base::WallTime(std::chrono::seconds(1'700'000'001))};
  observe::Logger log_;
  observe::Registry metrics_;
  const std::shared_ptr<FakeEngine> engine_ = std::make_shared<FakeEngine>("small");
  const pipeline::ModelSet models_{{pipeline::Serve(engine_)}};
  pipeline::PromptWorkers workers_;
  pipeline::GenerateUseCase generate_{models_, workers_};
  pipeline::EmbedUseCase embed_{models_, workers_};
  Router router_{{}, clock_, log_, metrics_};
  ChatEndpoint chat_{generate_, clock_};
  CompletionsEndpoint completions_{generate_, clock_};
  EmbeddingsEndpoint embeddings_{embed_};
  ModelsEndpoint list_{models_};
  ModelEndpoint model_{models_};
  bool client_gone_ = false;
  std::optional<FakeExchange> exchange_;
};

TEST_F(EndpointsTest, AChatAnswerIsOpenAisObject) {
  EXPECT_EQ(Chat(),
            "{\"id\":\"chatcmpl-r-1\",\"object\":\"chat.completion\",\"created\":1700000001,\"model\":\"small\","
            "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"Hello\",\"refusal\":null},"
            "\"logprobs\":null,\"finish_reason\":\"stop\"}],"
            "\"usage\":{\"prompt_tokens\":19,\"completion_tokens\":5,\"total_tokens\":24,"
            "\"prompt_tokens_details\":{\"cached_tokens\":3}}}\n");
  EXPECT_EQ(exchange_->status(), 200);
}

TEST_F(EndpointsTest, AnAnswerThatWasCutByItsLengthSaysSo) {
  EXPECT_THAT(Chat(R"(,"max_tokens":2)"), HasSubstr("\"content\":\"He\""));
  EXPECT_THAT(exchange_->body(), HasSubstr("\"finish_reason\":\"length\""));
}

// The data of each event, and what the pieces of one choice say together.
std::vector<std::string> Events(std::string_view body) {
  std::vector<std::string> events;
  for (std::size_t end = body.find("\n\n"); end != std::string_view::npos; end = body.find("\n\n")) {
    EXPECT_TRUE(body.starts_with("data: ")) << body;
    events.emplace_back(body.substr(6, end - 6));
    body.remove_prefix(end + 2);
  }
  EXPECT_EQ(body, "");
  return events;
}
std::string Said(const std::vector<std::string>& events, std::string_view object, std::string_view member, int choice) {
  std::string said;
  base::JsonParser parser;
  for (const std::string& event : events) {
    const auto root = parser.Parse(event);
    if (!root.has_value()) continue;
    const auto choices = root->AsObject()->Find("choices").AsArray();
    if (!choices.has_value() || choices->empty()) continue;
    const base::JsonObject only = *(*choices->begin()).AsObject();
    if (*only.Find("index").AsInt() != choice) continue;
    const base::JsonObject holder = object.empty() ? only : *only.Find(object).AsObject();
    said += holder.Find(member).AsString().value_or("");
  }
  return said;
}

TEST_F(EndpointsTest, AStreamHasRoleWordsReasonUsageAndEnd) {
  const auto events = Events(Chat(R"(,"stream":true,"stream_options":{"include_usage":true})"));
  EXPECT_EQ(exchange_->Header("content-type"), "text/event-stream");
  ASSERT_GE(events.size(), 5u);
  const std::string head =
      "{\"id\":\"chatcmpl-r-1\",\"object\":\"chat.completion.chunk\",\"created\":1700000001,\"model\":\"small\",";
  EXPECT_EQ(events.front(), head +
                                "\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},"
                                "\"logprobs\":null,\"finish_reason\":null}],\"usage\":null}");
  EXPECT_EQ(Said(events, "delta", "content", 0), "Hello");
  EXPECT_EQ(events[events.size() - 3],
            head +
                "\"choices\":[{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"stop\"}],"
                "\"usage\":null}");
  EXPECT_EQ(events[events.size() - 2],
            head +
                "\"choices\":[],\"usage\":{\"prompt_tokens\":19,\"completion_tokens\":5,\"total_tokens\":24,"
                "\"prompt_tokens_details\":{\"cached_tokens\":3}}}");
  EXPECT_EQ(events.back(), "[DONE]");
  EXPECT_TRUE(exchange_->finished());
  EXPECT_THAT(Chat(R"(,"stream":true)"), Not(HasSubstr("usage")));
}

TEST_F(EndpointsTest, ChoicesOfAStreamAreKeptApart) {
  const auto events = Events(Complete(R"("prompt":["a","b"],"n":2,"stream":true)"));
  for (int choice = 0; choice < 4; ++choice) EXPECT_EQ(Said(events, "", "text", choice), "Hello") << choice;
  EXPECT_THAT(events.front(), Not(HasSubstr("role")));
}

TEST_F(EndpointsTest, AFailureInMidStreamIsAnEvent) {
  engine_->set_script({.text = "ab", .status = base::Internal("the model broke")});
  const auto events = Events(Chat(R"(,"stream":true)"));
  EXPECT_EQ(Said(events, "delta", "content", 0), "ab");
  EXPECT_EQ(events.back(),
            "{\"error\":{\"message\":\"the model broke\",\"type\":\"server_error\",\"param\":null,"
            "\"code\":\"internal\"}}");
  EXPECT_EQ(exchange_->status(), 200);
  EXPECT_THAT(metrics_.Text(), HasSubstr("loquat_http_refusals_total{code=\"internal\",reason=\"\"} 1"));
}

TEST_F(EndpointsTest, AFailureBeforeTheFirstWordIsAnOrdinaryError) {
  engine_->set_script({.text = "", .status = base::DeadlineExceeded("too late")});
  Chat(R"(,"stream":true)");
  EXPECT_EQ(exchange_->status(), 504);
  engine_->set_script({.refusal = base::Error{.code = base::Code::kResourceExhausted,
                                              .message = "full",
                                              .reason = "queue_full",
                                              .retry_after = std::chrono::milliseconds(1500)}});
  Chat(R"(,"stream":true)");
  EXPECT_EQ(exchange_->status(), 429);
  EXPECT_EQ(exchange_->Header("retry-after"), "2");
  EXPECT_THAT(exchange_->body(), HasSubstr("\"code\":\"queue_full\""));
}

TEST_F(EndpointsTest, ErrorsHaveOpenAisShape) {
  Send("POST", "/v1/chat/completions", R"({"model":"x","messages":[{"role":"user","content":"hi"}]})");
  EXPECT_EQ(exchange_->status(), 404);
  EXPECT_THAT(exchange_->body(), StartsWith("{\"error\":{\"message\":\"there is no model \\\"x\\\"; this server runs "
                                            "small\",\"type\":\"invalid_request_error\",\"param\":\"model\","));
  Chat(R"(,"tools":[{}])");
  EXPECT_EQ(exchange_->status(), 400);
  EXPECT_THAT(exchange_->body(), HasSubstr("\"param\":\"tools\",\"code\":\"unsupported_parameter\""));
  Complete("\"prompt\":\"" + std::string(256, 'a') + "\"");
  EXPECT_EQ(exchange_->status(), 400);
  EXPECT_THAT(exchange_->body(), HasSubstr("\"code\":\"context_length_exceeded\""));
  Send("POST", "/v1/completions", "{}", {{"x-request-timeout-ms", "soon"}});
  EXPECT_EQ(exchange_->status(), 400);
  EXPECT_THAT(exchange_->body(), HasSubstr("\"type\":\"invalid_request_error\""));
}

TEST_F(EndpointsTest, DeadlinesReachTheEngine) {
  Send("POST", "/v1/completions", R"({"model":"small","prompt":"a"})", {{"x-request-timeout-ms", "700"}});
  EXPECT_EQ(engine_->last_deadline().at(), clock_.Now() + std::chrono::milliseconds(700));
}

TEST_F(EndpointsTest, AClientThatHasGoneGetsNothing) {
  client_gone_ = true;
  Chat(R"(,"stream":true)");
  EXPECT_FALSE(exchange_->finished() && exchange_->status() == 200);
  Chat();
  EXPECT_NE(exchange_->status(), 200);
}

TEST_F(EndpointsTest, LogprobsInTheChatForm) {
  engine_->set_script({.text = "a\xE4"});
  EXPECT_THAT(Chat(R"(,"logprobs":true,"top_logprobs":2)"),
              HasSubstr("\"logprobs\":{\"content\":[{\"token\":\"a\",\"logprob\":0,\"bytes\":[97],\"top_logprobs\":["
                        "{\"token\":\"a\",\"logprob\":-0.5,\"bytes\":[97]},"
                        "{\"token\":\"b\",\"logprob\":-1,\"bytes\":[98]}]},"));
  EXPECT_THAT(exchange_->body(), HasSubstr("\"bytes\":[228]"));
  EXPECT_THAT(Chat(R"(,"logprobs":true)"), HasSubstr("\"top_logprobs\":[]"));
}

TEST_F(EndpointsTest, LogprobsInTheOlderForm) {
  engine_->set_script({.text = "a\xE4\xB8"});
  EXPECT_THAT(Complete(R"("prompt":"x","logprobs":1)"),
              HasSubstr("\"logprobs\":{\"tokens\":[\"a\",\"bytes:\\\\xe4\",\"bytes:\\\\xb8\"],"
                        "\"token_logprobs\":[0,0,0],\"top_logprobs\":[{\"a\":-0.5},{\"bytes:\\\\xe4\":-0.5},"
                        "{\"bytes:\\\\xb8\":-0.5}],\"text_offset\":[0,1,2]}"));
  EXPECT_THAT(Complete(R"("prompt":"x","logprobs":0)"), HasSubstr("\"top_logprobs\":null"));
}

TEST_F(EndpointsTest, TokenIdsWhereTheyAreAskedFor) {
  EXPECT_THAT(Complete(R"("prompt":"xy","max_tokens":2,"return_token_ids":true)"),
              HasSubstr("\"token_ids\":[72,101],\"prompt_token_ids\":[120,121]"));
  EXPECT_THAT(Chat(R"(,"max_tokens":2,"return_token_ids":true)"), HasSubstr("\"prompt_token_ids\":[60,117,"));
  const auto events = Events(Complete(R"("prompt":"xy","stream":true,"return_token_ids":true)"));
  EXPECT_THAT(events.front(), HasSubstr("\"prompt_token_ids\":[120,121]"));
  EXPECT_THAT(Complete(R"("prompt":"xy")"), Not(HasSubstr("token_ids")));
}

TEST_F(EndpointsTest, ModelsAreListedAndShown) {
  EXPECT_EQ(Send("GET", "/v1/models"),
            "{\"object\":\"list\",\"data\":[{\"id\":\"small\",\"object\":\"model\",\"created\":1700000000,"
            "\"owned_by\":\"loquat\",\"context_length\":256,\"capabilities\":{\"completion\":true,\"chat\":true,"
            "\"embedding\":false,\"classification\":false}}]}\n");
  EXPECT_THAT(Send("GET", "/v1/models/sm%61ll"), StartsWith("{\"id\":\"small\""));
  EXPECT_THAT(Send("GET", "/v1/models/big"), HasSubstr("model_not_found"));
  EXPECT_EQ(exchange_->status(), 404);
}

TEST_F(EndpointsTest, EmbeddingsAsNumbersAndAsBase64) {
  engine_->mutable_info().can_embed = true;
  EXPECT_THAT(
      Send("POST", "/v1/embeddings", R"({"model":"small","input":[[4,0,0],[97]]})"),
      StartsWith("{\"object\":\"list\",\"data\":[{\"object\":\"embedding\",\"index\":0,\"embedding\":[0.6,0.8]},"
                 "{\"object\":\"embedding\",\"index\":1,"));
  EXPECT_THAT(exchange_->body(), EndsWith("\"model\":\"small\",\"usage\":{\"prompt_tokens\":4,\"total_tokens\":4}}\n"));
  const float expected[] = {0.6F, 0.8F};
  const std::string bytes(reinterpret_cast<const char*>(expected), sizeof(expected));
  EXPECT_THAT(Send("POST", "/v1/embeddings", R"({"model":"small","input":[4,0,0],"encoding_format":"base64"})"),
              HasSubstr("\"embedding\":\"" + base::EncodeBase64(bytes) + "\""));
  EXPECT_THAT(Send("POST", "/v1/embeddings", R"({"model":"small","input":[4,0,0],"normalize":false})"),
              HasSubstr("\"embedding\":[3,4]"));
}

TEST_F(EndpointsTest, EmbeddingInputIsCutOnlyWhereThatIsAskedFor) {
  engine_->mutable_info().can_embed = true;
  const std::string input = "{\"model\":\"small\",\"input\":[\"" + std::string(255, 'a') + "bc\",\"d\"]";
  EXPECT_THAT(Send("POST", "/v1/embeddings", input + "}"),
              AllOf(HasSubstr("\"param\":\"input[0]\",\"code\":\"context_length_exceeded\""),
                    HasSubstr("the input has 257 tokens, but small takes 256 at most")));
  EXPECT_EQ(exchange_->status(), 400);
  Send("POST", "/v1/embeddings", input + ",\"truncation\":\"head\"}");
  EXPECT_EQ(exchange_->status(), 200);
  EXPECT_THAT(exchange_->body(), AllOf(HasSubstr("],\"truncated_tokens\":1},{\"object\":\"embedding\",\"index\":1,"),
                                       HasSubstr("\"prompt_tokens\":257"), EndsWith("}\n")));
  EXPECT_THAT(exchange_->body().substr(exchange_->body().find("\"index\":1")), Not(HasSubstr("truncated_tokens")));
}

TEST_F(EndpointsTest, InputOfMixedKindsIsRefusedByPlace) {
  engine_->mutable_info().can_embed = true;
  EXPECT_THAT(Send("POST", "/v1/embeddings", R"({"model":"small","input":[[4,0,0],"a"]})"),
              AllOf(HasSubstr("\"param\":\"input[1]\""), HasSubstr("of another kind than the item before it")));
  EXPECT_EQ(exchange_->status(), 400);
}

}  // namespace
}  // namespace loquat::ingress::openai
