// One saga as a state machine: what its records made of it, and what has to happen next (Garcia-Molina, Salem, "Sagas",
// SIGMOD 1987, with backward recovery). Its steps are called one after the other. When one fails for good, those that
// are done, and the failed one itself where it may have had its effect, are undone in reverse.
//
// Pure: the same records give the same state, whatever crash lies between two of them. A step whose call had started
// and has no outcome is called again with the same idempotency key, or taken for failed and unsure where its retry
// class forbids it.
//
// One thread at a time.

#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "response/action_set.h"
#include "response/saga_record.h"

namespace loquat::response {

enum class SagaState : std::uint8_t {
  kRunning,
  kCompensating,
  kDone,
  kCompensated,
  kDead,  // Something that was done could not be undone: see the dead letters.
};
constexpr std::string_view SagaStateName(SagaState state) {
  constexpr std::string_view kNames[] = {"running", "compensating", "done", "compensated", "dead"};
  return kNames[static_cast<std::uint8_t>(state)];
}
constexpr bool HasEnded(SagaState state) {
  return state != SagaState::kRunning && state != SagaState::kCompensating;
}

enum class StepState : std::uint8_t {
  kWaiting,
  kDone,
  kFailed,  // Without any effect.
  kUnsure,  // It failed, and may have had its effect.
  kUndone,
  kUndoFailed,  // Given up.
};
constexpr std::string_view StepStateName(StepState state) {
  constexpr std::string_view kNames[] = {"waiting", "done", "failed", "unsure", "undone", "undo_failed"};
  return kNames[static_cast<std::uint8_t>(state)];
}

// What is known of the calls of one step, one way.
struct CallProgress {
  std::uint32_t attempts = 0;  // That were started.
  bool calling = false;        // One has started and has no outcome yet.
  bool unsure = false;         // One failed and may have had its effect.
  std::int64_t next_ms = 0;    // Of a retry.
  std::optional<SagaOutcome> last;
};

struct StepProgress {
  StepState state = StepState::kWaiting;
  CallProgress call, undo;
};

struct SagaNext {
  enum class Kind : std::uint8_t {
    kEnded,
    kCall,    // Write `started` down, then call, at `due_ms` or later.
    kGiveUp,  // Write `outcome` down: there is no call.
  };
  Kind kind = Kind::kEnded;
  SagaCall call;
  std::int64_t due_ms = 0;
  SagaOutcome outcome;
};

class Saga {
 public:
  Saga(SagaAccepted accepted, std::shared_ptr<const SagaDefinition> definition);

  // Errors: data_loss for a record that does not follow from what came before; then nothing has changed.
  base::Status Apply(const SagaStarted& started);
  base::Status Apply(const SagaOutcome& outcome);

  // Undoing is given up `undo_for` after the acceptance.
  // REQUIRES: the outcome of the call under way, if any, never comes (its process is gone).
  SagaNext Next(std::int64_t now_ms, std::chrono::milliseconds undo_for) const;

  SagaState state() const { return state_; }
  // Without the definition's text, which the definition has.
  const SagaAccepted& accepted() const { return accepted_; }
  const SagaDefinition& definition() const { return *definition_; }
  const std::shared_ptr<const SagaDefinition>& shared_definition() const { return definition_; }
  const std::vector<StepProgress>& steps() const { return steps_; }
  // The step whose failure ended it; empty: none has failed.
  std::optional<std::size_t> failed_step() const { return failed_step_; }
  std::int64_t ended_ms() const { return ended_ms_; }
  // What templates may name: what it was accepted with, and the results of the steps that are done.
  const FieldValues& fields() const { return fields_; }

  std::string KeyOf(std::size_t step, bool undo) const;
  // Records that make an equal saga; the first is the acceptance.
  std::vector<SagaRecord> Records() const;

 private:
  bool NeedsUndo(std::size_t step) const;
  std::optional<std::size_t> StepToUndo() const;
  CallProgress* Expected(const SagaCall& call);
  SagaNext GiveUp(std::size_t step, bool undo, std::int64_t now_ms, std::string_view why,
                  std::string_view detail) const;
  SagaNext NextCall(std::size_t step, bool undo, std::int64_t now_ms, std::int64_t until_ms) const;
  void Fail(std::size_t step, bool unsure, std::int64_t at_ms);
  void Settle(std::int64_t at_ms);

  SagaAccepted accepted_;
  std::shared_ptr<const SagaDefinition> definition_;
  SagaState state_ = SagaState::kRunning;
  std::vector<StepProgress> steps_;
  std::optional<std::size_t> failed_step_;
  std::int64_t ended_ms_ = 0;
  FieldValues fields_;
};

}  // namespace loquat::response
