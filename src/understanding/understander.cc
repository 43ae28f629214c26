#include "understanding/understander.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <numeric>
#include <optional>

#include "kernels/isa.h"
#include "text/segment.h"
#include "understanding/intent_format.h"
#include "understanding/understander_parts.h"

namespace loquat::understanding {
namespace {

// The time since the last call, in microseconds.
class Lap {
 public:
  float Next() {
    const auto now = std::chrono::steady_clock::now();
    const float us = std::chrono::duration<float, std::micro>(now - last_).count();
    last_ = now;
    return us;
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

base::Error TooLong(std::uint32_t tokens, std::uint32_t tokens_max) {
  base::Error error = base::InvalidArgument(
      fmt::format("the text has {} tokens, {} are allowed: shorten it or choose a truncation", tokens, tokens_max));
  error.reason = "text_too_long";
  return error;
}

domain::Locale DetectLocale(std::span<const text::Token> tokens) {
  // A Chinese character is a token, an English word is one too but says about as much as two characters.
  constexpr std::uint32_t kWordWeight = 2;
  std::uint32_t chinese = 0;
  std::uint32_t english = 0;
  bool chinese_first = false;
  for (const text::Token& token : tokens) {
    if (token.kind != text::TokenKind::kHan && token.kind != text::TokenKind::kWord) continue;
    const bool han = token.kind == text::TokenKind::kHan;
    if (chinese + english == 0) chinese_first = han;
    (han ? chinese : english) += han ? 1 : kWordWeight;
  }
  if (chinese == english) return chinese_first ? domain::Locale::kChinese : domain::Locale::kEnglish;
  return chinese > english ? domain::Locale::kChinese : domain::Locale::kEnglish;
}

}  // namespace

base::Status Understander::Parts::Tokenize(std::string_view text, const UnderstandOptions& options,
                                           Workspace& workspace, domain::Frame& frame) const {
  const std::uint32_t limit = options.tokens_max;
  std::vector<text::Token>& tokens = workspace.tokens;
  workspace.gap = 0;
  const bool from_start = options.truncation == Truncation::kHead || options.truncation == Truncation::kError;
  const std::uint32_t stored_max = from_start ? limit : std::max(limit, text::kSegmentTokensMax);
  const text::SegmentResult result = text::Segment(text, tokens, {.tokens_max = stored_max});
  if (result.tokens_total <= limit) return {};
  if (options.truncation == Truncation::kError) return TooLong(result.tokens_total, limit);
  frame.truncated_tokens = result.tokens_total - limit;
  if (from_start) return {};
  if (result.tokens_left_out > 0) return TooLong(result.tokens_total, stored_max);
  const std::size_t head = options.truncation == Truncation::kMiddle ? (limit + 1) / 2 : 0;
  const auto cut = tokens.begin() + static_cast<std::ptrdiff_t>(head);
  tokens.erase(cut, cut + frame.truncated_tokens);
  workspace.gap = head;
  return {};
}

base::Status Understander::Parts::RankIntents(std::string_view text, const UnderstandOptions& options,
                                              Workspace& workspace, domain::Frame& frame,
                                              UtteranceMemory* memory) const {
  IntentWorkspace& scored = workspace.intent;
  std::span<const text::Token> tokens = workspace.tokens;
  if (options.intent_filter != nullptr) {
    LOQUAT_TRY(options.intent_filter->Run(text, domain::LocaleName(frame.locale), tokens, workspace.filtered));
    tokens = workspace.filtered.tokens;
  }
  intent->Score(text, tokens, scored, memory == nullptr ? nullptr : &memory->intents);
  const std::span<const float> p = scored.probabilities;
  std::vector<std::uint32_t>& order = workspace.order;
  order.resize(p.size());
  std::iota(order.begin(), order.end(), 0U);
  const std::size_t listed = options.ranking_max == 0 ? p.size() : std::min<std::size_t>(options.ranking_max, p.size());
  std::ranges::partial_sort(order, order.begin() + static_cast<std::ptrdiff_t>(listed),
                            [&](std::uint32_t a, std::uint32_t b) { return p[a] != p[b] ? p[a] > p[b] : a < b; });
  frame.out_of_scope = scored.out_of_scope_probability >= intent->threshold();
  // An intent is right only if any is: what the verdict takes away, every intent loses.
  const float in_scope = 1.0F - scored.out_of_scope_probability;
  frame.intent_ranking.resize(listed);
  for (std::size_t i = 0; i < listed; ++i) {
    frame.intent_ranking[i].name = folder.manifest().intents[order[i]];
    frame.intent_ranking[i].confidence = p[order[i]] * in_scope;
  }
  return {};
}

void Understander::Parts::TagSlots(std::string_view text, Workspace& workspace, domain::Frame& frame,
                                   UtteranceMemory* memory) const {
  const std::span<const text::Token> tokens = workspace.tokens;
  // The intent tells likely slots from unlikely ones, so that it is ranked for the slots' sake, too.
  const bool known = !frame.intent_ranking.empty() && !frame.out_of_scope;
  const std::string_view likely = known ? std::string_view(frame.intent_ranking[0].name) : std::string_view();
  if (workspace.gap == 0) {
    if (memory == nullptr || tokens.size() > kRememberedTokensMax) {
      if (memory != nullptr) SlotTagger::Forget(*memory->tagger);
      slots->Tag(text, tokens, likely, *workspace.slots, frame.slots);
    } else {
      slots->Tag(text, tokens, likely, *workspace.slots, frame.slots, memory->tagger.get(), memory->kept);
    }
    return;
  }
  if (memory != nullptr) SlotTagger::Forget(*memory->tagger);
  // The tagger reads unbroken text: each side of the cut by itself.
  slots->Tag(text, tokens.first(workspace.gap), likely, *workspace.slots, frame.slots);
  slots->Tag(text, tokens.subspan(workspace.gap), likely, *workspace.slots, workspace.more_slots);
  std::ranges::move(workspace.more_slots, std::back_inserter(frame.slots));
}

std::unique_ptr<UtteranceMemory> Understander::Workspace::TakeMemory() {
  if (spare_.empty()) return std::make_unique<UtteranceMemory>();
  std::unique_ptr<UtteranceMemory> memory = std::move(spare_.back());
  spare_.pop_back();
  return memory;
}

void Understander::Workspace::GiveMemory(std::unique_ptr<UtteranceMemory> memory) {
  if (spare_.size() < kSpareMemories && memory->bytes() <= kSpareMemoryBytes) spare_.push_back(std::move(memory));
}

IntentSigns Understander::Parts::SignsOf(const Workspace& workspace) const {
  if (!workspace.ranked) return {};
  const std::span<const float> p = workspace.intent.probabilities;
  const auto best = static_cast<std::uint32_t>(std::ranges::max_element(p) - p.begin());
  float second = 0;
  for (std::size_t k = 0; k < p.size(); ++k) {
    if (k != best) second = std::max(second, p[k]);
  }
  return {.known = true,
          .best = best,
          .best_share = p[best],
          .second_share = second,
          .out_of_scope = workspace.intent.out_of_scope_probability,
          .threshold = intent->threshold()};
}

Understander::Understander(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Understander::~Understander() = default;

base::Result<std::shared_ptr<const Understander>> Understander::Load(const std::string& path,
                                                                     const UnderstanderOptions& options) {
  LOQUAT_ASSIGN(ModelFolder folder, ModelFolder::Open(path, {.verify_hashes = options.verify_hashes}));
  return FromFolder(std::move(folder), options);
}

base::Result<std::shared_ptr<const Understander>> Understander::FromFolder(ModelFolder folder,
                                                                           const UnderstanderOptions& options) {
  LOQUAT_ASSIGN(const kernels::Isa isa, kernels::ChooseIsa(options.force_isa));
  std::unique_ptr<Parts> parts(new Parts{.folder = std::move(folder), .intent = {}, .slots = {}, .stability = {}});
  if (parts->folder.HasSection(kIntentHeaderSection)) {
    LOQUAT_ASSIGN(parts->intent, IntentModel::Load(parts->folder, kernels::RowKernelsFor(isa)));
  } else if (!parts->folder.manifest().intents.empty()) {
    return parts->folder.Broken(kIntentHeaderSection, "the manifest lists intents but their section is missing");
  }
  if (parts->folder.HasSection(kSlotSection)) {
    LOQUAT_ASSIGN(const auto section, parts->folder.Section(kSlotSection));
    LOQUAT_ASSIGN(parts->slots, SlotTagger::Load(section));
  }
  if (parts->folder.HasSection(kStabilityHeaderSection)) {
    LOQUAT_ASSIGN(parts->stability, StabilityModel::Load(parts->folder));
  }
  return std::shared_ptr<const Understander>(new Understander(std::move(parts)));
}

std::unique_ptr<Understander::Workspace, void (*)(Understander::Workspace*)> Understander::NewWorkspace() {
  return {new Workspace, [](Workspace* workspace) { delete workspace; }};
}

bool Understander::knows_stability() const {
  return parts_->stability.has_value();
}

const ModelManifest& Understander::manifest() const {
  return parts_->folder.manifest();
}

base::Status Understander::Understand(const domain::Utterance& utterance, const UnderstandOptions& options,
                                      Workspace& workspace, domain::Frame& frame) const {
  return parts_->Understand(utterance, options, workspace, frame, nullptr);
}

base::Status Understander::Parts::Understand(const domain::Utterance& utterance, const UnderstandOptions& options,
                                             Workspace& workspace, domain::Frame& frame,
                                             UtteranceMemory* memory) const {
  if (options.tokens_max == 0) return base::InvalidArgument("tokens_max is 0: allow at least one token", "/tokens_max");
  // Not frame.Clear(): the ranking's strings keep their memory.
  frame.out_of_scope = false;
  frame.slots.clear();
  frame.truncated_tokens = 0;
  frame.timings = {};
  Lap lap;
  LOQUAT_TRY(Tokenize(utterance.text, options, workspace, frame));
  if (memory != nullptr) memory->Read(utterance.text, workspace.tokens);
  frame.locale = utterance.locale == domain::Locale::kAuto ? DetectLocale(workspace.tokens) : utterance.locale;
  frame.timings.tokenize = lap.Next();
  const bool tag = options.want_slots && slots != nullptr;
  const bool rank = (options.want_intent || tag) && intent.has_value();
  workspace.ranked = rank && !workspace.tokens.empty();
  if (workspace.ranked) {
    LOQUAT_TRY(RankIntents(utterance.text, options, workspace, frame, memory));
    frame.timings.intent = lap.Next();
  } else {
    frame.intent_ranking.clear();
    frame.out_of_scope = rank;
  }
  if (tag && !workspace.tokens.empty()) {
    TagSlots(utterance.text, workspace, frame, memory);
    frame.timings.slots = lap.Next();
  } else if (memory != nullptr) {
    SlotTagger::Forget(*memory->tagger);
  }
  if (!options.want_intent) {
    frame.intent_ranking.clear();
    frame.out_of_scope = false;
  }
  frame.timings.total = frame.timings.tokenize + frame.timings.intent + frame.timings.slots;
  return {};
}

}  // namespace loquat::understanding
