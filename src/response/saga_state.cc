#include "response/saga_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace loquat::response {

Saga::Saga(SagaAccepted accepted, std::shared_ptr<const SagaDefinition> definition)
    : accepted_(std::move(accepted)),
      definition_(std::move(definition)),
      steps_(definition_->steps.size()),
      fields_(accepted_.fields) {
  accepted_.definition.clear();  // Many sagas share one, and that has its text.
  fields_["saga.id"] = {.text = accepted_.id};
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    fields_[definition_->steps[i].name + ".key"] = {.text = KeyOf(i, false)};
  }
}

std::string Saga::KeyOf(std::size_t step, bool undo) const {
  return fmt::format("{}-{}{}", accepted_.id, definition_->steps[step].name, undo ? "-undo" : "");
}

bool Saga::NeedsUndo(std::size_t step) const {
  const StepState state = steps_[step].state;
  return definition_->steps[step].undo != nullptr && (state == StepState::kDone || state == StepState::kUnsure);
}

std::optional<std::size_t> Saga::StepToUndo() const {
  for (std::size_t i = steps_.size(); i-- > 0;) {
    if (NeedsUndo(i)) return i;
  }
  return std::nullopt;
}

// The one step and way that may be called now.
CallProgress* Saga::Expected(const SagaCall& call) {
  if (HasEnded(state_) || call.id != accepted_.id || call.step >= steps_.size()) return nullptr;
  if (state_ == SagaState::kCompensating) {
    return call.undo && StepToUndo() == call.step ? &steps_[call.step].undo : nullptr;
  }
  const auto first = std::ranges::find_if(steps_, [](const auto& step) { return step.state != StepState::kDone; });
  const bool is_first = static_cast<std::size_t>(first - steps_.begin()) == call.step;
  return !call.undo && is_first ? &steps_[call.step].call : nullptr;
}

base::Status Saga::Apply(const SagaStarted& started) {
  CallProgress* progress = Expected(started.call);
  // Written twice, where nobody could tell whether the first time had reached the disk.
  if (progress != nullptr && progress->calling && started.call.attempt == progress->attempts) return {};
  if (progress == nullptr || started.call.attempt <= progress->attempts) {
    return base::DataLoss("a call started that was not the next one");
  }
  // One that was under way is lost: nobody knows what became of it.
  progress->unsure = progress->unsure || progress->calling;
  progress->attempts = started.call.attempt;
  progress->calling = true;
  return {};
}

base::Status Saga::Apply(const SagaOutcome& outcome) {
  if (outcome.call.step < steps_.size()) {
    const StepProgress& told = steps_[outcome.call.step];
    const CallProgress& before = outcome.call.undo ? told.undo : told.call;
    if (!before.calling && before.last == outcome) return {};  // Written twice, as above.
  }
  CallProgress* progress = Expected(outcome.call);
  if (progress == nullptr) return base::DataLoss("an outcome of a call that was not the next one");
  StepProgress& step = steps_[outcome.call.step];
  progress->calling = false;
  progress->unsure = progress->unsure || outcome.unsure;
  progress->next_ms = outcome.verdict == CallVerdict::kRetry ? outcome.next_ms : 0;
  progress->last = outcome;
  if (outcome.verdict == CallVerdict::kRetry) return {};
  if (outcome.call.undo) {
    step.state = outcome.verdict == CallVerdict::kDone ? StepState::kUndone : StepState::kUndoFailed;
    Settle(outcome.at_ms);
    return {};
  }
  if (outcome.verdict == CallVerdict::kFailed) {
    Fail(outcome.call.step, progress->unsure, outcome.at_ms);
    return {};
  }
  step.state = StepState::kDone;
  for (const auto& [name, value] : outcome.results) {
    fields_[fmt::format("{}.{}", definition_->steps[outcome.call.step].name, name)] = value;
  }
  if (outcome.call.step + 1 == steps_.size()) {
    state_ = SagaState::kDone;
    ended_ms_ = outcome.at_ms;
  }
  return {};
}

void Saga::Fail(std::size_t step, bool unsure, std::int64_t at_ms) {
  steps_[step].state = unsure ? StepState::kUnsure : StepState::kFailed;
  failed_step_ = step;
  state_ = SagaState::kCompensating;
  Settle(at_ms);
}

// Ends it when nothing is left to undo.
void Saga::Settle(std::int64_t at_ms) {
  if (StepToUndo()) return;
  const bool dead = std::ranges::any_of(steps_, [](const auto& step) { return step.state == StepState::kUndoFailed; });
  state_ = dead ? SagaState::kDead : SagaState::kCompensated;
  ended_ms_ = at_ms;
}

