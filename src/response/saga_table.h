// All sagas of a server: those under way and those that have ended and can still be looked at. Pure; one thread at a
// time. Times are Unix milliseconds.

#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "response/action_options.h"
#include "response/saga_state.h"

namespace loquat::response {

struct CallView {
  std::string key;  // Idempotency-Key.
  std::uint32_t attempts = 0;
  std::int64_t at_ms = 0;  // Of the last outcome; 0: none yet.
  int status = 0;
  std::string outcome;  // Empty: none yet.
  std::string detail;
};

struct StepView {
  std::string name, action;
  StepState state = StepState::kWaiting;
  CallView call;
  std::string undo_action;  // Empty: there is none.
  CallView undo;
};

struct SagaView {
  std::string id, tenant, request_id, intent;
  SagaState state = SagaState::kRunning;
  std::int64_t accepted_ms = 0, ended_ms = 0;
  std::string failed_step;  // Empty: none has failed.
  std::vector<StepView> steps;
  FieldValues fields;  // As Saga::fields.
};

struct SagaCounts {
  std::size_t running = 0, compensating = 0, ended = 0;
  std::size_t bytes = 0;       // Of those that have not ended.
  std::int64_t oldest_ms = 0;  // Acceptance of the oldest that has not ended; 0: there is none.
};

class SagaTable {
 public:
  // Errors: resource_exhausted "sagas_full". REQUIRES: the id is new.
  base::Status Add(SagaAccepted accepted, std::shared_ptr<const SagaDefinition> definition,
                   const ActionOptions& options);
  // As if it had never been. REQUIRES: it has not started.
  void Drop(std::string_view id);
  bool Contains(std::string_view id) const { return entries_.contains(id); }
  // Null: there is none of that id.
  const Saga* Find(std::string_view id) const;
  std::optional<SagaView> View(std::string_view id) const;

  // Errors: those of Saga::Apply; not_found.
  base::Status Apply(const SagaRecord& record);
  // A record of a journal. Errors: those of Apply and of ActionSet::CompileSaga; already_exists.
  base::Status Replay(SagaRecord record);
  std::vector<std::string> OpenIds() const;

  void Expire(const ActionOptions& options, std::int64_t now_ms);
  SagaCounts Counts() const;
  // Records that make an equal table.
  std::vector<std::string> Snapshot() const;

 private:
  struct Entry {
    Saga saga;
    std::size_t bytes;
  };
  base::Status Insert(SagaAccepted accepted, std::shared_ptr<const SagaDefinition> definition);
  void AfterApply(const std::string& id, const Entry& entry);

  std::map<std::string, Entry, std::less<>> entries_;
  std::map<std::string, std::int64_t, std::less<>> open_;  // Acceptance.
  std::deque<std::string> ended_;                          // Oldest first.
  std::size_t bytes_ = 0;
  // Definitions of the journal by their texts: many sagas share one.
  std::map<std::string, std::weak_ptr<const SagaDefinition>, std::less<>> definitions_;
};

}  // namespace loquat::response
