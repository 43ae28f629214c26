#include "ingress/openai/chat_body.h"

#include <fmt/format.h>

#include <string>
#include <utility>

#include "ingress/http/json_body.h"

namespace loquat::ingress::openai {
namespace {

using base::JsonFaults;
using base::JsonField;
using base::JsonFields;
using base::JsonType;
using pipeline::ChatMessage;
using pipeline::ChatPrompt;

enum class Role : std::uint8_t { kSystem, kUser, kAssistant };
constexpr std::string_view kRoleNames[] = {"system", "user", "assistant"};

void ReadPart(const JsonField& part, JsonFaults& faults, std::string& content) {
  JsonFields fields = part.Fields();
  const JsonField type = fields.Required("type");
  const std::string_view name = type.String({});
  if (name == "text") {
    content += fields.Required("text").String({});
    fields.Done();
  } else if (!name.empty()) {
    AddUnsupported(type, faults, "parts of a message are of type \"text\"");
  }
}

void ReadContent(const JsonField& field, JsonFaults& faults, std::string& content) {
  if (field.present() && field.value().type() == JsonType::kArray) {
    field.Each({.min_items = 1, .max_items = kContentPartsMax},
               [&](const JsonField& part) { ReadPart(part, faults, content); });
  } else {
    content = field.String({});
  }
}

void ReadMessage(const JsonField& item, JsonFaults& faults, ChatMessage& message) {
  JsonFields fields = item.Fields();
  // What OpenAI calls developer is the system prompt under a newer name; templates know the older one.
  const Role role = fields.Required("role").Enum<Role>(
      {{"system", Role::kSystem}, {"developer", Role::kSystem}, {"user", Role::kUser}, {"assistant", Role::kAssistant}},
      Role::kUser);
  message.role = kRoleNames[static_cast<std::size_t>(role)];
  for (const std::string_view name : {"tool_calls", "function_call", "tool_call_id", "audio", "refusal"}) {
    Refuse(fields, name, faults);
  }
  ReadContent(fields.Required("content"), faults, message.content);
  message.name = fields.Optional("name").String({});
  fields.Done();
}

void ReadArgument(const base::JsonMember& member, const JsonField& whole, ChatPrompt& chat) {
  std::string key(member.key);
  const base::JsonValue& value = member.value;
  switch (value.type()) {
    case JsonType::kBool:
      chat.arguments.emplace_back(std::move(key), *value.AsBool());
      break;
    case JsonType::kInt:
      chat.arguments.emplace_back(std::move(key), *value.AsInt());
      break;
    case JsonType::kDouble:
      chat.arguments.emplace_back(std::move(key), *value.AsDouble());
      break;
    case JsonType::kString:
      chat.arguments.emplace_back(std::move(key), std::string(*value.AsString()));
      break;
    case JsonType::kNull:
      break;
    case JsonType::kUint:
    case JsonType::kArray:
    case JsonType::kObject:
      whole.Fault(fmt::format("{}: \"{}\" must be a boolean, a number or a string", whole.Pointer(), key));
  }
}

void ReadArguments(const JsonField& field, ChatPrompt& chat) {
  if (!field.present()) return;
  const auto object = field.value().AsObject();
  if (!object.has_value()) {
    field.Fault(fmt::format("{} must be an object", field.Pointer()));
    return;
  }
  if (object->size() > kTemplateArgumentsMax) {
    field.Fault(fmt::format("{} has more than {} members", field.Pointer(), kTemplateArgumentsMax));
    return;
  }
  for (const base::JsonMember member : *object) ReadArgument(member, field, chat);
  const auto twice = object->FindDuplicateKey();
  if (twice.found) field.Fault(fmt::format("{} has \"{}\" twice", field.Pointer(), twice.key));
}

// Older clients say max_tokens, newer ones max_completion_tokens; some say both.
void ReadLength(JsonFields& fields, engine::GenerateRequest& request) {
  const JsonField older = fields.Optional("max_tokens");
  const JsonField newer = fields.Optional("max_completion_tokens");
  const std::int64_t old_value = older.Int({.min = 1, .max = kTokensMax}, 0);
  const std::int64_t new_value = newer.Int({.min = 1, .max = kTokensMax}, 0);
  if (older.present() && newer.present() && old_value != new_value) {
    older.Fault("max_tokens contradicts max_completion_tokens; leave it out");
  }
  request.tokens_max = static_cast<std::uint32_t>(newer.present() ? new_value : old_value);
}

void ReadLogprobs(JsonFields& fields, engine::GenerateRequest& request) {
  const bool wanted = fields.Optional("logprobs").Bool(false);
  const JsonField top = fields.Optional("top_logprobs");
  const std::int64_t count = top.Int({.min = 0, .max = engine::kTopLogprobsMax}, 0);
  if (wanted) request.top_logprobs = static_cast<std::uint32_t>(count);
  if (top.present() && !wanted) top.Fault("top_logprobs needs \"logprobs\": true");
}

void ReadFormat(const JsonField& field, JsonFaults& faults) {
  if (!field.present()) return;
  JsonFields format = field.Fields();
  const JsonField type = format.Required("type");
  const std::string_view name = type.String({});
  if (name == "text") {
    format.Done();
  } else if (!name.empty()) {
    AddUnsupported(field, faults, "answers are plain text, {\"type\": \"text\"}");
  }
}

void RefuseTheRest(JsonFields& fields, JsonFaults& faults) {
  for (const std::string_view name :
       {"tools", "functions", "function_call", "parallel_tool_calls", "audio", "prediction", "web_search_options",
        "reasoning_effort", "verbosity", "moderation"}) {
    Refuse(fields, name, faults);
  }
  const JsonField choice = fields.Optional("tool_choice");
  const bool none = choice.present() && choice.value().type() == JsonType::kString && choice.String({}) == "none";
  if (choice.present() && !none) AddUnsupported(choice, faults);
  fields.Optional("modalities").Each({.min_items = 1, .max_items = 8}, [&](const JsonField& item) {
    if (item.String({}) != "text") AddUnsupported(item, faults, "answers are text");
  });
}

}  // namespace

base::Result<GenerationBody> ParseChatBody(std::string_view body, base::JsonParser& parser) {
  LOQUAT_ASSIGN(const base::JsonValue root, ParseJsonBody(body, parser));
  GenerationBody result;
  JsonFaults faults;
  JsonFields fields(root, faults);
  ChatPrompt chat;
  fields.Required("messages").Each({.min_items = 1, .max_items = kMessagesMax}, [&](const JsonField& item) {
    ReadMessage(item, faults, chat.messages.emplace_back());
  });
  ReadArguments(fields.Optional("chat_template_kwargs"), chat);
  ReadLength(fields, result.input.request);
  ReadLogprobs(fields, result.input.request);
  ReadFormat(fields.Optional("response_format"), faults);
  RefuseTheRest(fields, faults);
  ReadGeneration(fields, faults, result);
  fields.Done();
  LOQUAT_TRY(faults.status());
  result.input.prompts.emplace_back(std::move(chat));
  return result;
}

}  // namespace loquat::ingress::openai
