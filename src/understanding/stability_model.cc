#include "understanding/stability_model.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/hash.h"
#include "understanding/deterministic_math.h"
#include "understanding/slot_features.h"
#include "understanding/turn_end.h"

namespace loquat::understanding {
namespace {

constexpr float kOddsMax = 12;      // Beyond it nothing more is learnt.
constexpr float kWeightMax = 1e6F;  // Sums of signs times weights stay finite.

float LogOdds(float probability) {
  const float p = std::clamp(probability, 0.0F, 1.0F);
  return std::clamp(DeterministicLog(p) - DeterministicLog(1.0F - p), -kOddsMax, kOddsMax);
}

bool IsWord(const text::Token& token) {
  return token.kind != text::TokenKind::kPunctuation && token.kind != text::TokenKind::kSymbol &&
         token.kind != text::TokenKind::kOther && token.kind != text::TokenKind::kInvalid;
}

// Whether more letters may join the token; a Chinese character stands for itself.
bool MayGoOn(const text::Token& token) {
  return token.kind == text::TokenKind::kWord || token.kind == text::TokenKind::kNumber ||
         token.kind == text::TokenKind::kHangul;
}

float LocaleWeight(const text::Token& token) {
  if (token.kind == text::TokenKind::kHan) return 1;
  return token.kind == text::TokenKind::kWord ? -2.0F : 0.0F;
}

template <typename Cell>
base::Status ReadTable(const ModelFolder& folder, std::string_view name, std::span<const Cell>& cells) {
  LOQUAT_ASSIGN(cells, folder.Array<Cell>(name));
  if (cells.size() > kStabilityCellsMax) return folder.Broken(name, "it has more cells than a model may");
  if (!cells.empty() && !std::has_single_bit(cells.size())) return folder.Broken(name, "its size is no power of two");
  return {};
}

base::Status CheckHeader(const ModelFolder& folder, const StabilityHeader& header) {
  if (header.version > kStabilityVersion) {
    return base::FailedPrecondition("model '" + folder.path() +
                                    "': its stability part is of a newer version: update the program or train again");
  }
  const auto broken = [&] {
    return folder.Broken(kStabilityHeaderSection, "its numbers contradict each other or the manifest");
  };
  if (header.version != kStabilityVersion || header.intents != folder.manifest().intents.size()) return broken();
  const auto sane = [](float value) { return std::abs(value) <= kWeightMax; };  // False for what is no number.
  const auto finite = [](float value) { return std::isfinite(value); };
  for (const FieldRisk& field : header.fields) {
    if (!std::ranges::all_of(field.weights, sane) || !std::ranges::all_of(field.scores, finite) ||
        !std::ranges::is_sorted(field.scores)) {
      return broken();
    }
  }
  if (!std::ranges::all_of(header.turn, sane)) return broken();
  return {};
}

}  // namespace

std::uint64_t ExtendPrefix(std::uint64_t prefix, std::uint64_t word) {
  return base::HashMix(base::HashCombine(prefix, word), 0x91);
}

void PrefixWords::Read(std::string_view text, std::span<const text::Token> tokens) {
  prefix = last = last_pair = 0;
  words = 0;
  in_word = !tokens.empty() && tokens.back().byte_end == text.size() && MayGoOn(tokens.back());
  float margin = 0;
  std::uint32_t count = 0;
  for (const text::Token& token : tokens) {
    count += IsWord(token) ? 1 : 0;
    margin += LocaleWeight(token);
  }
  locale_margin = std::abs(margin);
  const std::uint32_t finished = count - (in_word ? 1 : 0);
  const bool whole_prefix = finished > 0 && finished <= kPrefixWordsMax;
  std::uint64_t hash = kPrefixSeed;
  for (const text::Token& token : tokens) {
    if (!IsWord(token)) continue;
    ++words;
    const bool in_prefix = whole_prefix && words <= finished;
    if (!in_prefix && words + 1 < count) continue;
    const std::uint64_t word = MatchingHash(token.Of(text), scratch);
    if (in_prefix) hash = ExtendPrefix(hash, word);
    last_pair = last;
    last = word;
  }
  if (whole_prefix) prefix = hash;
  if (last != 0) last_pair = ExtendPrefix(last_pair, last);
}

base::Result<StabilityModel> StabilityModel::Load(const ModelFolder& folder) {
  StabilityModel model;
  LOQUAT_ASSIGN(const auto header, folder.Array<StabilityHeader>(kStabilityHeaderSection));
  if (header.size() != 1) return folder.Broken(kStabilityHeaderSection, "its size is wrong");
  model.header_ = header[0];
  LOQUAT_TRY(CheckHeader(folder, model.header_));
  LOQUAT_TRY(ReadTable(folder, kStabilityPrefixesSection, model.prefixes_));
  LOQUAT_TRY(ReadTable(folder, kStabilityWordsSection, model.words_));
  return model;
}

void StabilityModel::ReadSigns(const PrefixWords& words, const IntentSigns& intent, Signs& signs) const {
  signs = {};
  const auto set = [&signs](Sign sign, float value) { signs[static_cast<std::size_t>(sign)] = value; };
  set(Sign::kBias, 1);
  set(Sign::kLength, DeterministicLog(1.0F + static_cast<float>(words.words)));
  set(Sign::kFirstWord, words.words <= 1 ? 1.0F : 0.0F);
  set(Sign::kInWord, words.in_word ? 1.0F : 0.0F);
  set(Sign::kLocaleMargin, DeterministicLog(1.0F + words.locale_margin));
  if (!intent.known) return;
  set(Sign::kBestOdds, LogOdds(intent.best_share));
  set(Sign::kMargin, std::min(DeterministicLog(intent.best_share) - DeterministicLog(intent.second_share), kOddsMax));
  const float verdict = LogOdds(intent.out_of_scope) - LogOdds(intent.threshold);
  set(Sign::kVerdict, verdict);
  set(Sign::kVerdictSide, std::abs(verdict));
  set(Sign::kHeld, DeterministicLog(1.0F + static_cast<float>(intent.held)));
  const PrefixCell* cell = words.prefix == 0 ? nullptr : FindCell(prefixes_, words.prefix);
  if (cell == nullptr) return;
  constexpr float kSeenStep = 0.0866434F;  // ln(2) / 8.
  const float seen = DeterministicExp(kSeenStep * static_cast<float>(cell->seen));
  set(Sign::kSeen, DeterministicLog(1.0F + seen));
  if (cell->intent != intent.best) {
    set(Sign::kSeenDisagree, 1);
    return;
  }
  const float with = seen * static_cast<float>(cell->share) / 255.0F;
  set(Sign::kSeenAgree, DeterministicLog(with + 0.5F) - DeterministicLog(std::max(seen - with, 0.0F) + 0.5F));
}

void StabilityModel::ReadSlotSigns(const domain::Slot& slot, std::span<const text::Token> tokens, Signs& signs) {
  std::uint32_t after = 0;
  for (std::size_t t = tokens.size(); t-- > 0 && after < 2 && tokens[t].byte_begin >= slot.span.byte_end;) ++after;
  signs[static_cast<std::size_t>(Sign::kSlotOdds)] = LogOdds(slot.confidence);
  signs[static_cast<std::size_t>(Sign::kSlotAtEnd)] = after == 0 ? 1.0F : 0.0F;
  signs[static_cast<std::size_t>(Sign::kSlotNearEnd)] = after == 1 ? 1.0F : 0.0F;
}

void StabilityModel::ReadTurnSigns(const PrefixWords& words, const IntentSigns& intent, std::string_view text,
                                   std::span<const domain::Slot> slots, TurnSigns& signs) const {
  signs = {};
  const auto set = [&signs](TurnSign sign, float value) { signs[static_cast<std::size_t>(sign)] = value; };
  constexpr float kOddsStep = 1.0F / 256;
  const TurnEvidence evidence = EvidenceOf(text, slots);
  const WordEndCell* last = words.last == 0 ? nullptr : FindCell(words_, words.last);
  const WordEndCell* pair = words.last == 0 ? nullptr : FindCell(words_, words.last_pair);
  set(TurnSign::kBias, 1);
  if (last != nullptr) set(TurnSign::kLastWord, kOddsStep * static_cast<float>(last->odds));
  if (pair == nullptr) pair = last;
  if (pair != nullptr) set(TurnSign::kLastPair, kOddsStep * static_cast<float>(pair->odds));
  set(TurnSign::kLength, DeterministicLog(1.0F + static_cast<float>(words.words)));
  set(TurnSign::kFirstWord, words.words <= 1 ? 1.0F : 0.0F);
  if (intent.known) set(TurnSign::kBestOdds, LogOdds(intent.best_share));
  if (evidence.slot_at_end) {
    set(TurnSign::kSlotAtEnd, 1);
    set(TurnSign::kSlotEndOdds, LogOdds(slots.back().confidence));
  }
  set(TurnSign::kSlots, DeterministicLog(1.0F + static_cast<float>(slots.size())));
  set(TurnSign::kUnfinished, evidence.ending == domain::TextEnding::kUnfinished ? 1.0F : 0.0F);
}

float StabilityModel::Score(StableField field, const Signs& signs) const {
  const FieldRisk& risk = header_.fields[static_cast<std::size_t>(field)];
  float score = 0;
  for (std::size_t i = 0; i < kSigns; ++i) score += risk.weights[i] * signs[i];
  return score;
}

float StabilityModel::Risk(StableField field, float score) const {
  const FieldRisk& risk = header_.fields[static_cast<std::size_t>(field)];
  float least = 1;
  for (std::size_t level = 0; level < kRiskLevels.size() && score >= risk.scores[level]; ++level) {
    least = kRiskLevels[level];
  }
  return least;
}

float StabilityModel::WholeLogit(const TurnSigns& signs) const {
  float logit = 0;
  for (std::size_t i = 0; i < kTurnSigns; ++i) logit += header_.turn[i] * signs[i];
  return logit;
}

}  // namespace loquat::understanding
