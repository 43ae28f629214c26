#include "response/action_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/strings.h"
#include "net/http_text.h"
#include "net/url.h"
#include "response/replies.h"

namespace loquat::response {
namespace {

using Keys = std::vector<std::string>;

constexpr std::string_view kKnownFields[] = {"text",         "locale",     "intent", "session.id",
                                             "session.turn", "request.id", "tenant", "saga.id"};
// Set by us, or about the connection and the framing of the message (RFC 9110 section 7.6.1, RFC 9112 section 6).
constexpr std::string_view kReservedHeaders[] = {
    "host",    "content-length", "transfer-encoding", "connection",      "upgrade",      "te",
    "trailer", "expect",         "keep-alive",        "idempotency-key", "content-type", "traceparent"};

bool IsName(std::string_view name) {
  return !name.empty() && name.size() <= kActionNameBytesMax && name != "slots" && name != "session" &&
         name != "saga" && name != "request" &&
         std::ranges::all_of(name, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; });
}

// RFC 6901 section 3: empty, or parts that begin with '/'; '~' is followed by 0 or 1.
bool IsPointer(std::string_view pointer) {
  if (!pointer.empty() && pointer.front() != '/') return false;
  for (std::size_t i = 0; i < pointer.size(); ++i) {
    if (pointer[i] == '~' && (i + 1 == pointer.size() || (pointer[i + 1] != '0' && pointer[i + 1] != '1')))
      return false;
  }
  return true;
}

Keys With(Keys keys, std::string_view key) {
  keys.emplace_back(key);
  return keys;
}

}  // namespace

struct ActionSet::Compiler {
  const ParsedActions& parsed;
  ActionSet& set;
  const bool has_header_values = true;
  // Of the intent that is being compiled.
  std::set<std::string, std::less<>> results = {};  // "seat.number" of the steps so far.
  std::set<std::string, std::less<>> slots = {};
  std::string undone = {};  // "seat." of the step whose undo is compiled.

  base::Status CheckFields(const ActionTemplate& compiled, const Keys& at) {
    for (const ActionTemplate::Field& field : compiled.fields()) {
      const std::string_view name = field.name;
      if (name.starts_with("slots.")) {
        std::string_view slot = name.substr(6);
        if (slot.ends_with(".normalized")) slot.remove_suffix(11);
        slots.emplace(slot);
        continue;
      }
      if (!undone.empty() && name.starts_with(undone) && !name.ends_with(".key") && !field.optional) {
        return parsed.At(
            at, fmt::format("a step is also undone where its answer never came: write {{{}?}}, or use {{{}key}}", name,
                            undone));
      }
      if (std::ranges::find(kKnownFields, name) != std::end(kKnownFields) || results.contains(name)) continue;
      return parsed.At(at, fmt::format("{{{}}} is nothing that is known here; known: slots.NAME, {}, and the results "
                                       "of the steps before (STEP.RESULT, STEP.key)",
                                       name, fmt::join(kKnownFields, ", ")));
    }
    return {};
  }

  base::Result<ActionTemplate> Template(std::string_view source, const Keys& at) {
    auto compiled = ActionTemplate::Compile(source);
    if (!compiled.has_value()) return parsed.At(at, compiled.error().message);
    LOQUAT_TRY(CheckFields(*compiled, at));
    return compiled;
  }

  base::Result<std::vector<std::pair<std::string, ActionTemplate>>> Templates(
      const std::map<std::string, std::string>& sources, const Keys& at) {
    std::vector<std::pair<std::string, ActionTemplate>> templates;
    if (sources.size() > kMappedFieldsMax) return parsed.At(at, fmt::format("at most {}", kMappedFieldsMax));
    for (const auto& [name, source] : sources) {
      LOQUAT_ASSIGN(ActionTemplate compiled, Template(source, With(at, name)));
      templates.emplace_back(name, std::move(compiled));
    }
    return templates;
  }

  base::Status CheckUrl(const ActionTemplate& url, const Keys& at) {
    const std::string_view prefix = url.Prefix();
    const std::size_t scheme = prefix.find("://");
    const std::size_t path = scheme == std::string_view::npos ? scheme : prefix.find('/', scheme + 3);
    if (path == std::string_view::npos) {
      return parsed.At(at, "an absolute URL whose scheme, host and first '/' have no field in them");
    }
    const auto host = net::ParseHttpUrl(prefix.substr(0, path + 1));
    if (!host.has_value()) return parsed.At(at, host.error().message);
    return {};
  }

