#include "context/dialogue_domain.h"

#include <utility>

namespace loquat::context {

DialogueDomain::DialogueDomain(const DomainFile& file) {
  for (const auto& [name, entity] : file.entities) AddEntity(name, entity.kind);
  for (const auto& [name, entry] : file.intents) {
    IntentSpec spec{.kind = entry.kind, .domain = entry.domain};
    for (const std::string& required : entry.required) spec.required.push_back(AlternativesOf(required));
    for (const std::string& slot : entry.slots) {
      if (slot == "any") continue;
      const std::size_t dot = slot.find('.');
      spec.slots.push_back(
          {.entity = slot.substr(0, dot), .role = dot == std::string::npos ? "" : slot.substr(dot + 1)});
    }
    AddIntent(name, std::move(spec));
  }
}

const IntentSpec& DialogueDomain::intent(std::string_view name) const {
  static const IntentSpec kUnknown;
  const auto found = intents_.find(name);
  return found == intents_.end() ? kUnknown : found->second;
}

std::string_view DialogueDomain::entity_kind(std::string_view entity) const {
  const auto found = kinds_.find(entity);
  return found == kinds_.end() ? std::string_view() : std::string_view(found->second);
}

}  // namespace loquat::context
