#include "response/replies.h"

#include <fmt/format.h>

#include <utility>

namespace loquat::response {
namespace {

constexpr std::string_view kFallbackName = "fallback";

std::size_t IndexOf(domain::Locale locale) {
  return locale == domain::Locale::kEnglish ? 1 : 0;
}

// Latin sentences need a space between them, Chinese ones do not.
void Join(std::string& out) {
  if (!out.empty() && static_cast<unsigned char>(out.back()) < 0x80) out += ' ';
}

}  // namespace

base::Status Replies::Add(const std::string& key, const context::Wording& wording, const std::string& file_name,
                          PerLocale& variants) {
  for (const auto& [locale, sources] : wording) {
    if (sources.size() > kReplyVariantsMax) {
      return base::InvalidArgument(
          fmt::format("{}: {}.{}: at most {} variants", file_name, key, locale, kReplyVariantsMax));
    }
    for (const std::string& source : sources) {
      auto compiled = ReplyTemplate::Compile(source);
      if (!compiled.has_value()) {
        return base::InvalidArgument(fmt::format("{}: {}.{}: {}", file_name, key, locale, compiled.error().message));
      }
      variants[locale == "en" ? 1 : 0].push_back(std::move(*compiled));
    }
  }
  return {};
}

base::Result<Replies> Replies::FromDomain(const context::DomainFile& domain, const std::string& file_name) {
  Replies result;
  for (const auto& [name, wording] : domain.replies) {
    LOQUAT_TRY(Add("replies." + name, wording, file_name, result.replies_[name]));
  }
  for (const auto& [name, wording] : domain.questions) {
    LOQUAT_TRY(Add("questions." + name, wording, file_name, result.questions_[name]));
  }
  LOQUAT_TRY(Add(std::string(kFallbackName), domain.fallback, file_name, result.fallback_[std::string(kFallbackName)]));
  return result;
}

bool Replies::Say(const ByName& table, std::string_view name, domain::Locale locale, const domain::DialogueState& state,
                  std::uint64_t turn, std::string& out) const {
  const auto found = table.find(name);
  if (found == table.end()) return false;
  const Variants& wanted = found->second[IndexOf(locale)];
  // Words in the other language are better than none.
  const Variants& variants = wanted.empty() ? found->second[1 - IndexOf(locale)] : wanted;
  if (variants.empty()) return false;
  Join(out);
  variants[turn % variants.size()].Render(
      [&](std::string_view slot) {
        const auto filled = state.filled.find(std::string(slot));
        return filled == state.filled.end() ? std::string_view() : std::string_view(filled->second.value);
      },
      out);
  return true;
}

void Replies::Ask(std::string_view intent, const domain::DialogueState& state, domain::Locale locale,
                  std::uint64_t turn, std::string& out) const {
  if (state.asked.empty()) return;
  if (Say(questions_, fmt::format("{}/{}", intent, state.asked), locale, state, turn, out)) return;
  Say(questions_, state.asked, locale, state, turn, out);
}

void Replies::Compose(const context::DialogueStep& step, const domain::DialogueState& state, domain::Locale locale,
                      std::uint64_t turn, std::string_view last_reply, std::string& out) const {
  using context::DialogueAct;
  switch (step.act) {
    case DialogueAct::kAsk:
      Ask(state.active_intent, state, locale, turn, out);
      return;
    case DialogueAct::kRepeat:
      if (!last_reply.empty()) {
        out += last_reply;
        return;
      }
      [[fallthrough]];
    case DialogueAct::kFulfil:
    case DialogueAct::kCancelled:
    case DialogueAct::kRestarted:
      Say(replies_, step.intent, locale, state, turn, out);
      return;
    case DialogueAct::kAside:
      Say(replies_, step.intent, locale, state, turn, out);
      Ask(state.active_intent, state, locale, turn, out);  // Back to what was being done.
      return;
    case DialogueAct::kFallback:
      Say(fallback_, kFallbackName, locale, state, turn, out);
      Ask(state.active_intent, state, locale, turn, out);
      return;
  }
}

}  // namespace loquat::response
