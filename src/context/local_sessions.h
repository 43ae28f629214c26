// The copies that this server keeps of sessions in a shared store, and what it owes to that store: the sessions that
// took turns here, or were removed here, while the store was away.
//
// Thread-safe. The clock outlives it. The bounds are those of a memory store: an owed session that they push out is
// lost, and counted by whoever settles the debt.

#pragma once

#include <atomic>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "context/memory_session_store.h"

namespace loquat::context {

class LocalSessions {
 public:
  // `server` tells this process's branches (session_merge.h) from those of others.
  LocalSessions(const MemorySessionStoreOptions& options, const base::Clock& clock, std::string server)
      : server_(std::move(server)), sessions_(options, clock) {}

  // What the shared store has now. Nothing happens to a session that is owed.
  void Keep(SessionSnapshot session) LOQUAT_EXCLUDES(mutex_);
  void Forget(std::string_view id) LOQUAT_EXCLUDES(mutex_);

  SessionSnapshot Load(std::string_view id) { return sessions_.LoadNow(id); }
  // As SessionStore::Save, on the copy, which is owed from then on.
  base::Result<SessionSnapshot> Save(std::unique_ptr<domain::Session> session, std::uint64_t expected_version)
      LOQUAT_EXCLUDES(mutex_);
  // The removal is owed even where there is no copy.
  bool Remove(std::string_view id) LOQUAT_EXCLUDES(mutex_);

  // Cheap while nothing is owed.
  bool Owes(std::string_view id) const LOQUAT_EXCLUDES(mutex_);
  std::size_t owed() const { return owed_count_.load(std::memory_order_acquire); }
  std::vector<std::string> OwedIds() const LOQUAT_EXCLUDES(mutex_);
  // The shared store has lost everything: every copy is owed.
  void OweAll() LOQUAT_EXCLUDES(mutex_);

  struct Debt {
    SessionSnapshot session;  // Null: removed, or pushed out by a bound.
    SessionSnapshot base;     // The last state that the shared store was known to have; null: none, or not known.
    bool removed = false;     // It was removed here, before `session` if there is one.
  };
  // What is owed; nobody else gets it until Settle or Release. Nothing: not owed, or somebody else is at it.
  std::optional<Debt> Begin(std::string_view id) LOQUAT_EXCLUDES(mutex_);
  // The shared store now has `written` (null: nothing). What was saved here since Begin stays owed.
  void Settle(std::string_view id, const Debt& debt, SessionSnapshot written) LOQUAT_EXCLUDES(mutex_);
  // Nothing came of it: the debt stands.
  void Release(std::string_view id, const Debt& debt) LOQUAT_EXCLUDES(mutex_);

  SessionStoreStats stats() const { return sessions_.stats(); }

 private:
  struct Owed {
    SessionSnapshot base;
    std::string branch;    // The turns taken here while it is owed.
    bool removed = false;  // Since the last Begin, unless that was released.
    bool busy = false;
  };

  std::string NextBranch() LOQUAT_REQUIRES(mutex_);
  // The record of a session, made where there is none, without a base.
  Owed& Owe(const std::string& id) LOQUAT_REQUIRES(mutex_);
  void UpdateCount() LOQUAT_REQUIRES(mutex_) { owed_count_.store(owed_.size(), std::memory_order_release); }

  const std::string server_;
  MemorySessionStore sessions_;
  mutable base::Mutex mutex_;  // Taken before the memory store's own.
  std::map<std::string, Owed, std::less<>> owed_ LOQUAT_GUARDED_BY(mutex_);
  std::uint64_t branches_ LOQUAT_GUARDED_BY(mutex_) = 0;
  // Changed under mutex_, read without: who misses a debt that begins at this moment works on the shared store, whose
  // versions refuse a stale update.
  std::atomic<std::size_t> owed_count_{0};
};

}  // namespace loquat::context
