// Every field of the bodies: taken, of the wrong type, out of bounds, in contradiction with another.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ingress/openai/body_parser.h"
#include "ingress/openai/chat_body.h"
#include "ingress/openai/completion_body.h"
#include "ingress/openai/embeddings_body.h"
#include "ingress/openai/error_form.h"

namespace loquat::ingress::openai {
namespace {

using engine::TokenId;
using testing::HasSubstr;

std::string ChatJson(std::string_view more) {
  return R"({"model":"m","messages":[{"role":"user","content":"hi"}])" + std::string(more.empty() ? "" : ",") +
         std::string(more) + "}";
}
base::Result<GenerationBody> Chat(std::string_view more) {
  return ParseBody(ChatJson(more), ParseChatBody);
}
base::Result<GenerationBody> Completion(std::string_view more) {
  return ParseBody(R"({"model":"m")" + std::string(more.empty() ? "" : ",") + std::string(more) + "}",
                   ParseCompletionBody);
}
base::Result<EmbeddingsBody> Embeddings(std::string_view more) {
  return ParseBody(R"({"model":"m",)" + std::string(more) + "}", ParseEmbeddingsBody);
}
// The field that a refusal names; "(taken)" without one.
template <typename T>
std::string Param(const base::Result<T>& body) {
  if (body.has_value()) return "(taken)";
  EXPECT_EQ(body.error().code, base::Code::kInvalidArgument) << body.error().message;
  EXPECT_FALSE(body.error().message.empty());
  return ParamOfPointer(body.error().param);
}

TEST(ChatBody, AShortOneHasOpenAisDefaults) {
  const auto body = Chat("");
  ASSERT_TRUE(body.has_value()) << body.error().message;
  const engine::GenerateRequest& request = body->input.request;
  EXPECT_EQ(body->input.model, "m");
  EXPECT_EQ(request.sampling.temperature, 1.0F);
  EXPECT_EQ(request.sampling.top_p, 1.0F);
  EXPECT_EQ(request.choices, 1u);
  EXPECT_EQ(request.tokens_max, 0u);
  EXPECT_FALSE(request.top_logprobs.has_value());
  EXPECT_FALSE(request.sampling.seed.has_value());
  EXPECT_FALSE(body->stream || body->include_usage || body->input.bounded);
}

TEST(ChatBody, EveryFieldArrives) {
  const auto body = Chat(
      R"("n":2,"stop":["a","b"],"seed":-1,"logprobs":true,"top_logprobs":5,"logit_bias":{"15":-100,"7":1.5},)"
      R"("max_tokens":9,"max_completion_tokens":9,"temperature":0.5,"top_p":0.9,"presence_penalty":1,)"
      R"("frequency_penalty":-1,"top_k":40,"min_p":0.05,"typical_p":0.8,"repetition_penalty":1.1,)"
      R"("no_repeat_ngram_size":3,"ignore_eos":true,"return_token_ids":true,"stream":true,)"
      R"("stream_options":{"include_usage":true,"include_obfuscation":false},)"
      R"("chat_template_kwargs":{"enable_thinking":false,"k":3,"x":0.5,"s":"t","none":null},)"
      R"("response_format":{"type":"text"},"tool_choice":"none","modalities":["text"],"user":"u",)"
      R"("metadata":{"a":"b"},"store":false,"service_tier":"auto","safety_identifier":"s","prompt_cache_key":"k")");
  ASSERT_TRUE(body.has_value()) << body.error().message;
  const engine::GenerateRequest& request = body->input.request;
  const engine::SamplingOptions& sampling = request.sampling;
  EXPECT_EQ(request.choices, 2u);
  EXPECT_EQ(request.stop, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(sampling.seed, ~std::uint64_t{0});
  EXPECT_EQ(request.top_logprobs, 5u);
  ASSERT_EQ(sampling.logit_bias.size(), 2u);
  EXPECT_EQ(sampling.logit_bias[0].token, 15);
  EXPECT_EQ(sampling.logit_bias[1].bias, 1.5F);
  EXPECT_EQ(request.tokens_max, 9u);
  EXPECT_EQ(sampling.temperature, 0.5F);
  EXPECT_EQ(sampling.top_p, 0.9F);
  EXPECT_EQ(sampling.presence_penalty, 1.0F);
  EXPECT_EQ(sampling.frequency_penalty, -1.0F);
  EXPECT_EQ(sampling.top_k, 40u);
  EXPECT_EQ(sampling.min_p, 0.05F);
  EXPECT_EQ(sampling.typical_p, 0.8F);
  EXPECT_EQ(sampling.repetition_penalty, 1.1F);
  EXPECT_EQ(sampling.no_repeat_ngram, 3u);
  EXPECT_TRUE(request.ignore_eos && body->return_token_ids && body->stream && body->include_usage &&
              body->input.bounded);
  const auto& chat = std::get<pipeline::ChatPrompt>(body->input.prompts.at(0));
  ASSERT_EQ(chat.arguments.size(), 4u);
  EXPECT_EQ(std::get<bool>(chat.arguments[0].second), false);
  EXPECT_EQ(std::get<std::int64_t>(chat.arguments[1].second), 3);
  EXPECT_EQ(std::get<double>(chat.arguments[2].second), 0.5);
  EXPECT_EQ(std::get<std::string>(chat.arguments[3].second), "t");
}

TEST(ChatBody, MessagesHaveRolesAndTextOrParts) {
  const auto body =
      ParseBody(R"({"model":"m","messages":[{"role":"developer","content":"be brief"},)"
                R"({"role":"user","name":"ann","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},)"
                R"({"role":"assistant","content":"c","refusal":null}]})",
                ParseChatBody);
  ASSERT_TRUE(body.has_value()) << body.error().message;
  const auto& messages = std::get<pipeline::ChatPrompt>(body->input.prompts.at(0)).messages;
  ASSERT_EQ(messages.size(), 3u);
  EXPECT_EQ(messages[0].role, "system");
  EXPECT_EQ(messages[1].content, "ab");
  EXPECT_EQ(messages[1].name, "ann");
  EXPECT_EQ(messages[2].role, "assistant");
}

TEST(ChatBody, ABadMessageIsNamedByItsPlace) {
  const auto param = [](std::string_view messages) {
    return Param(ParseBody(R"({"model":"m","messages":)" + std::string(messages) + "}", ParseChatBody));
  };
  EXPECT_EQ(param("[]"), "messages");
  EXPECT_EQ(param("\"hi\""), "messages");
  EXPECT_EQ(param(R"([{"role":"tool","content":"x"}])"), "messages[0].role");
  EXPECT_EQ(param(R"([{"role":"user"}])"), "messages[0].content");
  EXPECT_EQ(param(R"([{"role":"user","content":3}])"), "messages[0].content");
  EXPECT_EQ(param(R"([{"role":"user","content":"a"},{"role":"user","content":[{"type":"image_url"}]}])"),
            "messages[1].content[0].type");
  EXPECT_EQ(param(R"([{"role":"assistant","content":"a","tool_calls":[]}])"), "messages[0].tool_calls");
  EXPECT_EQ(param(R"([{"role":"user","content":"a","colour":"b"}])"), "messages[0].colour");
}

TEST(ChatBody, WhatIsNotSupportedIsRefusedByName) {
  for (const std::string name : {"tools", "functions", "function_call", "audio", "prediction", "web_search_options",
                                 "reasoning_effort", "verbosity", "parallel_tool_calls"}) {
    const auto body = Chat("\"" + name + "\":[]");
    EXPECT_EQ(Param(body), name);
    EXPECT_EQ(body.error().reason, "unsupported_parameter") << name;
    EXPECT_EQ(Param(Chat("\"" + name + "\":null")), "(taken)");
  }
  EXPECT_EQ(Param(Chat(R"("tool_choice":"auto")")), "tool_choice");
  EXPECT_EQ(Param(Chat(R"("response_format":{"type":"json_object"})")), "response_format");
  EXPECT_EQ(Param(Chat(R"("modalities":["text","audio"])")), "modalities[1]");
  EXPECT_EQ(Param(Chat(R"("store":true)")), "store");
  EXPECT_EQ(Param(Chat(R"("stream":true,"stream_options":{"include_obfuscation":true})")),
            "stream_options.include_obfuscation");
  EXPECT_EQ(Param(Chat(R"("colour":"red")")), "colour");
}

struct Refused {
  std::string more, param;
};

TEST(ChatBody, WrongTypesAndBoundsAreNamed) {
  const Refused cases[] = {
      {R"("n":0)", "n"},
      {R"("n":129)", "n"},
      {R"("n":1.5)", "n"},
      {R"("stop":"")", "stop"},
      {R"("stop":3)", "stop"},
      {R"("stop":["a",""])", "stop[1]"},
      {R"("seed":"1")", "seed"},
      {R"("seed":1.5)", "seed"},
      {R"("temperature":"hot")", "temperature"},
      {R"("top_k":-2)", "top_k"},
      {R"("no_repeat_ngram_size":65)", "no_repeat_ngram_size"},
      {R"("max_tokens":0)", "max_tokens"},
      {R"("max_tokens":1,"max_completion_tokens":2)", "max_tokens"},
      {R"("logprobs":3)", "logprobs"},
      {R"("top_logprobs":2)", "top_logprobs"},
      {R"("logprobs":true,"top_logprobs":21)", "top_logprobs"},
      {R"("logit_bias":[])", "logit_bias"},
      {R"("logit_bias":{"a":1})", "logit_bias"},
      {R"("logit_bias":{"1":"x"})", "logit_bias"},
      {R"("logit_bias":{"1":1,"1":2})", "logit_bias"},
      {R"("stream":1)", "stream"},
      {R"("stream_options":{"include_usage":true})", "stream_options"},
      {R"("stream":true,"stream_options":{"x":true})", "stream_options.x"},
      {R"("session":"a b")", "session"},
      {R"("session":"s","n":2)", "session"},
      {R"("metadata":"x")", "metadata"},
      {R"("user":3)", "user"},
      {R"("chat_template_kwargs":{"a":[]})", "chat_template_kwargs"},
      {R"("n":1,"n":1)", "n"},
  };
  for (const Refused& refused : cases) EXPECT_EQ(Param(Chat(refused.more)), refused.param) << refused.more;
}

TEST(ChatBody, TenThousandStopStringsAreAClearError) {
  std::string list = "\"stop\":[\"x\"";
  for (int i = 1; i < 10'000; ++i) list += ",\"x\"";
  EXPECT_EQ(Param(Chat(list + "]")), "stop");
  std::string most = "\"stop\":[\"x\"";
  for (std::size_t i = 1; i < kStopStringsMax; ++i) most += ",\"x\"";
  EXPECT_EQ(Param(Chat(most + "]")), "(taken)");
  EXPECT_EQ(Param(Chat("\"stop\":\"" + std::string(kStopStringBytesMax, 'x') + "\"")), "(taken)");
  EXPECT_EQ(Param(Chat("\"stop\":\"" + std::string(kStopStringBytesMax + 1, 'x') + "\"")), "stop");
}

TEST(ChatBody, ModelAndMessagesAreRequired) {
  EXPECT_EQ(Param(ParseBody("{}", ParseChatBody)), "messages");
  EXPECT_EQ(Param(ParseBody(R"({"messages":[{"role":"user","content":"a"}]})", ParseChatBody)), "model");
  EXPECT_EQ(Param(ParseBody("[]", ParseChatBody)), "");
  EXPECT_FALSE(ParseBody("{", ParseChatBody).has_value());
}

TEST(CompletionBody, ThePromptHasFourForms) {
  using Tokens = std::vector<TokenId>;
  const auto text = Completion(R"("prompt":"a")");
  ASSERT_TRUE(text.has_value()) << text.error().message;
  EXPECT_EQ(std::get<std::string>(text->input.prompts.at(0)), "a");
  EXPECT_EQ(text->input.request.tokens_max, kCompletionTokensDefault);
  const auto texts = Completion(R"("prompt":["a","b"],"n":3,"best_of":3,"logprobs":2,"echo":false)");
  ASSERT_TRUE(texts.has_value()) << texts.error().message;
  EXPECT_EQ(std::get<std::string>(texts->input.prompts.at(1)), "b");
  EXPECT_EQ(texts->input.request.top_logprobs, 2u);
  const auto tokens = Completion(R"("prompt":[1,2],"max_tokens":5)");
  EXPECT_EQ(std::get<Tokens>(tokens->input.prompts.at(0)), (Tokens{1, 2}));
  EXPECT_EQ(tokens->input.request.tokens_max, 5u);
  const auto lists = Completion(R"("prompt":[[1],[2,3]])");
  EXPECT_EQ(std::get<Tokens>(lists->input.prompts.at(1)), (Tokens{2, 3}));
}

TEST(CompletionBody, OtherFormsAreNamed) {
  const Refused cases[] = {
      {"", "prompt"},
      {R"("prompt":3)", "prompt"},
      {R"("prompt":[])", "prompt"},
      {R"("prompt":[true])", "prompt"},
      {R"("prompt":[1,"a"])", "prompt[1]"},
      {R"("prompt":["a",1])", "prompt[1]"},
      {R"("prompt":[-1])", "prompt[0]"},
      {R"("prompt":[2147483648])", "prompt[0]"},
      {R"("prompt":[[1],[]])", "prompt[1]"},
      {R"("prompt":"a","echo":true)", "echo"},
      {R"("prompt":"a","suffix":"b")", "suffix"},
      {R"("prompt":"a","best_of":2)", "best_of"},
      {R"("prompt":"a","logprobs":21)", "logprobs"},
      {R"("prompt":"a","logprobs":true)", "logprobs"},
      {R"("prompt":["a","b"],"session":"s")", "session"},
      {R"("prompt":["a","b"],"n":65)", "n"},
      {R"("prompt":"a","messages":[])", "messages"},
      {R"("prompt":"a","tools":[])", "tools"},
  };
  for (const Refused& refused : cases) EXPECT_EQ(Param(Completion(refused.more)), refused.param) << refused.more;
}

TEST(EmbeddingsBody, TextsAndTokensInTwoEncodings) {
  const auto body = Embeddings(R"("input":["a","b"],"encoding_format":"base64","user":"u")");
  ASSERT_TRUE(body.has_value()) << body.error().message;
  EXPECT_TRUE(body->base64);
  EXPECT_EQ(body->input.texts.size(), 2u);
  EXPECT_FALSE(Embeddings(R"("input":[[1,2]])")->base64);
  EXPECT_TRUE(body->input.normalize);
  EXPECT_EQ(body->input.truncation, text::TruncationPolicy::kError);
  const auto extended = Embeddings(R"("input":"a","truncation":"middle","normalize":false)");
  ASSERT_TRUE(extended.has_value()) << extended.error().message;
  EXPECT_EQ(extended->input.truncation, text::TruncationPolicy::kMiddle);
  EXPECT_FALSE(extended->input.normalize);
  EXPECT_EQ(Param(Embeddings(R"("input":"a","truncation":"left")")), "truncation");
  EXPECT_EQ(Param(Embeddings(R"("input":"a","normalize":1)")), "normalize");
  for (const std::string mixed : {R"(["a",[1]])", R"([[1],"a"])", R"(["a",null])", R"([[1],2])"}) {
    EXPECT_EQ(Param(Embeddings("\"input\":" + mixed)), "input[1]") << mixed;
  }
  EXPECT_EQ(Param(Embeddings(R"("input":"a","dimensions":3)")), "dimensions");
  EXPECT_EQ(Param(Embeddings(R"("input":"a","encoding_format":"int8")")), "encoding_format");
  EXPECT_EQ(Param(Embeddings(R"("input":{})")), "input");
  EXPECT_EQ(Param(Embeddings(R"("inputs":"a")")), "input");
}

TEST(ErrorForm, IsOpenAis) {
  EXPECT_EQ(
      ErrorBody({.code = base::Code::kNotFound, .message = "no", .reason = "model_not_found", .param = "/model"}, "r"),
      "{\"error\":{\"message\":\"model: no\",\"type\":\"invalid_request_error\",\"param\":\"model\","
      "\"code\":\"model_not_found\"}}\n");
  EXPECT_THAT(ErrorBody(base::InvalidArgument("unknown key", "/messages/0/colour"), ""),
              HasSubstr("\"message\":\"messages[0].colour: unknown key\""));
  EXPECT_THAT(ErrorBody(base::InvalidArgument("the prompt is empty", "/prompt"), ""),
              HasSubstr("\"message\":\"the prompt is empty\""));
  EXPECT_THAT(ErrorBody(base::ResourceExhausted("full"), ""),
              HasSubstr("\"type\":\"rate_limit_error\",\"param\":null,\"code\":\"resource_exhausted\""));
  EXPECT_THAT(ErrorBody(base::Unavailable("x"), ""), HasSubstr("server_error"));
  EXPECT_EQ(ParamOfPointer("/messages/0/content/2/a~1b~0c"), "messages[0].content[2].a/b~c");
  EXPECT_EQ(ParamOfPointer("x-header"), "x-header");
}

}  // namespace
}  // namespace loquat::ingress::openai
