#include "response/action_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "config/yaml.h"

namespace loquat::response {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

bool IsMethod(std::string_view method) {
  constexpr std::string_view kMethods[] = {"GET", "POST", "PUT", "PATCH", "DELETE"};
  return std::ranges::find(kMethods, method) != std::end(kMethods);
}

// The file's values in YAML's flow style (YAML 1.2.2, section 7.4).
void WriteFlow(const config::Value& value, std::string& out) {
  switch (value.kind) {
    case config::Kind::kNull:
      out += "null";
      return;
    case config::Kind::kScalar:
      out += value.style == config::Style::kQuoted ? config::QuoteYaml(value.text) : value.text;
      return;
    case config::Kind::kList:
      out += '[';
      for (std::size_t i = 0; i < value.items.size(); ++i) {
        if (i != 0) out += ", ";
        WriteFlow(value.items[i], out);
      }
      out += ']';
      return;
    case config::Kind::kMap:
      out += '{';
      for (std::size_t i = 0; i < value.members.size(); ++i) {
        if (i != 0) out += ", ";
        out += config::QuoteYaml(value.members[i].key) + ": ";
        WriteFlow(value.members[i].value, out);
      }
      out += '}';
      return;
  }
}

}  // namespace

void Declare(config::Section<ActionEntry>& section) {
  section.Key("url", &ActionEntry::url)
      .Size(1, kUrlTemplateBytesMax)
      .Required()
      .Help("http or https; fields behind the host.");
  section.Key("method", &ActionEntry::method).Match(IsMethod, "GET, POST, PUT, PATCH, DELETE").Help("Of HTTP.");
  section.Key("headers", &ActionEntry::headers).Secret().Help("Sent with each call; the values are secrets.");
  section.Key("query", &ActionEntry::query).Help("Parameters added to the URL.");
  section.Key("body", &ActionEntry::body).Help("Members of the JSON object that is sent.");
  section.Key("timeout", &ActionEntry::timeout).Range(milliseconds(1), milliseconds(600'000)).Help("Of one call.");
  section.Key("retry", &ActionEntry::retry)
      .Names({{"never", RetryClass::kNever}, {"idempotent", RetryClass::kIdempotent}, {"always", RetryClass::kAlways}})
      .Help("After which failures the call is made again.");
  section.Key("attempts_max", &ActionEntry::attempts_max).Range(1, kCallAttemptsMax).Help("Calls, the first included.");
  section.Key("backoff_first", &ActionEntry::backoff_first)
      .Range(milliseconds(1), milliseconds(hours(1)))
      .Help("The first wait is a random time up to this; the limit doubles.");
  section.Key("backoff_max", &ActionEntry::backoff_max)
      .Range(milliseconds(1), milliseconds(hours(1)))
      .Help("The limit grows no further.");
  section.Key("success", &ActionEntry::success).Range(200, 599).Help("Statuses that mean success; empty: every 2xx.");
  section.Key("take", &ActionEntry::take).Help("Results: name to JSON pointer.");
  section.Key("answer_bytes_max", &ActionEntry::answer_bytes_max)
      .Bytes()
      .Range(1, kActionAnswerBytesMax)
      .Help("A longer answer is a failure.");
  section.Key("failed", &ActionEntry::failed).Help("What is said when this call fails for good.");
  section.Check([](const ActionEntry& action) -> base::Status {
    if (action.backoff_first <= action.backoff_max) return {};
    return base::InvalidArgument("must not be longer than backoff_max", "/backoff_first");
  });
}

void Declare(config::Section<StepEntry>& section) {
  section.Key("name", &StepEntry::name).Size(0, kActionNameBytesMax).Help("Of its results; empty: the action's.");
  section.Key("action", &StepEntry::action).Required().Help("One of `actions`.");
  section.Key("undo", &StepEntry::undo).Help("The action that takes it back; empty: nothing has to be.");
}

void Declare(config::Section<ActionIntentEntry>& section) {
  section.Sub("steps", &ActionIntentEntry::steps).Required().Help("Calls, one after the other.");
  section.Key("timeout", &ActionIntentEntry::timeout)
      .Range(milliseconds(1), milliseconds(hours(24)))
      .Help("Of all steps together; then what was done is undone.");
  section.Key("keep", &ActionIntentEntry::keep).Help("What the session remembers: slot name to template.");
  section.Key("replies", &ActionIntentEntry::replies).Help("Per locale, what is said when all is done.");
  section.Key("failed", &ActionIntentEntry::failed).Required().Help("Per locale, what is said when it failed.");
  section.Key("pending", &ActionIntentEntry::pending).Required().Help("Per locale, what is said while it goes on.");
}

void Declare(config::Section<ActionsFile>& section) {
  section.Key("version", &ActionsFile::version)
      .Match([](std::string_view version) { return version == "1"; }, "the version \"1\"")
      .Help("Of this file's form.");
  section.Sub("actions", &ActionsFile::actions).Help("Calls of other services, by name.");
  section.Sub("intents", &ActionsFile::intents).Help("What an intent does once its slots are filled.");
}

base::Error ParsedActions::At(const std::vector<std::string>& keys, std::string_view what) const {
  const config::Value* value = &root;
  std::string path;
  for (const std::string& key : keys) {
    path += path.empty() ? key : "." + key;
    const config::Value* next = nullptr;
    if (value->kind == config::Kind::kMap) {
      const config::Member* member = value->Find(key);
      if (member != nullptr) next = &member->value;
    } else if (value->kind == config::Kind::kList) {
      const auto index = base::ParseInt<std::size_t>(key);
      if (index && *index < value->items.size()) next = &value->items[*index];
    }
    if (next != nullptr) value = next;
  }
  const std::string place = value->place.Text();
  return base::InvalidArgument(fmt::format("{}: {}: {}", place, path, what), place);
}

base::Result<ParsedActions> ParseActionsFile(std::string_view yaml, const std::string& file_name) {
  ParsedActions parsed;
  LOQUAT_ASSIGN(parsed.root, config::ParseYaml(yaml, file_name));
  config::Reader reader;
  config::SchemaOf<ActionsFile>().Read(parsed.root, &parsed.file, reader);
  if (!reader.ok()) return reader.ToError();
  return parsed;
}

std::string WriteActionsFile(const ActionsFile& file) {
  ActionsFile bare = file;
  for (auto& [name, action] : bare.actions) {
    for (auto& [header, value] : action.headers) value.clear();
  }
  std::string out;
  WriteFlow(config::SchemaOf<ActionsFile>().Write(&bare), out);
  return out;
}

}  // namespace loquat::response
