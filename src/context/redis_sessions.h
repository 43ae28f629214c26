// Sessions in Redis as they are: what is read, compared and written there, and whether Redis is there at all. What to
// do while it is not is the business of RedisSessionStore.
//
// One string for each session, under <prefix><id>, in the form of session_codec.h, with a time to live that each use
// renews. An update is a script, which compares the version in the string. A marker under <prefix>"!epoch" tells a
// Redis that has lost its data from one that has merely been away.
//
// Thread-safe; calls run on the loop they come from, or on the first one when they come from none.
// Lifetime: the references outlive it; see Start and Stop.

#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"
#include "context/session_store.h"
#include "net/redis_client.h"
#include "observe/metrics.h"
#include "observe/trace.h"

namespace loquat::context {

struct RedisSessionsOptions {
  net::RedisClientOptions client;
  std::string prefix = "loquat:session:";
  std::chrono::milliseconds ttl = std::chrono::minutes(30);
};

class RedisSessions {
 public:
  struct Events {
    std::function<void(const base::Error& why)> away;  // A connection failed and its commands fail at once from now on.
    std::function<void()> data_lost;                   // Before any command reaches the Redis that has forgotten.
  };

  RedisSessions(RedisSessionsOptions options, const base::Clock& clock, observe::Registry& registry, Events events);
  ~RedisSessions();
  RedisSessions(const RedisSessions&) = delete;
  RedisSessions& operator=(const RedisSessions&) = delete;

  // REQUIRES: the loops do not run yet.
  void Start(net::EventLoops& loops);
  // Destroys the connections, and with them the coroutines that wait for them. REQUIRES: the loops run no more, and
  // exist.
  void Stop();

  // Errors of all three: unavailable and deadline_exceeded when Redis is away or will not do it, resource_exhausted
  // "redis_full", data_loss "session_unreadable" when something else stands under the key.
  boost::asio::awaitable<base::Result<SessionSnapshot>> Get(std::string_view id);  // Null: there is none.
  // Writes `session`, with the version that it has, over the version `expected` (0: nothing). kAborted when something
  // else stands there.
  boost::asio::awaitable<base::Status> Put(const domain::Session& session, std::uint64_t expected);
  boost::asio::awaitable<base::Result<bool>> Delete(std::string_view id);

  // Connections that fail their commands at once.
  std::size_t away() const { return away_.load(std::memory_order_acquire); }

 private:
  class Watch;
  using Arguments = std::span<const std::string_view>;

  boost::asio::awaitable<base::Result<net::RespValue>> Call(Arguments arguments);
  boost::asio::awaitable<base::Result<net::RespValue>> Evaluate(Arguments arguments);
  base::Status OnGreeted(std::span<const net::RespValue> replies) LOQUAT_EXCLUDES(mutex_);
  std::string Key(std::string_view id) const { return options_.prefix + std::string(id); }

  observe::IdGenerator ids_;
  // Constant after Start.
  RedisSessionsOptions options_;
  const std::string ttl_ms_;
  const base::Clock& clock_;
  const Events events_;
  std::vector<std::unique_ptr<Watch>> watches_;
  std::vector<std::unique_ptr<net::RedisClient>> clients_;  // One a loop.

  observe::CounterFamily& commands_;
  observe::Histogram& latency_;
  observe::Counter& connects_;
  std::atomic<std::size_t> away_{0};
  // Relaxed: worth a few commands at most.
  std::atomic<bool> has_getex_{true};

  base::Mutex mutex_;
  std::string script_ LOQUAT_GUARDED_BY(mutex_);  // Its SHA-1, as Redis said.
  std::string epoch_ LOQUAT_GUARDED_BY(mutex_);
};

}  // namespace loquat::context
