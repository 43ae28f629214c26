#include "context/local_sessions.h"

#include <fmt/format.h>

#include <utility>

#include "context/session_merge.h"

namespace loquat::context {

void LocalSessions::Keep(SessionSnapshot session) {
  const base::MutexLock lock(mutex_);
  if (!owed_.contains(session->id)) sessions_.PutNow(std::move(session));
}

void LocalSessions::Forget(std::string_view id) {
  const base::MutexLock lock(mutex_);
  if (!owed_.contains(id)) (void)sessions_.RemoveNow(id);
}

base::Result<SessionSnapshot> LocalSessions::Save(std::unique_ptr<domain::Session> session,
                                                  std::uint64_t expected_version) {
  const base::MutexLock lock(mutex_);
  const std::string id = session->id;
  const auto found = owed_.find(id);
  const std::string branch = found == owed_.end() ? NextBranch() : found->second.branch;
  SessionSnapshot before = sessions_.LoadNow(id);
  TakeTurns(branch, *session);
  auto saved = sessions_.SaveNow(std::move(session), expected_version);
  if (!saved.has_value() || found != owed_.end()) return saved;
  owed_[id] = {.base = std::move(before), .branch = branch};
  UpdateCount();
  return saved;
}

std::string LocalSessions::NextBranch() {
  return fmt::format("{}-{}", server_, ++branches_);
}

LocalSessions::Owed& LocalSessions::Owe(const std::string& id) {
  const auto [entry, added] = owed_.try_emplace(id);
  if (added) entry->second.branch = NextBranch();
  entry->second.base = nullptr;
  return entry->second;
}

bool LocalSessions::Remove(std::string_view id) {
  const base::MutexLock lock(mutex_);
  const bool there = sessions_.RemoveNow(id);
  Owe(std::string(id)).removed = true;
  UpdateCount();
  return there;
}

bool LocalSessions::Owes(std::string_view id) const {
  if (owed() == 0) return false;
  const base::MutexLock lock(mutex_);
  return owed_.contains(id);
}

std::vector<std::string> LocalSessions::OwedIds() const {
  const base::MutexLock lock(mutex_);
  std::vector<std::string> ids;
  ids.reserve(owed_.size());
  for (const auto& [id, owed] : owed_) ids.push_back(id);
  return ids;
}

void LocalSessions::OweAll() {
  const base::MutexLock lock(mutex_);
  for (const SessionSnapshot& session : sessions_.AllNow()) Owe(session->id);
  UpdateCount();
}

std::optional<LocalSessions::Debt> LocalSessions::Begin(std::string_view id) {
  const base::MutexLock lock(mutex_);
  const auto found = owed_.find(id);
  if (found == owed_.end() || std::exchange(found->second.busy, true)) return std::nullopt;
  Owed& owed = found->second;
  return Debt{.session = sessions_.LoadNow(id), .base = owed.base, .removed = std::exchange(owed.removed, false)};
}

void LocalSessions::Settle(std::string_view id, const Debt& debt, SessionSnapshot written) {
  const base::MutexLock lock(mutex_);
  const auto found = owed_.find(id);
  if (found == owed_.end()) return;
  const SessionSnapshot now = sessions_.LoadNow(id);
  Owed& owed = found->second;
  const bool pushed_out = now == nullptr && !owed.removed;
  if ((now == debt.session && !owed.removed) || pushed_out) {
    owed_.erase(found);
    UpdateCount();
    if (written != nullptr) {
      sessions_.PutNow(std::move(written));
    } else {
      (void)sessions_.RemoveNow(id);
    }
    return;
  }
  // Saved or removed again meanwhile: what was written is the ground that the rest stands on.
  owed.busy = false;
  owed.base = owed.removed ? nullptr : debt.session;
}

void LocalSessions::Release(std::string_view id, const Debt& debt) {
  const base::MutexLock lock(mutex_);
  const auto found = owed_.find(id);
  if (found == owed_.end()) return;
  found->second.busy = false;
  found->second.removed |= debt.removed;
}

}  // namespace loquat::context
