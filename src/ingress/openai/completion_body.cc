#include "ingress/openai/completion_body.h"

#include <fmt/format.h>

#include <limits>
#include <utility>

#include "ingress/http/json_body.h"

namespace loquat::ingress::openai {
namespace {

using base::JsonFaults;
using base::JsonField;
using base::JsonFields;
using base::JsonType;
using engine::TokenId;

constexpr base::IntLimits kTokenLimits{.min = 0, .max = std::numeric_limits<TokenId>::max()};
constexpr base::ArrayLimits kTokensOfPrompt{.min_items = 1, .max_items = kPromptTokensMax};

void FaultOfForm(const JsonField& field) {
  field.Fault(fmt::format("{} must be a string, a list of strings, a list of token ids, or a list of such lists",
                          field.Pointer()));
}

// Faults on the first item that is of another kind than the first one, and says whether there is one.
bool FaultOfMixture(const JsonField& field, JsonType first) {
  bool mixed = false;
  field.Each({}, [&](const JsonField& item) {
    if (mixed || item.value().type() == first) return;
    mixed = true;
    item.Fault(
        fmt::format("{} is of another kind than the item before it; {} is either a list of strings, or of token "
                    "ids, or of lists of token ids",
                    item.Pointer(), field.Pointer()));
  });
  return mixed;
}

std::vector<TokenId> ReadTokens(const JsonField& field) {
  std::vector<TokenId> tokens;
  field.Each(kTokensOfPrompt,
             [&](const JsonField& item) { tokens.push_back(static_cast<TokenId>(item.Int(kTokenLimits))); });
  return tokens;
}

void ReadLogprobs(const JsonField& field, engine::GenerateRequest& request) {
  if (!field.present()) return;
  request.top_logprobs = static_cast<std::uint32_t>(field.Int({.min = 0, .max = engine::kTopLogprobsMax}));
}

void RefuseTheRest(JsonFields& fields, std::uint32_t choices, JsonFaults& faults) {
  const JsonField echo = fields.Optional("echo");
  if (echo.Bool(false)) AddUnsupported(echo, faults, "put the prompt before the answer yourself");
  const JsonField suffix = fields.Optional("suffix");
  if (suffix.present()) AddUnsupported(suffix, faults);
  const JsonField best_of = fields.Optional("best_of");
  if (best_of.present() && best_of.Int({.min = 1, .max = kChoicesMax}, choices) != choices) {
    AddUnsupported(best_of, faults, "every choice that is made is sent, so it can only equal n");
  }
}

}  // namespace

void ReadTexts(const JsonField& field, std::size_t texts_max, std::vector<TextOrTokens>& texts) {
  if (!field.present()) return;  // A fault already.
  const JsonType type = field.value().type();
  if (type == JsonType::kString) {
    texts.emplace_back(std::string(field.String({})));
    return;
  }
  if (type != JsonType::kArray) return FaultOfForm(field);
  const base::JsonArray items = *field.value().AsArray();
  if (items.empty()) {
    field.Fault(fmt::format("{} is empty; give at least one", field.Pointer()));
    return;
  }
  const JsonType first = (*items.begin()).type();
  if (first == JsonType::kInt) {
    texts.emplace_back(ReadTokens(field));
  } else if (FaultOfMixture(field, first)) {
    return;
  } else if (first == JsonType::kString) {
    field.Each({.max_items = texts_max},
               [&](const JsonField& item) { texts.emplace_back(std::string(item.String({}))); });
  } else if (first == JsonType::kArray) {
    field.Each({.max_items = texts_max}, [&](const JsonField& item) { texts.emplace_back(ReadTokens(item)); });
  } else {
    FaultOfForm(field);
  }
}

base::Result<GenerationBody> ParseCompletionBody(std::string_view body, base::JsonParser& parser) {
  LOQUAT_ASSIGN(const base::JsonValue root, ParseJsonBody(body, parser));
  GenerationBody result;
  engine::GenerateRequest& request = result.input.request;
  JsonFaults faults;
  JsonFields fields(root, faults);
  std::vector<TextOrTokens> texts;
  ReadTexts(fields.Required("prompt"), kPromptsMax, texts);
  request.tokens_max = static_cast<std::uint32_t>(
      fields.Optional("max_tokens").Int({.min = 1, .max = kTokensMax}, kCompletionTokensDefault));
  ReadLogprobs(fields.Optional("logprobs"), request);
  ReadGeneration(fields, faults, result);
  RefuseTheRest(fields, request.choices, faults);
  if (!request.session.empty() && texts.size() > 1) {
    fields.Optional("session").Fault("session contradicts several prompts: one goes on in a session");
  }
  const std::size_t answers = texts.size() * request.choices;
  if (answers > kChoicesMax) {
    fields.Optional("n").Fault(fmt::format("n times the number of prompts is {}; at most {}", answers, kChoicesMax));
  }
  fields.Done();
  LOQUAT_TRY(faults.status());
  for (TextOrTokens& text : texts) {
    std::visit([&](auto& form) { result.input.prompts.emplace_back(std::move(form)); }, text);
  }
  return result;
}

}  // namespace loquat::ingress::openai
