#include "response/saga_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace loquat::response {
namespace {

std::size_t BytesOf(const SagaAccepted& accepted) {
  std::size_t bytes = sizeof(Saga) + accepted.id.size() + accepted.tenant.size() + accepted.request_id.size();
  for (const auto& [name, value] : accepted.fields) bytes += name.size() + value.text.size();
  return bytes;
}

CallView ViewOf(const Saga& saga, std::size_t step, bool undo) {
  const CallProgress& progress = undo ? saga.steps()[step].undo : saga.steps()[step].call;
  CallView view{.key = saga.KeyOf(step, undo), .attempts = progress.attempts, .outcome = {}, .detail = {}};
  if (progress.last) {
    view.at_ms = progress.last->at_ms;
    view.status = progress.last->status;
    view.outcome = progress.last->outcome;
    view.detail = progress.last->detail;
  }
  return view;
}

const std::string& IdOf(const SagaRecord& record) {
  if (const auto* started = std::get_if<SagaStarted>(&record)) return started->call.id;
  if (const auto* outcome = std::get_if<SagaOutcome>(&record)) return outcome->call.id;
  return std::get<SagaAccepted>(record).id;
}

}  // namespace

base::Status SagaTable::Add(SagaAccepted accepted, std::shared_ptr<const SagaDefinition> definition,
                            const ActionOptions& options) {
  if (open_.size() >= options.in_flight_max || bytes_ + BytesOf(accepted) > options.in_flight_bytes_max) {
    return base::ResourceExhausted(
        fmt::format("{} actions are under way; ask again later (actions.in_flight_max, actions.in_flight_bytes_max)",
                    open_.size()),
        "sagas_full");
  }
  return Insert(std::move(accepted), std::move(definition));
}

base::Status SagaTable::Insert(SagaAccepted accepted, std::shared_ptr<const SagaDefinition> definition) {
  const std::string id = accepted.id;
  const std::size_t bytes = BytesOf(accepted);
  const std::int64_t at_ms = accepted.at_ms;
  const auto [entry, added] =
      entries_.try_emplace(id, Entry{.saga = Saga(std::move(accepted), std::move(definition)), .bytes = bytes});
  if (!added) return base::Error{.code = base::Code::kAlreadyExists, .message = "there is a saga of this id"};
  open_.emplace(id, at_ms);
  bytes_ += bytes;
  return {};
}

void SagaTable::Drop(std::string_view id) {
  const auto entry = entries_.find(id);
  if (entry == entries_.end()) return;
  bytes_ -= entry->second.bytes;
  open_.erase(open_.find(id));
  entries_.erase(entry);
}

const Saga* SagaTable::Find(std::string_view id) const {
  const auto entry = entries_.find(id);
  return entry == entries_.end() ? nullptr : &entry->second.saga;
}

std::optional<SagaView> SagaTable::View(std::string_view id) const {
  const Saga* saga = Find(id);
  if (saga == nullptr) return std::nullopt;
  SagaView view{.id = saga->accepted().id,
                .tenant = saga->accepted().tenant,
                .request_id = saga->accepted().request_id,
                .intent = saga->definition().intent,
                .state = saga->state(),
                .accepted_ms = saga->accepted().at_ms,
                .ended_ms = saga->ended_ms(),
                .failed_step = {},
                .steps = {},
                .fields = saga->fields()};
  const auto& definitions = saga->definition().steps;
  if (saga->failed_step()) view.failed_step = definitions[*saga->failed_step()].name;
  for (std::size_t i = 0; i < definitions.size(); ++i) {
    const bool has_undo = definitions[i].undo != nullptr;
    view.steps.push_back({.name = definitions[i].name,
                          .action = definitions[i].call.action,
                          .state = saga->steps()[i].state,
                          .call = ViewOf(*saga, i, false),
                          .undo_action = has_undo ? definitions[i].undo->action : std::string(),
                          .undo = ViewOf(*saga, i, true)});
  }
  return view;
}

base::Status SagaTable::Apply(const SagaRecord& record) {
  const auto entry = entries_.find(IdOf(record));
  if (entry == entries_.end()) return base::NotFound("a record of no saga");
  Saga& saga = entry->second.saga;
  if (const auto* started = std::get_if<SagaStarted>(&record)) return saga.Apply(*started);
  const auto* outcome = std::get_if<SagaOutcome>(&record);
  if (outcome == nullptr) return base::DataLoss("a saga is accepted once");
  LOQUAT_TRY(saga.Apply(*outcome));
  AfterApply(entry->first, entry->second);
  return {};
}

void SagaTable::AfterApply(const std::string& id, const Entry& entry) {
  const auto open = open_.find(id);
  if (open == open_.end() || !HasEnded(entry.saga.state())) return;
  open_.erase(open);
  bytes_ -= entry.bytes;
  ended_.push_back(id);
}

base::Status SagaTable::Replay(SagaRecord record) {
  auto* accepted = std::get_if<SagaAccepted>(&record);
  if (accepted == nullptr) return Apply(record);
  std::shared_ptr<const SagaDefinition> definition = definitions_[accepted->definition].lock();
  if (!definition) {
    LOQUAT_ASSIGN(definition, ActionSet::CompileSaga(accepted->definition));
    definitions_[accepted->definition] = definition;
  }
  return Insert(std::move(*accepted), std::move(definition));
}

std::vector<std::string> SagaTable::OpenIds() const {
  std::vector<std::string> ids;
  for (const auto& [id, at_ms] : open_) ids.push_back(id);
  return ids;
}

void SagaTable::Expire(const ActionOptions& options, std::int64_t now_ms) {
  const std::int64_t oldest = now_ms - options.retention.count();
  while (!ended_.empty()) {
    const auto entry = entries_.find(ended_.front());
    if (ended_.size() <= options.ended_max && entry->second.saga.ended_ms() > oldest) return;
    entries_.erase(entry);
    ended_.pop_front();
  }
}

SagaCounts SagaTable::Counts() const {
  SagaCounts counts{.ended = ended_.size(), .bytes = bytes_};
  for (const auto& [id, at_ms] : open_) {
    const bool running = Find(id)->state() == SagaState::kRunning;
    ++(running ? counts.running : counts.compensating);
    if (counts.oldest_ms == 0 || at_ms < counts.oldest_ms) counts.oldest_ms = at_ms;
  }
  return counts;
}

std::vector<std::string> SagaTable::Snapshot() const {
  std::vector<std::string> records;
  const auto write = [&](std::string_view id) {
    for (const SagaRecord& record : Find(id)->Records()) records.push_back(EncodeSagaRecord(record));
  };
  // Those that have ended come first and in that order, which is the one in which they are forgotten.
  for (const std::string& id : ended_) write(id);
  for (const auto& [id, at_ms] : open_) write(id);
  return records;
}

}  // namespace loquat::response
