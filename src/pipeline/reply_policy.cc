#include "pipeline/reply_policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "engine/engine.h"

namespace loquat::pipeline {
namespace {

constexpr std::array<std::string_view, 6> kFieldNames = {"intent", "confidence", "locale", "slots", "missing", "reply"};

std::array<std::string_view, kFieldNames.size()> ValuesOf(const ReplyFields& fields) {
  return {fields.intent, fields.confidence, fields.locale, fields.slots, fields.missing, fields.reply};
}

// Whether the template has the field: its name between braces that are not doubled.
bool Names(std::string_view source, std::string_view field) {
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '{') continue;
    if (source.substr(i).starts_with("{{")) {
      ++i;
    } else if (source.substr(i + 1).starts_with(field) && source.substr(i + 1 + field.size()).starts_with('}')) {
      return true;
    }
  }
  return false;
}

base::Error At(std::string_view key, std::string message) {
  return base::InvalidArgument(std::move(message), std::string(key));
}

base::Status CheckStops(const std::vector<std::string>& stops) {
  if (stops.size() > kReplyStopsMax) return At("", fmt::format("at most {} stop strings", kReplyStopsMax));
  return {};
}

base::Status CheckModel(const ReplyPolicy& policy, const ModelSet& models) {
  const auto found = models.Find(policy.model);
  if (!found.has_value()) return At("/reply/model", found.error().message);
  const engine::ModelInfo& info = (*found)->info();
  if (!info.can_generate) {
    return At("/reply/model", fmt::format("{} is an encoder and generates no text; name a decoder", policy.model));
  }
  if (!(*found)->text->has_chat_template()) {
    return At("model",
              fmt::format("{} has no chat template, which tells it who said what; name a chat model", policy.model));
  }
  if (policy.tokens_max >= info.context) {
    return At("/reply/tokens_max", fmt::format("{} tokens leave no room for a prompt: a sequence of {} holds {}",
                                               policy.tokens_max, policy.model, info.context));
  }
  return {};
}

base::Status CheckIntents(const ReplyPolicy& policy, const Assistant& assistant) {
  for (const std::string& intent : policy.intents) {
    if (assistant.KnowsIntent(intent)) continue;
    return At("/reply/intents", fmt::format("the assistant {} has no intent \"{}\"", assistant.name, intent));
  }
  return {};
}

}  // namespace

void Declare(config::Section<ReplyPolicy>& section) {
  using std::chrono::milliseconds;
  section.Key("model", &ReplyPolicy::model)
      .Size(0, 128)
      .Help("One of `models`, with a chat template; empty: every reply is the domain's.");
  section.Key("confidence_min", &ReplyPolicy::confidence_min)
      .Range(0.0, 1.0)
      .Help("The model answers where the best intent is less sure than this; 0: not for that reason.");
  section.Key("out_of_scope", &ReplyPolicy::out_of_scope).Help("The model answers what is out of scope.");
  section.Key("intents", &ReplyPolicy::intents)
      .Check([](const std::vector<std::string>& intents) -> base::Status {
        if (intents.size() > kReplyIntentsMax) return At("", fmt::format("at most {} intents", kReplyIntentsMax));
        return {};
      })
      .Help("Intents that the model answers, however sure they are.");
  section.Key("instructions", &ReplyPolicy::instructions)
      .Size(0, text::kPromptTemplateBytesMax)
      .Help(
          "The system message; it may name {intent}, {confidence}, {locale}, {slots}, {missing} and {reply}, the "
          "domain's own reply. Empty: none.");
  section.Key("turns_max", &ReplyPolicy::turns_max)
      .Range(0, kReplyTurnsMax)
      .Help("Last turns of the session that the model is shown.");
  section.Key("tokens_max", &ReplyPolicy::tokens_max).Range(1, kReplyTokensMax).Help("Longest reply in tokens.");
  section.Key("temperature", &ReplyPolicy::temperature)
      .Range(0.0, engine::kTemperatureMax)
      .Help("0: always the likeliest token.");
  section.Key("top_p", &ReplyPolicy::top_p)
      .Range(0.001, 1.0)
      .Help("Tokens are drawn from the likeliest that together have this probability; 1: from all.");
  section.Key("stop", &ReplyPolicy::stop)
      .Size(1, kReplyStopBytesMax)
      .Check(CheckStops)
      .Help("A reply ends before the first of them.");
  section.Key("timeout", &ReplyPolicy::timeout)
      .Range(milliseconds(1), milliseconds(600'000))
      .Help("Longest time from the frame to the end of the reply; then the domain's reply is given.");
  section.Check([](const ReplyPolicy& policy) -> base::Status {
    if (!policy.model.empty() || (policy.intents.empty() && policy.confidence_min <= 0)) return {};
    return At("/model", "the policy asks for replies by a model but names none; set it to one of `models`");
  });
}

base::Result<std::shared_ptr<const ReplyRule>> ReplyRule::Create(const ReplyPolicy& policy, const ModelSet& models,
                                                                 const Assistant& assistant) {
  if (policy.model.empty()) return nullptr;
  LOQUAT_TRY(CheckModel(policy, models));
  LOQUAT_TRY(CheckIntents(policy, assistant));
  std::shared_ptr<ReplyRule> rule(new ReplyRule(policy));
  LOQUAT_TRY(rule->CompileInstructions());
  return rule;
}

base::Status ReplyRule::CompileInstructions() {
  std::vector<std::string_view> names;
  for (std::size_t i = 0; i < kFieldNames.size(); ++i) {
    if (!Names(policy_.instructions, kFieldNames[i])) continue;
    fields_.push_back(i);
    names.push_back(kFieldNames[i]);
  }
  auto compiled = text::PromptTemplate::Compile(policy_.instructions, names);
  if (!compiled.has_value()) {
    // It knows only the fields that the text uses.
    const std::string& message = compiled.error().message;
    return At("/reply/instructions",
              fmt::format("{}; the fields are {{{}}}", message.substr(0, message.find("; there are")),
                          fmt::join(kFieldNames, "}, {")));
  }
  instructions_ = *std::move(compiled);
  return {};
}

std::string ReplyRule::Why(const domain::Frame& frame, const context::DialogueStep& step) const {
  // Without a word there is nothing to answer; without a look at the intent there is no reason to.
  if (frame.intent_ranking.empty()) return {};
  const domain::IntentScore& best = frame.intent_ranking.front();
  const bool listed = std::ranges::find(policy_.intents, best.name) != policy_.intents.end();
  if (listed && !frame.out_of_scope) return fmt::format("the policy answers \"{}\" by a model", best.name);
  const bool goes_on = step.act == context::DialogueAct::kAsk || step.act == context::DialogueAct::kFulfil;
  if (goes_on && (frame.out_of_scope || step.intent != best.name)) return {};
  if (frame.out_of_scope && policy_.out_of_scope) return "out of scope";
  if (best.confidence >= policy_.confidence_min) return {};
  return fmt::format("confidence {:.2f} < {:.2f}", best.confidence, policy_.confidence_min);
}

std::string ReplyRule::Instructions(const ReplyFields& fields) const {
  const auto all = ValuesOf(fields);
  std::vector<std::string_view> values;
  values.reserve(fields_.size());
  for (const std::size_t field : fields_) values.push_back(all[field]);
  std::string text;
  instructions_.Render(values, text);
  return text;
}

}  // namespace loquat::pipeline
