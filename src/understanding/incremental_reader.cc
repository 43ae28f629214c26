#include "understanding/incremental_reader.h"

#include <algorithm>

#include "base/hash.h"
#include "base/utf8.h"
#include "understanding/understander_parts.h"
#include "understanding/utterance_memory.h"

namespace loquat::understanding {
namespace {

// The verdict and the locale get this share of the risk: nothing waits for them, and all promises together are to be
// taken back rarely.
constexpr float kOtherFieldsShare = 0.4F;

bool Same(const std::weak_ptr<const Understander>& a, const std::weak_ptr<const Understander>& b) {
  return !a.owner_before(b) && !b.owner_before(a);
}

// Marks the slots, each by its own promise.
void MarkSlots(const StabilityModel& model, const Understander::Workspace& workspace, const domain::Frame& frame,
               float risk_max, Signs signs, UtteranceMemory& memory, domain::FrameStability& stability) {
  const auto is_here = [&](std::uint64_t key) {
    return std::ranges::any_of(frame.slots, [&](const domain::Slot& slot) { return SlotKey(slot) == key; });
  };
  const auto gone = std::ranges::remove_if(memory.slots, [&](std::uint64_t key) { return !is_here(key); });
  memory.slots_broken = memory.slots_broken || !gone.empty();
  memory.slots.erase(gone.begin(), gone.end());
  for (std::size_t s = 0; s < frame.slots.size(); ++s) {
    const std::uint64_t key = SlotKey(frame.slots[s]);
    bool stable = std::ranges::find(memory.slots, key) != memory.slots.end();
    if (!stable && !memory.slots_broken) {
      StabilityModel::ReadSlotSigns(frame.slots[s], workspace.tokens, signs);
      stable = model.Risk(StableField::kSlot, model.Score(StableField::kSlot, signs)) <= risk_max;
      if (stable) memory.slots.push_back(key);
    }
    stability.slots[s] = stable;
  }
}

// Reads the signs of the text just understood and marks the frame.
void Mark(const Understander& understander, const domain::Utterance& utterance, const UnderstandOptions& options,
          Understander::Workspace& workspace, const domain::Frame& frame, UtteranceMemory& memory,
          domain::FrameStability& stability, TurnEvidence& evidence) {
  stability.Clear();
  stability.slots.resize(frame.slots.size(), utterance.final);
  evidence = EvidenceOf(utterance.text, frame.slots);
  const auto& model = understander.parts().stability;
  if (model.has_value() && !workspace.tokens.empty()) {
    workspace.words.Read(utterance.text, workspace.tokens);
    IntentSigns intent = understander.parts().SignsOf(workspace);
    const auto characters = static_cast<std::uint32_t>(base::CountCodePoints(utterance.text));
    if (intent.known) {
      if (!memory.ranked || memory.best != intent.best) memory.held_from = characters;
      memory.held_from = std::min(memory.held_from, characters);
      memory.best = intent.best;
      intent.held = characters - memory.held_from;
    }
    memory.ranked = intent.known;
    const float others_max = kOtherFieldsShare * options.early_risk_max;
    Signs signs;
    model->ReadSigns(workspace.words, intent, signs);
    const auto risk = [&](StableField field) { return model->Risk(field, model->Score(field, signs)); };
    if (intent.known) {
      stability.intent_risk = risk(StableField::kIntent);
      stability.intent = memory.intent.Keep(intent.best, stability.intent_risk, options.early_risk_max);
      stability.out_of_scope =
          memory.out_of_scope.Keep(frame.out_of_scope ? 1 : 0, risk(StableField::kOutOfScope), others_max);
    }
    stability.locale =
        memory.locale.Keep(static_cast<std::uint32_t>(frame.locale), risk(StableField::kLocale), others_max);
    MarkSlots(*model, workspace, frame, options.early_risk_max, signs, memory, stability);
    TurnSigns turn;
    model->ReadTurnSigns(workspace.words, intent, utterance.text, frame.slots, turn);
    evidence.learned = true;
    evidence.whole_logit = model->WholeLogit(turn);
  }
  if (!utterance.final) return;
  stability.intent = stability.out_of_scope = stability.locale = true;
  stability.slots.assign(frame.slots.size(), true);
  stability.intent_risk = 0;
}

}  // namespace

bool Promise::Keep(std::uint32_t now, float risk, float risk_max) {
  if (made && value != now) {
    made = false;
    broken = true;
  }
  if (!made && !broken && risk <= risk_max) {
    made = true;
    value = now;
  }
  return made;
}

void UtteranceMemory::Clear() {
  reader.reset();
  text.clear();
  tokens.clear();
  kept = 0;
  intents.keys.clear();
  intents.rows.clear();
  SlotTagger::Forget(*tagger);
  ClearPromises();
}

void UtteranceMemory::Read(std::string_view new_text, std::span<const text::Token> new_tokens) {
  const auto shared = static_cast<std::uint32_t>(std::ranges::mismatch(text, new_text).in1 - text.begin());
  if (shared == 0) ClearPromises();  // Nothing is left of the text that they were made for.
  const std::size_t tokens_max = std::min(tokens.size(), new_tokens.size());
  kept = 0;
  while (kept < tokens_max && tokens[kept] == new_tokens[kept] && tokens[kept].byte_end <= shared) ++kept;
  text = new_text;
  tokens.assign(new_tokens.begin(), new_tokens.end());
}

void UtteranceMemory::ClearPromises() {
  intent = out_of_scope = locale = {};
  slots.clear();
  slots_broken = ranked = false;
  best = held_from = 0;
}

std::size_t UtteranceMemory::bytes() const {
  return sizeof *this + text.capacity() + tokens.capacity() * sizeof(text::Token) +
         intents.keys.capacity() * sizeof(std::uint64_t) +
         (intents.rows.capacity() + intents.next.capacity()) * sizeof(std::uint32_t) + SlotTagger::BytesOf(*tagger) +
         slots.capacity() * sizeof(std::uint64_t);
}

std::uint64_t SlotKey(const domain::Slot& slot) {
  std::uint64_t key = base::HashCombine(slot.span.byte_begin, slot.span.byte_end);
  for (const std::string* part : {&slot.entity, &slot.role, &slot.group, &slot.value}) {
    key = base::HashCombine(key, base::Hash64(*part));
  }
  return key;
}

IncrementalReader::IncrementalReader() = default;
IncrementalReader::~IncrementalReader() = default;
IncrementalReader::IncrementalReader(IncrementalReader&&) noexcept = default;
IncrementalReader& IncrementalReader::operator=(IncrementalReader&&) noexcept = default;

base::Status IncrementalReader::Update(const Understander& understander, const domain::Utterance& utterance,
                                       const UnderstandOptions& options, Understander::Workspace& workspace,
                                       domain::Frame& frame, domain::FrameStability& stability) {
  if (memory_ == nullptr) memory_ = workspace.TakeMemory();
  UtteranceMemory& memory = *memory_;
  auto reader = understander.weak_from_this();
  if (!Same(memory.reader, reader)) {
    memory.Clear();
    memory.reader = std::move(reader);
  }
  const base::Status read = understander.parts().Understand(utterance, options, workspace, frame, &memory);
  if (!read.has_value()) {
    memory.Clear();
    stability.Clear();
    evidence_ = {};
    return read;
  }
  Mark(understander, utterance, options, workspace, frame, memory, stability, evidence_);
  return {};
}

domain::TurnEnd IncrementalReader::JudgeEnd(std::uint32_t pause_ms, const TurnEndOptions& options) const {
  TurnEvidence evidence = evidence_;
  evidence.pause_ms = pause_ms;
  return JudgeTurnEnd(evidence, options);
}

void IncrementalReader::Reset() {
  if (memory_ != nullptr) memory_->Clear();
  evidence_ = {};
}

void IncrementalReader::Reset(Understander::Workspace& workspace) {
  Reset();
  if (memory_ != nullptr) workspace.GiveMemory(std::move(memory_));
}

std::size_t IncrementalReader::bytes() const {
  return sizeof *this + (memory_ == nullptr ? 0 : memory_->bytes());
}

}  // namespace loquat::understanding
