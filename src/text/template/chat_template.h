// Turns a conversation into the prompt that a chat model was trained on, by the template that comes with the model
// (`chat_template` of tokenizer_config.json, `tokenizer.chat_template` of GGUF). The variables are those that the
// transformers library gives to a template.
//
// Immutable after Compile; any number of threads may render it at the same time.

#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "base/json_value.h"
#include "base/result.h"
#include "text/template/jinja_template.h"
#include "text/template/template_bounds.h"

namespace loquat::text {

struct ChatTemplateInput {
  base::JsonValue messages;                   // An array of {"role", "content", …}.
  base::JsonValue tools;                      // An array of tool definitions; null: the template sees none.
  bool add_generation_prompt = true;          // Ends with the opening of the assistant's turn.
  std::optional<std::string_view> bos_token;  // None: undefined in the template.
  std::optional<std::string_view> eos_token;  // Likewise.
  base::JsonValue variables;                  // An object of further ones, as "enable_thinking"; they win. Null: none.
  std::optional<std::chrono::local_seconds> now;  // For strftime_now(); none: a template that asks for it fails.
};

class ChatTemplate {
 public:
  // Errors as in JinjaTemplate::Compile.
  static base::Result<ChatTemplate> Compile(std::string_view source, const TemplateBounds& bounds = {});

  // kInvalidArgument where the messages are no array or the template refuses them, with its words; see
  // JinjaTemplate::Render.
  base::Result<std::string> Render(const ChatTemplateInput& input) const;

  // Whether the template looks at a variable of that name: "tools", "enable_thinking".
  bool Uses(std::string_view variable) const { return template_.Names(variable); }

 private:
  explicit ChatTemplate(JinjaTemplate compiled) : template_(std::move(compiled)) {}

  JinjaTemplate template_;
};

}  // namespace loquat::text
