// Sessions in this process's memory: kShardCount shards by hash of the id, each with its own lock, map and
// least-recently-used order. Idle sessions expire; count and byte bounds push out the least recently used.
//
// Thread-safe. The clock outlives the store.

#pragma once

#include <array>
#include <atomic>
#include <list>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "context/session_store.h"

namespace loquat::context {

struct MemorySessionStoreOptions {
  std::chrono::milliseconds ttl = std::chrono::minutes(30);  // Since the last use.
  std::size_t sessions_max = 100'000;                        // In all shards together.
  std::size_t bytes_max = std::size_t{256} << 20;            // Estimated, in all shards together.
};

class MemorySessionStore final : public SessionStore {
 public:
  static constexpr std::size_t kShardCount = 32;

  MemorySessionStore(const MemorySessionStoreOptions& options, const base::Clock& clock);

  boost::asio::awaitable<base::Result<SessionSnapshot>> Load(std::string_view id) override;
  boost::asio::awaitable<base::Result<SessionSnapshot>> Save(std::unique_ptr<domain::Session> session,
                                                             std::uint64_t expected_version) override;
  boost::asio::awaitable<base::Result<bool>> Remove(std::string_view id) override;
  SessionStoreStats stats() const override;

  // The same without a coroutine, for callers that have none.
  SessionSnapshot LoadNow(std::string_view id);
  base::Result<SessionSnapshot> SaveNow(std::unique_ptr<domain::Session> session, std::uint64_t expected_version);
  bool RemoveNow(std::string_view id);

  // For a store that keeps copies here: `session` takes the place of whatever is stored, with the version that it has.
  void PutNow(SessionSnapshot session);
  // Every session there is, in no order.
  std::vector<SessionSnapshot> AllNow();

 private:
  struct Entry {
    SessionSnapshot session;
    std::size_t bytes = 0;
    base::TimePoint last_used;
  };
  using EntryList = std::list<Entry>;  // Least recently used first.

  struct alignas(64) Shard {
    mutable base::Mutex mutex;
    EntryList entries LOQUAT_GUARDED_BY(mutex);
    // Keys view the id of the session that the entry holds.
    std::unordered_map<std::string_view, EntryList::iterator> by_id LOQUAT_GUARDED_BY(mutex);
    std::size_t bytes LOQUAT_GUARDED_BY(mutex) = 0;
    std::uint64_t expired LOQUAT_GUARDED_BY(mutex) = 0;
    std::uint64_t evicted LOQUAT_GUARDED_BY(mutex) = 0;
    std::uint64_t conflicts LOQUAT_GUARDED_BY(mutex) = 0;
  };

  Shard& ShardOf(std::string_view id);
  void Erase(Shard& shard, EntryList::iterator entry) LOQUAT_REQUIRES(shard.mutex);
  // Puts `stored` in, as the most recently used. Gives what it replaced.
  SessionSnapshot Replace(Shard& shard, SessionSnapshot stored, base::TimePoint now) LOQUAT_REQUIRES(shard.mutex);
  void DropExpired(Shard& shard, base::TimePoint now) LOQUAT_REQUIRES(shard.mutex);
  void EnforceBounds(Shard& shard) LOQUAT_REQUIRES(shard.mutex);

  // Constant after construction.
  const MemorySessionStoreOptions options_;
  const base::Clock& clock_;
  const std::size_t shard_sessions_max_;
  const std::size_t shard_bytes_max_;

  std::array<Shard, kShardCount> shards_;
};

// What a session is counted as: its structs and the bytes of its strings.
std::size_t EstimateBytes(const domain::Session& session);

}  // namespace loquat::context