  base::Status CheckHeaders(const ActionEntry& action, const Keys& at) {
    if (action.headers.size() > kMappedFieldsMax) return parsed.At(at, fmt::format("at most {}", kMappedFieldsMax));
    for (const auto& [name, value] : action.headers) {
      const std::string lower = base::ToLowerAscii(name);
      const bool token = !name.empty() && std::ranges::all_of(name, net::IsTokenChar);
      if (!token || std::ranges::find(kReservedHeaders, lower) != std::end(kReservedHeaders)) {
        return parsed.At(With(at, name), "this header may not be set");
      }
      if (value.size() > kHeaderBytesMax || !std::ranges::all_of(value, net::IsFieldChar)) {
        return parsed.At(With(at, name),
                         fmt::format("a header's value has at most {} printable bytes", kHeaderBytesMax));
      }
    }
    return {};
  }

  base::Status CheckAction(const std::string& name, const ActionEntry& action) {
    const Keys at = {"actions", name};
    if (!IsName(name)) {
      return parsed.At(at,
                       fmt::format("a name has 1 to {} lower-case letters, digits and _, and is not slots, session, "
                                   "saga or request",
                                   kActionNameBytesMax));
    }
    LOQUAT_TRY(CheckHeaders(action, With(at, "headers")));
    if (action.take.size() > kMappedFieldsMax) return parsed.At(With(at, "take"), "too many results");
    for (const auto& [result, pointer] : action.take) {
      if (!IsName(result) || result == "key") {
        return parsed.At(With(With(at, "take"), result),
                         "a result's name has lower-case letters, digits and _, and is not key");
      }
      if (!IsPointer(pointer)) {
        return parsed.At(With(With(at, "take"), result), "a JSON pointer (RFC 6901) as \"/order/number\"");
      }
    }
    if (action.method == "GET" && !action.body.empty()) return parsed.At(With(at, "body"), "a GET has no body");
    set.headers_[name] = {action.headers.begin(), action.headers.end()};
    return {};
  }

  base::Result<CallDefinition> Call(const std::string& name, const Keys& from) {
    const auto found = parsed.file.actions.find(name);
    if (found == parsed.file.actions.end()) return parsed.At(from, fmt::format("there is no action \"{}\"", name));
    const ActionEntry& action = found->second;
    const Keys at = {"actions", name};
    CallDefinition call{.action = name,
                        .method = action.method,
                        .url = {},
                        .query = {},
                        .body = {},
                        .headers = {action.headers.begin(), action.headers.end()},
                        .has_header_values = has_header_values || action.headers.empty(),
                        .timeout = action.timeout,
                        .backoff_first = action.backoff_first,
                        .backoff_max = action.backoff_max,
                        .retry = action.retry,
                        .attempts_max = action.attempts_max,
                        .success = action.success,
                        .take = {action.take.begin(), action.take.end()},
                        .answer_bytes_max = action.answer_bytes_max};
    LOQUAT_ASSIGN(call.url, Template(action.url, With(at, "url")));
    LOQUAT_TRY(CheckUrl(call.url, With(at, "url")));
    LOQUAT_ASSIGN(call.query, Templates(action.query, With(at, "query")));
    LOQUAT_ASSIGN(call.body, Templates(action.body, With(at, "body")));
    return call;
  }

  base::Result<StepDefinition> Step(const StepEntry& entry, const Keys& at) {
    StepDefinition step{.name = entry.name.empty() ? entry.action : entry.name, .call = {}, .undo = nullptr};
    if (!IsName(step.name)) return parsed.At(With(at, "name"), "a name has lower-case letters, digits and _");
    if (!results.insert(step.name + ".key").second) {
      return parsed.At(With(at, "name"), fmt::format("two steps are called \"{}\"; name one of them", step.name));
    }
    LOQUAT_ASSIGN(step.call, Call(entry.action, With(at, "action")));
    for (const auto& [result, pointer] : step.call.take) results.insert(step.name + "." + result);
    if (!entry.undo.empty()) {
      undone = step.name + ".";
      LOQUAT_ASSIGN(CallDefinition undo, Call(entry.undo, With(at, "undo")));
      undone.clear();
      step.undo = std::make_unique<const CallDefinition>(std::move(undo));
    }
    return step;
  }

  base::Status Words(const context::Wording& wording, const Keys& at, bool needed, WordsPerLocale& words) {
    for (const auto& [locale, sources] : wording) {
      if (locale != "zh" && locale != "en") return parsed.At(With(at, locale), "no locale; allowed: zh, en");
      if (sources.size() > kReplyVariantsMax) {
        return parsed.At(With(at, locale), fmt::format("at most {} variants", kReplyVariantsMax));
      }
      for (std::size_t i = 0; i < sources.size(); ++i) {
        const Keys variant = With(With(at, locale), std::to_string(i));
        auto compiled = ReplyTemplate::Compile(sources[i]);
        if (!compiled.has_value()) return parsed.At(variant, compiled.error().message);
        for (const std::string_view name : compiled->SlotNames()) {
          if (!name.contains('.') || name.starts_with("slots.") || results.contains(name) || name == "saga.id")
            continue;
          return parsed.At(variant, fmt::format("{{{}}} is no result of a step", name));
        }
        words[locale == "en" ? 1 : 0].push_back(std::move(*compiled));
      }
    }
    if (needed && words[0].empty() && words[1].empty()) return parsed.At(at, "one variant or more, in zh or en");
    return {};
  }

