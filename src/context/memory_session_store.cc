#include "context/memory_session_store.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/hash.h"

namespace loquat::context {
namespace {

constexpr std::uint64_t kShardSeed = 0x10c4a7;

std::size_t EstimateBytes(const std::map<std::string, domain::FilledSlot>& filled) {
  std::size_t bytes = 0;
  for (const auto& [name, slot] : filled) {
    bytes += sizeof(domain::FilledSlot) + 64 + name.size() + slot.entity.size() + slot.role.size() + slot.value.size() +
             slot.normalized.size();
  }
  return bytes;
}

// Each shard gets its share of a bound, rounded up, so that a bound of one session still admits one.
std::size_t Share(std::size_t total) {
  return (total + MemorySessionStore::kShardCount - 1) / MemorySessionStore::kShardCount;
}

}  // namespace

std::size_t EstimateBytes(const domain::Session& session) {
  std::size_t bytes = sizeof(domain::Session) + session.id.size();
  for (const domain::Turn& turn : session.turns) {
    bytes += sizeof(domain::Turn) + turn.text.size() + turn.intent.size() + turn.reply.size();
  }
  bytes += session.state.active_intent.size() + session.state.asked.size() + EstimateBytes(session.state.filled);
  for (const std::string& name : session.state.missing) bytes += sizeof(std::string) + name.size();
  for (const domain::SuspendedTask& task : session.state.suspended) {
    bytes += sizeof(domain::SuspendedTask) + task.intent.size() + EstimateBytes(task.filled);
  }
  return bytes;
}

bool IsValidSessionId(std::string_view id) {
  constexpr std::string_view kPunctuation = "-_.:@";
  return !id.empty() && id.size() <= kSessionIdBytesMax && std::ranges::all_of(id, [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || kPunctuation.contains(c);
  });
}

MemorySessionStore::MemorySessionStore(const MemorySessionStoreOptions& options, const base::Clock& clock)
    : options_(options),
      clock_(clock),
      shard_sessions_max_(Share(options.sessions_max)),
      shard_bytes_max_(Share(options.bytes_max)) {}

MemorySessionStore::Shard& MemorySessionStore::ShardOf(std::string_view id) {
  return shards_[base::Hash64(id, kShardSeed) % kShardCount];
}

void MemorySessionStore::Erase(Shard& shard, EntryList::iterator entry) {
  shard.bytes -= entry->bytes;
  shard.by_id.erase(entry->session->id);
  shard.entries.erase(entry);
}

void MemorySessionStore::DropExpired(Shard& shard, base::TimePoint now) {
  while (!shard.entries.empty() && now - shard.entries.front().last_used >= options_.ttl) {
    Erase(shard, shard.entries.begin());
    ++shard.expired;
  }
}

void MemorySessionStore::EnforceBounds(Shard& shard) {
  // The newest entry stays even when it alone is over the byte bound: a turn that was accepted is not lost at once.
  while (shard.entries.size() > 1 && (shard.entries.size() > shard_sessions_max_ || shard.bytes > shard_bytes_max_)) {
    Erase(shard, shard.entries.begin());
    ++shard.evicted;
  }
}

SessionSnapshot MemorySessionStore::LoadNow(std::string_view id) {
  Shard& shard = ShardOf(id);
  base::MutexLock lock(shard.mutex);
  const base::TimePoint now = clock_.Now();
  DropExpired(shard, now);
  const auto found = shard.by_id.find(id);
  if (found == shard.by_id.end()) return nullptr;
  found->second->last_used = now;
  shard.entries.splice(shard.entries.end(), shard.entries, found->second);
  return found->second->session;
}

base::Result<SessionSnapshot> MemorySessionStore::SaveNow(std::unique_ptr<domain::Session> session,
                                                          std::uint64_t expected_version) {
  LOQUAT_CHECK(IsValidSessionId(session->id), "ingress validates session ids");
  Shard& shard = ShardOf(session->id);
  SessionSnapshot replaced;  // Destroyed after the lock is released.
  base::MutexLock lock(shard.mutex);
  const base::TimePoint now = clock_.Now();
  DropExpired(shard, now);
  const auto found = shard.by_id.find(session->id);
  const std::uint64_t stored_version = found == shard.by_id.end() ? 0 : found->second->session->version;
  if (stored_version != expected_version) {
    ++shard.conflicts;
    return base::Error{.code = base::Code::kAborted,
                       .message = "the session was changed by another request meanwhile; load it again and retry",
                       .reason = "session_conflict"};
  }
  session->version = expected_version + 1;
  session->last_used = now;
  SessionSnapshot stored(std::move(session));
  replaced = Replace(shard, stored, now);
  return stored;
}

SessionSnapshot MemorySessionStore::Replace(Shard& shard, SessionSnapshot stored, base::TimePoint now) {
  const std::size_t bytes = EstimateBytes(*stored);
  SessionSnapshot replaced;
  if (const auto found = shard.by_id.find(stored->id); found != shard.by_id.end()) {
    const EntryList::iterator entry = found->second;
    shard.bytes -= entry->bytes;
    shard.by_id.erase(found);
    replaced = std::exchange(entry->session, std::move(stored));
    entry->bytes = bytes;
    entry->last_used = now;
    shard.entries.splice(shard.entries.end(), shard.entries, entry);
  } else {
    shard.entries.push_back({.session = std::move(stored), .bytes = bytes, .last_used = now});
  }
  const EntryList::iterator newest = std::prev(shard.entries.end());
  shard.by_id.emplace(newest->session->id, newest);
  shard.bytes += bytes;
  EnforceBounds(shard);
  return replaced;
}

void MemorySessionStore::PutNow(SessionSnapshot session) {
  Shard& shard = ShardOf(session->id);
  SessionSnapshot replaced;  // Destroyed after the lock is released.
  base::MutexLock lock(shard.mutex);
  const base::TimePoint now = clock_.Now();
  DropExpired(shard, now);
  replaced = Replace(shard, std::move(session), now);
}

std::vector<SessionSnapshot> MemorySessionStore::AllNow() {
  std::vector<SessionSnapshot> all;
  for (Shard& shard : shards_) {
    base::MutexLock lock(shard.mutex);
    DropExpired(shard, clock_.Now());
    for (const Entry& entry : shard.entries) all.push_back(entry.session);
  }
  return all;
}

bool MemorySessionStore::RemoveNow(std::string_view id) {
  Shard& shard = ShardOf(id);
  base::MutexLock lock(shard.mutex);
  DropExpired(shard, clock_.Now());
  const auto found = shard.by_id.find(id);
  if (found == shard.by_id.end()) return false;
  Erase(shard, found->second);
  return true;
}

SessionStoreStats MemorySessionStore::stats() const {
  SessionStoreStats total;
  for (const Shard& shard : shards_) {
    base::MutexLock lock(shard.mutex);
    total.sessions += shard.entries.size();
    total.bytes += shard.bytes;
    total.expired += shard.expired;
    total.evicted += shard.evicted;
    total.conflicts += shard.conflicts;
  }
  return total;
}

boost::asio::awaitable<base::Result<SessionSnapshot>> MemorySessionStore::Load(std::string_view id) {
  co_return LoadNow(id);
}

boost::asio::awaitable<base::Result<SessionSnapshot>> MemorySessionStore::Save(std::unique_ptr<domain::Session> session,
                                                                               std::uint64_t expected_version) {
  co_return SaveNow(std::move(session), expected_version);
}

boost::asio::awaitable<base::Result<bool>> MemorySessionStore::Remove(std::string_view id) {
  co_return RemoveNow(id);
}

}  // namespace loquat::context
