#include "context/dialogue.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace loquat::context {
namespace {

using domain::DialogueState;
using domain::FilledSlot;
using domain::Frame;
using domain::Slot;
using SlotMap = std::map<std::string, FilledSlot>;

bool IsCorrection(std::string_view text) {
  static constexpr std::array<std::string_view, 14> kMarkers = {"不对", "不是",    "错了",     "应该是", "改成",
                                                                "改为", "换成",    "no,",      "no ",    "No",
                                                                "not ", "instead", "actually", "change"};
  return std::ranges::any_of(kMarkers, [&](std::string_view marker) { return text.contains(marker); });
}

bool Takes(const IntentSpec& spec, const Slot& slot) {
  return spec.slots.empty() || std::ranges::any_of(spec.slots, [&](const SlotSpec& taken) {
           return taken.entity == slot.entity && (slot.role.empty() || taken.role == slot.role || taken.role.empty());
         });
}

// The most recently said of the candidates, if any is filled; of equals the last.
std::optional<std::string> LastSaid(const std::vector<std::string>& candidates, const SlotMap& filled) {
  std::optional<std::string> best;
  std::uint64_t best_turn = 0;
  for (const std::string& name : candidates) {
    const auto found = filled.find(name);
    if (found != filled.end() && found->second.turn >= best_turn) {
      best = name;
      best_turn = found->second.turn;
    }
  }
  return best;
}

// Under which name the task keeps this value. A bare city goes to the slot that was asked for, then, when it corrects,
// to the one said last, then to the first that is empty.
std::optional<std::string> NameFor(const IntentSpec& spec, const Slot& slot, const DialogueState& state,
                                   bool corrects) {
  if (spec.slots.empty()) return slot.name();
  std::vector<std::string> candidates;
  for (const SlotSpec& taken : spec.slots) {
    if (taken.entity != slot.entity) continue;
    if (!slot.role.empty() && taken.role == slot.role) return taken.name();
    if (slot.role.empty() || taken.role.empty()) candidates.push_back(taken.name());
  }
  if (candidates.empty()) return std::nullopt;
  if (std::ranges::find(candidates, state.asked) != candidates.end()) return state.asked;
  const auto last_said = LastSaid(candidates, state.filled);
  if (corrects && last_said) return last_said;
  for (const std::string& name : candidates) {
    if (!state.filled.contains(name)) return name;
  }
  return last_said;
}

void Fill(SlotMap& filled, const std::string& name, const Slot& slot, std::uint64_t turn) {
  if (slot.value.size() > kFilledValueBytesMax) return;
  if (!filled.contains(name) && filled.size() >= kFilledSlotsMax) {
    filled.erase(std::ranges::min_element(filled, {}, [](const auto& entry) { return entry.second.turn; }));
  }
  filled[name] = {
      .entity = slot.entity, .role = slot.role, .value = slot.value, .normalized = slot.normalized, .turn = turn};
}

// Returns how many of the frame's slots the active task took.
int Merge(const IntentSpec& spec, const Frame& frame, bool corrects, std::uint64_t turn, DialogueState& state) {
  int taken = 0;
  // Names given to this turn's own values are not given twice: "from Beijing to Shanghai" without roles fills two
  // slots.
  std::vector<std::string> used;
  for (const Slot& slot : frame.slots) {
    auto name = NameFor(spec, slot, state, corrects);
    if (name && std::ranges::find(used, *name) != used.end()) {
      DialogueState without_question = state;
      without_question.asked.clear();
      name = NameFor(spec, slot, without_question, false);
      if (name && std::ranges::find(used, *name) != used.end()) name.reset();
    }
    if (!name) continue;
    Fill(state.filled, *name, slot, turn);
    used.push_back(*name);
    ++taken;
  }
  return taken;
}

void UpdateMissing(const IntentSpec& spec, DialogueState& state) {
  state.missing.clear();
  for (const std::vector<std::string>& alternatives : spec.required) {
    const bool filled =
        std::ranges::any_of(alternatives, [&](const auto& name) { return state.filled.contains(name); });
    if (!filled) state.missing.push_back(alternatives.front());
  }
  state.asked = state.missing.empty() ? std::string() : state.missing.front();
}

DialogueStep AskOrFulfil(const IntentSpec& spec, DialogueState& state) {
  UpdateMissing(spec, state);
  return {.act = state.missing.empty() ? DialogueAct::kFulfil : DialogueAct::kAsk, .intent = state.active_intent};
}

// What another intent of the same domain can use of what was said before.
SlotMap Shared(const IntentSpec& from, const IntentSpec& to, const SlotMap& filled) {
  SlotMap shared;
  if (from.domain.empty() || from.domain != to.domain) return shared;
  for (const SlotSpec& slot : to.slots) {
    const auto found = filled.find(slot.name());
    if (found != filled.end() && found->second.entity == slot.entity) shared.insert(*found);
  }
  return shared;
}

void Suspend(DialogueState& state) {
  if (state.active_intent.empty() || state.missing.empty()) return;
  std::erase_if(state.suspended, [&](const auto& task) { return task.intent == state.active_intent; });
  if (state.suspended.size() >= kSuspendedTasksMax) state.suspended.erase(state.suspended.begin());
  state.suspended.push_back({.intent = state.active_intent, .filled = state.filled});
}

std::optional<SlotMap> TakeSuspended(std::string_view intent, DialogueState& state) {
  const auto found = std::ranges::find(state.suspended, intent, &domain::SuspendedTask::intent);
  if (found == state.suspended.end()) return std::nullopt;
  SlotMap filled = std::move(found->filled);
  state.suspended.erase(found);
  return filled;
}

void Activate(const DialogueDomain& dialogue_domain, const std::string& intent, DialogueState& state) {
  if (intent == state.active_intent) return;
  SlotMap shared = Shared(dialogue_domain.intent(state.active_intent), dialogue_domain.intent(intent), state.filled);
  Suspend(state);
  auto resumed = TakeSuspended(intent, state);
  state.filled = resumed ? std::move(*resumed) : std::move(shared);
  state.active_intent = intent;
  state.asked.clear();
}

// The task that a bare value is meant for: the active one if it takes any of the values, else the latest suspended one
// that does.
bool FindTaskForValues(const DialogueDomain& dialogue_domain, const Frame& frame, DialogueState& state) {
  const auto takes_any = [&](const std::string& intent) {
    const IntentSpec& spec = dialogue_domain.intent(intent);
    return std::ranges::any_of(frame.slots, [&](const Slot& slot) { return Takes(spec, slot); });
  };
  if (!state.active_intent.empty() && takes_any(state.active_intent)) return true;
  for (auto task = state.suspended.rbegin(); task != state.suspended.rend(); ++task) {
    if (!takes_any(task->intent)) continue;
    Activate(dialogue_domain, std::string(task->intent), state);
    return true;
  }
  return false;
}

// A question for free text ("what shall I remind you of?") is answered by the whole utterance.
bool AnswersFreeTextQuestion(const DialogueDomain& dialogue_domain, const DialogueState& state) {
  if (state.asked.empty()) return false;
  for (const SlotSpec& slot : dialogue_domain.intent(state.active_intent).slots) {
    if (slot.name() == state.asked) return dialogue_domain.entity_kind(slot.entity) == "text";
  }
  return false;
}

std::string_view TrimAnswer(std::string_view text) {
  constexpr std::string_view kEnds[] = {" ", "\t", "\n",     "\r",     ".",      ",",      "!",
                                        "?", ";",  "\u3002", "\uFF0C", "\uFF01", "\uFF1F", "\uFF1B"};
  for (bool again = true; again;) {
    again = false;
    for (const std::string_view end : kEnds) {
      if (text.starts_with(end)) text.remove_prefix(end.size()), again = true;
      if (text.ends_with(end)) text.remove_suffix(end.size()), again = true;
    }
  }
  return text;
}

bool FillAskedWithText(const DialogueDomain& dialogue_domain, std::string_view text, std::uint64_t turn,
                       DialogueState& state) {
  const std::string_view answer = TrimAnswer(text);
  if (answer.empty() || !AnswersFreeTextQuestion(dialogue_domain, state)) return false;
  Slot slot{.entity = state.asked, .value = std::string(answer)};
  for (const SlotSpec& spec : dialogue_domain.intent(state.active_intent).slots) {
    if (spec.name() == state.asked) slot.entity = spec.entity, slot.role = spec.role;
  }
  Fill(state.filled, std::string(state.asked), slot, turn);
  return true;
}

DialogueStep TakeValues(const DialogueDomain& dialogue_domain, const Frame& frame, std::string_view text,
                        std::uint64_t turn, DialogueState& state) {
  if (FindTaskForValues(dialogue_domain, frame, state)) {
    const IntentSpec& spec = dialogue_domain.intent(state.active_intent);
    Merge(spec, frame, IsCorrection(text), turn, state);
    return AskOrFulfil(spec, state);
  }
  if (FillAskedWithText(dialogue_domain, text, turn, state)) {
    return AskOrFulfil(dialogue_domain.intent(state.active_intent), state);
  }
  return {.act = DialogueAct::kFallback, .intent = {}};
}

}  // namespace