  base::Status Intent(const std::string& name, const ActionIntentEntry& entry) {
    const Keys at = {"intents", name};
    results.clear();
    slots.clear();
    if (entry.steps.empty() || entry.steps.size() > kStepsMax) {
      return parsed.At(With(at, "steps"), fmt::format("1 to {} steps", kStepsMax));
    }
    auto saga = std::make_shared<SagaDefinition>();
    saga->intent = name;
    saga->timeout = entry.timeout;
    ActionSet::Intent intent;
    ActionsFile alone{.actions = {}, .intents = {{name, entry}}};
    for (std::size_t i = 0; i < entry.steps.size(); ++i) {
      LOQUAT_ASSIGN(StepDefinition step, Step(entry.steps[i], With(With(at, "steps"), std::to_string(i))));
      for (const std::string& action : {entry.steps[i].action, entry.steps[i].undo}) {
        if (!action.empty()) alone.actions[action] = parsed.file.actions.at(action);
      }
      saga->steps.push_back(std::move(step));
    }
    LOQUAT_ASSIGN(saga->keep, Templates(entry.keep, With(at, "keep")));
    for (const auto& [slot, source] : entry.keep) {
      if (!IsName(slot))
        return parsed.At(With(With(at, "keep"), slot), "a slot's name has lower-case letters, digits and _");
    }
    LOQUAT_TRY(Words(entry.replies, With(at, "replies"), false, intent.words.replies));
    LOQUAT_TRY(Words(entry.failed, With(at, "failed"), true, intent.words.failed));
    LOQUAT_TRY(Words(entry.pending, With(at, "pending"), true, intent.words.pending));
    for (const StepDefinition& step : saga->steps) {
      LOQUAT_TRY(Words(parsed.file.actions.at(step.call.action).failed, {"actions", step.call.action, "failed"}, false,
                       intent.words.failed_step[step.name]));
    }
    saga->text = WriteActionsFile(alone);
    intent.saga = std::move(saga);
    intent.slots.assign(slots.begin(), slots.end());
    intent.place = parsed.At(at, "").param;
    set.intents_.emplace(name, std::move(intent));
    return {};
  }

  base::Status Run() {
    if (parsed.file.actions.size() > kActionsMax) {
      return parsed.At({"actions"}, fmt::format("at most {} actions", kActionsMax));
    }
    if (parsed.file.intents.size() > kActionIntentsMax) {
      return parsed.At({"intents"}, fmt::format("at most {} intents", kActionIntentsMax));
    }
    for (const auto& [name, action] : parsed.file.actions) LOQUAT_TRY(CheckAction(name, action));
    for (const auto& [name, intent] : parsed.file.intents) LOQUAT_TRY(Intent(name, intent));
    return {};
  }
};

base::Result<std::shared_ptr<const ActionSet>> ActionSet::Compile(std::string_view yaml, const std::string& file_name) {
  LOQUAT_ASSIGN(const ParsedActions parsed, ParseActionsFile(yaml, file_name));
  auto set = std::make_shared<ActionSet>();
  LOQUAT_TRY((Compiler{.parsed = parsed, .set = *set}.Run()));
  return std::shared_ptr<const ActionSet>(std::move(set));
}

base::Result<std::shared_ptr<const SagaDefinition>> ActionSet::CompileSaga(std::string_view text) {
  LOQUAT_ASSIGN(const ParsedActions parsed, ParseActionsFile(text, "the journal"));
  ActionSet set;
  LOQUAT_TRY((Compiler{.parsed = parsed, .set = set, .has_header_values = false}.Run()));
  if (set.intents_.size() != 1) return base::DataLoss("a saga's definition has one intent");
  return set.intents_.begin()->second.saga;
}

const ActionSet::Intent* ActionSet::Find(std::string_view intent) const {
  const auto found = intents_.find(intent);
  return found == intents_.end() ? nullptr : &found->second;
}

const std::vector<std::pair<std::string, std::string>>* ActionSet::HeadersOf(std::string_view action) const {
  const auto found = headers_.find(action);
  return found == headers_.end() ? nullptr : &found->second;
}

std::string SayWords(const WordsPerLocale& words, domain::Locale locale, std::uint64_t turn,
                     const ReplyTemplate::SlotLookup& lookup) {
  const std::size_t wanted = locale == domain::Locale::kEnglish ? 1 : 0;
  const auto& variants = words[wanted].empty() ? words[1 - wanted] : words[wanted];
  std::string out;
  if (!variants.empty()) variants[turn % variants.size()].Render(lookup, out);
  return out;
}

}  // namespace loquat::response
