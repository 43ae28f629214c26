// Sessions in Redis, shared by several servers, with this server's memory to go on in while Redis is away.
//
// While Redis is there, every load and every save goes to it; versions make sure that of two racing turns, on whichever
// servers, one is refused and retried. This server keeps a copy of what it saw, within the bounds of a memory store.
//
// While Redis is away (no connection, no answer in time, or a refusal to write), turns go on in those copies, which are
// then owed to Redis. Once it is back each is written back over the version it grew from. Where another server took
// turns meanwhile the two histories are merged (session_merge.h); where Redis has lost its data, every copy is owed.
// A session that is owed stays with this server until it is written back, which its next turn tries first.
// Without fallback requests are refused while Redis is away, and nothing is kept here.
//
// Thread-safe. The references outlive it. Start it before the loops run; stop it after they have ended.

#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "context/local_sessions.h"
#include "context/redis_sessions.h"
#include "context/session_store.h"
#include "observe/log.h"

namespace loquat::context {

struct RedisSessionStoreOptions {
  RedisSessionsOptions redis;
  MemorySessionStoreOptions memory;  // Bounds of the copies.
  std::size_t turns_max = 10;        // Of a merged session's window.
  bool fallback = true;
};

class RedisSessionStore final : public SessionStore {
 public:
  RedisSessionStore(const RedisSessionStoreOptions& options, const base::Clock& clock, observe::Logger& log,
                    observe::Registry& registry);

  // REQUIRES: the loops do not run yet.
  void Start(net::EventLoops& loops);
  // REQUIRES: the loops run no more, and exist. Coroutines that wait for Redis are destroyed.
  void Stop() { redis_.Stop(); }

  boost::asio::awaitable<base::Result<SessionSnapshot>> Load(std::string_view id) override;
  boost::asio::awaitable<base::Result<SessionSnapshot>> Save(std::unique_ptr<domain::Session> session,
                                                             std::uint64_t expected_version) override;
  boost::asio::awaitable<base::Result<bool>> Remove(std::string_view id) override;
  SessionStoreStats stats() const override;
  SessionStoreHealth health() const override;

 private:
  struct Round;

  base::Result<SessionSnapshot> SaveLocally(std::unique_ptr<domain::Session> session, std::uint64_t expected_version);
  // Whether the session must be served from memory: it is owed, and could not be written back just now.
  boost::asio::awaitable<bool> IsLocal(std::string_view id);
  // Pays one debt. Errors: those of Redis.
  boost::asio::awaitable<base::Status> WriteBack(std::string id);
  boost::asio::awaitable<base::Result<SessionSnapshot>> Pay(const std::string& id, const LocalSessions::Debt& debt);
  boost::asio::awaitable<void> HealLoop();
  boost::asio::awaitable<void> HealSome(std::shared_ptr<Round> round);
  void OnAway(const base::Error& why);
  void OnBack();
  void OnDataLost();
  base::Error Away(const base::Error& why) const;

  const RedisSessionStoreOptions options_;
  const base::Clock& clock_;
  observe::Logger& log_;
  const std::string server_;  // Of this process's branches.
  LocalSessions local_;
  observe::Gauge& active_;
  observe::Gauge& owed_;
  observe::Counter& local_turns_;
  observe::Counter& merges_;
  observe::CounterFamily& write_backs_;
  // Release and acquire: whoever sees Redis as back sees what was written back.
  std::atomic<bool> is_away_{false};
  // Relaxed: counts and times that order nothing.
  std::atomic<std::uint64_t> conflicts_{0};
  std::atomic<base::TimePoint::rep> logged_at_;
  std::atomic<std::uint64_t> branch_{0};  // Of the turns taken in Redis; another one after each loss of data.
  RedisSessions redis_;
};

}  // namespace loquat::context