DialogueStep Advance(const DialogueDomain& dialogue_domain, const Frame& frame, std::string_view text,
                     std::uint64_t turn, DialogueState& state) {
  if (frame.intent_ranking.empty() || frame.out_of_scope) {
    return TakeValues(dialogue_domain, frame, text, turn, state);
  }
  const std::string& intent = frame.intent_ranking.front().name;
  const IntentSpec& spec = dialogue_domain.intent(intent);
  // A bare name says little of its intent: after a question for free text a doubtful task is rather the answer to it.
  const bool doubtful = frame.intent_ranking.front().confidence < kAnswerDoubt && intent != state.active_intent;
  if (spec.kind == IntentKind::kTask && doubtful && AnswersFreeTextQuestion(dialogue_domain, state)) {
    return TakeValues(dialogue_domain, frame, text, turn, state);
  }
  switch (spec.kind) {
    case IntentKind::kInform:
      return TakeValues(dialogue_domain, frame, text, turn, state);
    case IntentKind::kAside:
      return {.act = DialogueAct::kAside, .intent = intent};
    case IntentKind::kRepeat:
      return {.act = DialogueAct::kRepeat, .intent = intent};
    case IntentKind::kRestart:
      state = {};
      return {.act = DialogueAct::kRestarted, .intent = intent};
    case IntentKind::kCancel:
      state.active_intent.clear();
      state.filled.clear();
      state.missing.clear();
      state.asked.clear();
      return {.act = DialogueAct::kCancelled, .intent = intent};
    case IntentKind::kTask:
      break;
  }
  Activate(dialogue_domain, intent, state);
  Merge(spec, frame, IsCorrection(text), turn, state);
  return AskOrFulfil(spec, state);
}

}  // namespace loquat::context
