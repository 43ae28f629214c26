#include "text/template/chat_template.h"

#include <utility>
#include <vector>

namespace loquat::text {

using base::Result;

Result<ChatTemplate> ChatTemplate::Compile(std::string_view source, const TemplateBounds& bounds) {
  LOQUAT_ASSIGN(JinjaTemplate compiled, JinjaTemplate::Compile(source, bounds));
  return ChatTemplate(std::move(compiled));
}

Result<std::string> ChatTemplate::Render(const ChatTemplateInput& input) const {
  if (input.messages.type() != base::JsonType::kArray) {
    return base::InvalidArgument("the messages of a conversation must be an array", "/messages");
  }
  if (!input.tools.is_null() && input.tools.type() != base::JsonType::kArray) {
    return base::InvalidArgument("tools must be an array", "/tools");
  }
  std::vector<TemplateVariable> variables = {{"messages", input.messages},
                                             {"tools", input.tools},
                                             {"documents", base::JsonValue()},
                                             {"add_generation_prompt", input.add_generation_prompt}};
  if (input.bos_token) variables.push_back({"bos_token", *input.bos_token});
  if (input.eos_token) variables.push_back({"eos_token", *input.eos_token});
  if (!input.variables.is_null()) {
    LOQUAT_ASSIGN(const base::JsonObject members, input.variables.AsObject());
    for (const auto [name, value] : members) variables.push_back({name, value});
  }
  return template_.Render(variables, input.now);
}

}  // namespace loquat::text
