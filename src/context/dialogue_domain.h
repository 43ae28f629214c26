// What a dialogue has to know of the labels: which slots an intent takes, which of them it cannot do without, and which
// intents steer the conversation itself. Without a domain.yml every intent is a task that takes any slot and needs
// none.
//
// Immutable once built; safe from any thread.

#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "context/domain_file.h"

namespace loquat::context {

// A slot that an intent takes: an entity, perhaps in a role.
struct SlotSpec {
  std::string entity;
  std::string role;
  const std::string& name() const { return role.empty() ? entity : role; }
};

struct IntentSpec {
  IntentKind kind = IntentKind::kTask;
  std::string domain;
  std::vector<SlotSpec> slots;                     // Empty for a task: any.
  std::vector<std::vector<std::string>> required;  // One name of each; the first is the one that is asked for.
};

class DialogueDomain {
 public:
  DialogueDomain() = default;
  explicit DialogueDomain(const DomainFile& file);

  // A plain task for an intent that the domain does not name.
  const IntentSpec& intent(std::string_view name) const;
  bool HasIntent(std::string_view name) const { return intents_.contains(name); }
  // The kind that the domain gives an entity's values ("text", "date"); empty when it names none.
  std::string_view entity_kind(std::string_view entity) const;
  const std::map<std::string, std::string, std::less<>>& entity_kinds() const { return kinds_; }

  void AddIntent(std::string name, IntentSpec spec) { intents_.insert_or_assign(std::move(name), std::move(spec)); }
  void AddEntity(std::string name, std::string kind) { kinds_.insert_or_assign(std::move(name), std::move(kind)); }

 private:
  std::map<std::string, IntentSpec, std::less<>> intents_;
  std::map<std::string, std::string, std::less<>> kinds_;
};

}  // namespace loquat::context
