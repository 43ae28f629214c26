// What the assistant says: reply templates per intent and locale, the questions that ask for a missing slot, and what
// is said when nothing was understood. The words come from a model folder's domain.yml.
//
// Immutable once built; safe from any thread.

#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "context/dialogue.h"
#include "context/domain_file.h"
#include "domain/session.h"
#include "response/reply_template.h"

namespace loquat::response {

inline constexpr std::size_t kReplyVariantsMax = 32;

class Replies {
 public:
  Replies() = default;

  // Errors name the file, the key and what is wrong with the template.
  static base::Result<Replies> FromDomain(const context::DomainFile& domain, const std::string& file_name);

  // The reply to one step of a dialogue, appended to `out`; nothing when the domain has no words for it. Of several
  // variants the turn's number picks one, so that the same conversation gives the same words.
  void Compose(const context::DialogueStep& step, const domain::DialogueState& state, domain::Locale locale,
               std::uint64_t turn, std::string_view last_reply, std::string& out) const;

 private:
  using Variants = std::vector<ReplyTemplate>;
  using PerLocale = std::array<Variants, 2>;  // Chinese, English.
  using ByName = std::map<std::string, PerLocale, std::less<>>;

  static base::Status Add(const std::string& key, const context::Wording& wording, const std::string& file_name,
                          PerLocale& variants);
  bool Say(const ByName& table, std::string_view name, domain::Locale locale, const domain::DialogueState& state,
           std::uint64_t turn, std::string& out) const;
  void Ask(std::string_view intent, const domain::DialogueState& state, domain::Locale locale, std::uint64_t turn,
           std::string& out) const;

  ByName replies_;    // By intent.
  ByName questions_;  // By "intent/slot", else by slot.
  ByName fallback_;   // Under the one name "fallback".
};

}  // namespace loquat::response