SagaNext Saga::GiveUp(std::size_t step, bool undo, std::int64_t now_ms, std::string_view why,
                      std::string_view detail) const {
  const CallProgress& progress = undo ? steps_[step].undo : steps_[step].call;
  SagaNext next{.kind = SagaNext::Kind::kGiveUp,
                .call = {.id = accepted_.id, .step = static_cast<std::uint32_t>(step), .undo = undo, .attempt = 0},
                .outcome = {}};
  next.outcome = {.call = next.call,
                  .at_ms = now_ms,
                  .outcome = std::string(why),
                  .detail = std::string(detail),
                  .verdict = CallVerdict::kFailed,
                  .unsure = progress.calling || progress.unsure,
                  .results = {}};
  return next;
}

SagaNext Saga::NextCall(std::size_t step, bool undo, std::int64_t now_ms, std::int64_t until_ms) const {
  const StepDefinition& definition = definition_->steps[step];
  const CallDefinition& call = undo ? *definition.undo : definition.call;
  const CallProgress& progress = undo ? steps_[step].undo : steps_[step].call;
  if (progress.calling && call.retry == RetryClass::kNever) {
    return GiveUp(step, undo, now_ms, "interrupted", "the server ended during the call, which may not be made again");
  }
  // Undoing has its time alone: it is tried for as long as that lasts.
  if (!undo && progress.calling && progress.attempts >= call.attempts_max) {
    return GiveUp(step, undo, now_ms, "interrupted", "the server ended during the last call");
  }
  const std::int64_t due_ms = progress.calling ? now_ms : std::max(progress.next_ms, now_ms);
  // What was done while this server was away for long is undone all the same.
  const bool first_undo = undo && progress.attempts == 0;
  if (due_ms >= until_ms && !first_undo) {
    const std::string last =
        progress.last ? fmt::format("; the last: {}: {}", progress.last->outcome, progress.last->detail) : "";
    return GiveUp(step, undo, now_ms, "out_of_time",
                  fmt::format("no time is left for a call{}", last).substr(0, kCallDetailBytesMax));
  }
  return {.kind = SagaNext::Kind::kCall,
          .call = {.id = accepted_.id,
                   .step = static_cast<std::uint32_t>(step),
                   .undo = undo,
                   .attempt = progress.attempts + 1},
          .due_ms = due_ms,
          .outcome = {}};
}

SagaNext Saga::Next(std::int64_t now_ms, std::chrono::milliseconds undo_for) const {
  if (HasEnded(state_)) return {.call = {}, .outcome = {}};
  if (state_ == SagaState::kCompensating) {
    return NextCall(*StepToUndo(), true, now_ms, accepted_.at_ms + undo_for.count());
  }
  const auto step = std::ranges::find_if(steps_, [](const auto& entry) { return entry.state != StepState::kDone; });
  return NextCall(static_cast<std::size_t>(step - steps_.begin()), false, now_ms, accepted_.until_ms);
}

std::vector<SagaRecord> Saga::Records() const {
  SagaAccepted accepted = accepted_;
  accepted.definition = definition_->text;
  std::vector<SagaRecord> records = {std::move(accepted)};
  const auto write = [&](std::size_t step, bool undo) {
    const CallProgress& progress = undo ? steps_[step].undo : steps_[step].call;
    const SagaCall call{
        .id = accepted_.id, .step = static_cast<std::uint32_t>(step), .undo = undo, .attempt = progress.attempts};
    if (progress.attempts == 0 && !progress.last) return;
    const bool last_is_older = progress.last && progress.calling;
    if (progress.last) {
      // The number of attempts comes from what was started.
      SagaCall started = call;
      if (last_is_older) --started.attempt;
      if (started.attempt > 0) records.emplace_back(SagaStarted{.call = started});
      SagaOutcome outcome = *progress.last;
      outcome.unsure = progress.unsure;
      records.emplace_back(std::move(outcome));
    }
    if (!progress.calling) return;
    if (!progress.last && progress.unsure) {
      // An earlier call was lost: to be known from its having started alone.
      SagaCall lost = call;
      --lost.attempt;
      records.emplace_back(SagaStarted{.call = lost});
    }
    records.emplace_back(SagaStarted{.call = call});
  };
  for (std::size_t i = 0; i < steps_.size(); ++i) write(i, false);
  for (std::size_t i = steps_.size(); i-- > 0;) write(i, true);
  return records;
}

}  // namespace loquat::response
