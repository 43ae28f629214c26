#include "context/domain_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "config/yaml.h"

namespace loquat::context {
namespace {

constexpr std::string_view kAnySlot = "any";

bool IsLocale(std::string_view name) {
  return name == "zh" || name == "en";
}

base::Error Contradiction(const std::string& file, std::string_view key, std::string what) {
  return base::InvalidArgument(fmt::format("{}: {}: {}", file, key, what), fmt::format("{}: {}", file, key));
}

base::Status CheckSlots(const DomainFile& domain, const std::string& name, const IntentEntry& intent,
                        const std::string& file) {
  const std::string key = "intents." + name;
  std::vector<std::string> names;
  for (const std::string& slot : intent.slots) {
    if (slot == kAnySlot) continue;
    const std::size_t dot = slot.find('.');
    const auto entity = domain.entities.find(slot.substr(0, dot));
    if (entity == domain.entities.end()) {
      return Contradiction(file, key, fmt::format("slot \"{}\" is of no entity listed under entities", slot));
    }
    const std::string role = dot == std::string::npos ? "" : slot.substr(dot + 1);
    if (!role.empty() && std::ranges::find(entity->second.roles, role) == entity->second.roles.end()) {
      return Contradiction(file, key, fmt::format("entity {} has no role \"{}\"", entity->first, role));
    }
    names.push_back(role.empty() ? entity->first : role);
  }
  for (const std::string& required : intent.required) {
    for (const std::string& alternative : AlternativesOf(required)) {
      if (std::ranges::find(names, alternative) == names.end()) {
        return Contradiction(file, key, fmt::format("it requires \"{}\", which is none of its slots", alternative));
      }
    }
  }
  return {};
}

base::Status CheckWording(const std::string& file, const std::string& key, const Wording& wording) {
  for (const auto& [locale, variants] : wording) {
    if (!IsLocale(locale)) return Contradiction(file, key, fmt::format("\"{}\" is no locale; allowed: zh, en", locale));
    if (variants.empty()) return Contradiction(file, key + "." + locale, "a list of one variant or more");
  }
  return {};
}

base::Status CheckNames(const DomainFile& domain, const std::string& file) {
  for (const std::string& locale : domain.locales) {
    if (!IsLocale(locale)) {
      return Contradiction(file, "locales", fmt::format("\"{}\" is not supported; allowed: zh, en", locale));
    }
  }
  for (const auto& [name, intent] : domain.intents) LOQUAT_TRY(CheckSlots(domain, name, intent, file));
  for (const auto& [name, wording] : domain.replies) {
    if (!domain.intents.contains(name)) return Contradiction(file, "replies." + name, "there is no such intent");
    LOQUAT_TRY(CheckWording(file, "replies." + name, wording));
  }
  for (const auto& [name, wording] : domain.questions) LOQUAT_TRY(CheckWording(file, "questions." + name, wording));
  return CheckWording(file, "fallback", domain.fallback);
}

}  // namespace

std::vector<std::string> AlternativesOf(std::string_view required) {
  std::vector<std::string> names;
  for (std::size_t at = 0; at <= required.size();) {
    const std::size_t end = std::min(required.find('|', at), required.size());
    names.emplace_back(required.substr(at, end - at));
    at = end + 1;
  }
  return names;
}

void Declare(config::Section<EntityEntry>& section) {
  section.Key("kind", &EntityEntry::kind).Help("Of its values: text, date, time, duration, number, money, …");
  section.Key("roles", &EntityEntry::roles).Help("What a value may be for: from, to.");
  section.Key("about", &EntityEntry::about).Help("For people.");
}

void Declare(config::Section<IntentEntry>& section) {
  section.Key("kind", &IntentEntry::kind)
      .Names({{"task", IntentKind::kTask},
              {"aside", IntentKind::kAside},
              {"inform", IntentKind::kInform},
              {"repeat", IntentKind::kRepeat},
              {"cancel", IntentKind::kCancel},
              {"restart", IntentKind::kRestart}})
      .Help("What the intent does to the dialogue.");
  section.Key("domain", &IntentEntry::domain).Help("Intents of one domain share what was said.");
  section.Key("slots", &IntentEntry::slots).Help("ENTITY or ENTITY.ROLE; the one word any: all of them.");
  section.Key("required", &IntentEntry::required)
      .Help("Names of slots, in the order in which they are asked for; A|B: either will do.");
  section.Key("about", &IntentEntry::about).Help("For people.");
}

void Declare(config::Section<DomainFile>& section) {
  section.Key("version", &DomainFile::version)
      .Match([](std::string_view version) { return version == "1"; }, "the version \"1\"")
      .Help("Of this file's form.");
  section.Key("locales", &DomainFile::locales).Help("Languages of the replies: zh, en.");
  section.Sub("entities", &DomainFile::entities).Help("What slots are made of.");
  section.Sub("intents", &DomainFile::intents).Help("What utterances want.");
  section.Key("replies", &DomainFile::replies).Help("Per intent and locale, variants of a reply.");
  section.Key("questions", &DomainFile::questions)
      .Help("Per slot, or INTENT/SLOT, and locale, variants of a question.");
  section.Key("fallback", &DomainFile::fallback).Help("Per locale, what is said when nothing was understood.");
}

base::Result<DomainFile> ParseDomainFile(std::string_view yaml, const std::string& file_name) {
  LOQUAT_ASSIGN(const config::Value value, config::ParseYaml(yaml, file_name));
  DomainFile domain;
  config::Reader reader;
  config::SchemaOf<DomainFile>().Read(value, &domain, reader);
  if (!reader.ok()) return reader.ToError();
  LOQUAT_TRY(CheckNames(domain, file_name));
  return domain;
}

}  // namespace loquat::context
