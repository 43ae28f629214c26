#include "text/template/chat_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>

namespace loquat::text {
namespace {

// Keeps what the views of an input point at.
struct Conversation {
  base::JsonParser messages_parser, tools_parser, variables_parser;
  ChatTemplateInput input;

  explicit Conversation(std::string_view messages, std::string_view tools = "null",
                        std::string_view variables = "null") {
    input.messages = messages_parser.Parse(messages).value();
    input.tools = tools_parser.Parse(tools).value();
    input.variables = variables_parser.Parse(variables).value();
    input.bos_token = "<s>";
    input.eos_token = "</s>";
  }
};

ChatTemplate Compiled(std::string_view source) {
  auto compiled = ChatTemplate::Compile(source);
  EXPECT_TRUE(compiled.has_value()) << compiled.error().message;
  return std::move(compiled).value();
}

std::string Source(const std::string& name) {
  std::ifstream in("tests/support/chat_templates/" + name + ".jinja");
  EXPECT_TRUE(in.good()) << name;
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(ChatTemplate, GivesWhatTransformersGives) {
  const ChatTemplate chat = Compiled(
      "{{ bos_token }}{{ messages|length }}{{ tools is none }}{{ documents is none }}{{ add_generation_prompt }}"
      "{{ eos_token }}{{ enable_thinking is defined }}");
  EXPECT_EQ(chat.Render(Conversation("[]").input).value(), "<s>0TrueTrueTrue</s>False");
  Conversation other("[]", "[]", R"({"enable_thinking": false, "eos_token": "E"})");
  other.input.add_generation_prompt = false;
  other.input.bos_token.reset();
  EXPECT_EQ(chat.Render(other.input).value(), "0FalseTrueFalseETrue");
}

TEST(ChatTemplate, ChatMl) {
  EXPECT_EQ(
      Compiled(Source("chatml")).Render(Conversation(R"([{"role": "user", "content": "你好"}])").input).value(),
      "<|im_start|>system\nYou answer briefly.<|im_end|>\n<|im_start|>user\n你好<|im_end|>\n<|im_start|>assistant\n");
}

TEST(ChatTemplate, ThinkingOfFormerTurnsIsLeftOut) {
  Conversation talk(R"([{"role": "user", "content": "a"}, {"role": "assistant", "content": "<think>\nx\n</think>\n\nb"},
                        {"role": "user", "content": "c"}])",
                    "null", R"({"enable_thinking": false})");
  EXPECT_EQ(Compiled(Source("qwen3_thinking")).Render(talk.input).value(),
            "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nb<|im_end|>\n<|im_start|>user\nc<|im_end|>\n"
            "<|im_start|>assistant\n<think>\n\n</think>\n\n");
}

TEST(ChatTemplate, ToolCallsAsJson) {
  Conversation talk(R"([{"role": "user", "content": "t?"}, {"role": "assistant", "content": "", "tool_calls":
                        [{"function": {"name": "f", "arguments": {"城市": "北京", "n": 1.0}}}]}, {"role": "tool", "content": "ok"}])");
  EXPECT_EQ(Compiled(Source("qwen25")).Render(talk.input).value(),
            "<|im_start|>system\nYou help people.<|im_end|>\n<|im_start|>user\nt?<|im_end|>\n<|im_start|>assistant\n"
            "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"城市\": \"北京\", \"n\": 1.0}}\n</tool_call><|im_end|>\n"
            "<|im_start|>user\n<tool_response>\nok\n</tool_response><|im_end|>\n<|im_start|>assistant\n");
}

TEST(ChatTemplate, SaysWhyATemplateRefuses) {
  const auto refused =
      Compiled(Source("mistral_tools")).Render(Conversation(R"([{"role": "assistant", "content": "x"}])").input);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().reason, "template_raised");
  EXPECT_THAT(refused.error().message, testing::HasSubstr("must alternate"));
}

TEST(ChatTemplate, RefusesWhatIsNoConversation) {
  const ChatTemplate chat = Compiled("x");
  EXPECT_EQ(chat.Render(Conversation("{}").input).error().param, "/messages");
  EXPECT_EQ(chat.Render(Conversation("[]", "{}").input).error().param, "/tools");
  EXPECT_FALSE(chat.Render(Conversation("[]", "null", "[]").input).has_value());
}

TEST(ChatTemplate, KnowsWhichVariablesItLooksAt) {
  const ChatTemplate chat = Compiled("tools {{ enable_thinking }} {{ 'documents' }}");
  EXPECT_TRUE(chat.Uses("enable_thinking"));
  EXPECT_FALSE(chat.Uses("tools"));
  EXPECT_FALSE(chat.Uses("documents"));
}

}  // namespace
}  // namespace loquat::text
