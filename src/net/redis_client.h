// A client of one Redis server: one connection on one loop, shared by all coroutines there. Commands are written
// together and answered in order, so the connection is the queue.
//
// Threads: the loop's, but for the constructor, which only arranges the start. Lifetime: the loop and the observer
// outlive it. Destroy it while the loop does not run: coroutines that still wait for a reply are destroyed with it.
//
// A reply is never taken for another command's: when the oldest command is not answered in time, or a reply comes that
// nobody asked for, the connection is dropped and every command on it fails. Whether Redis carried out a command that
// failed so is not known.
//
// While Redis is away commands fail at once; the connection is tried again with exponential backoff and full jitter.
// Only during the first try, at the start or after a connection that worked was closed, do commands wait for it.

#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/backoff.h"
#include "base/result.h"
#include "net/conn.h"
#include "net/resp.h"
#include "net/stream_connect.h"

namespace loquat::net {

struct RedisClientOptions {
  StreamAddress address = {.host = "127.0.0.1", .port = 6379, .unix_path = {}};
  std::string username;  // Empty: the user that a password alone belongs to.
  std::string password;  // Empty: no AUTH.
  std::uint32_t database = 0;
  std::string client_name = "loquat";                // As CLIENT LIST shows it; no spaces.
  std::shared_ptr<const TlsContext> tls;             // Null: plain.
  std::chrono::milliseconds connect_timeout{1'000};  // Name lookup, TCP, TLS and greeting together.
  std::chrono::milliseconds command_timeout{1'000};  // From the call to the reply; late by at most a loop tick.
  std::size_t in_flight_max = 4'096;                 // Commands not yet answered; beyond: resource_exhausted.
  std::size_t unsent_bytes_max = std::size_t{16} << 20;
  base::BackoffOptions backoff = {.first = std::chrono::milliseconds(50), .ceiling = std::chrono::seconds(2)};
  std::uint64_t backoff_seed = 1;
  RespLimits limits;
  // Makes the commands sent on each new connection before any other; a connection on which one of them fails counts as
  // none. Null: there are none.
  std::function<std::vector<std::vector<std::string>>()> greeting;
};

enum class RedisOutcome : std::uint8_t {
  kOk,       // Answered, not by an error.
  kError,    // Answered by an error.
  kTimeout,  // Not answered in time.
  kLost,     // The connection broke before the answer.
  kAway,     // Refused at once: there is no connection.
  kFull,     // Refused at once: too much is in flight.
};
std::string_view RedisOutcomeName(RedisOutcome outcome);

// Hears of what happens, on the loop's thread. Must not call the client.
class RedisObserver {
 public:
  virtual ~RedisObserver() = default;
  virtual void OnCommand(RedisOutcome outcome, base::Duration took) = 0;
  // A connection was greeted; `replies` are those to the greeting. An error refuses the connection.
  virtual base::Status OnGreeted(std::span<const RespValue> replies) = 0;
  // Commands fail at once from now on / are taken again.
  virtual void OnAway(const base::Error& why) = 0;
  virtual void OnReady() = 0;
};

class RedisClient final : private DeadlineNode {
 public:
  RedisClient(EventLoop& loop, RedisClientOptions options, RedisObserver& observer);
  ~RedisClient() override;
  RedisClient(const RedisClient&) = delete;
  RedisClient& operator=(const RedisClient&) = delete;

  // The reply, which may be an error of Redis (RespValue::is_error). The arguments are copied before it suspends.
  // Errors: unavailable "redis_away" or "redis_lost", deadline_exceeded "redis_timeout", resource_exhausted
  // "redis_full".
  asio::awaitable<base::Result<RespValue>> Call(std::span<const std::string_view> arguments);

  bool ready() const { return state_ == State::kReady; }
  EventLoop& loop() { return loop_; }

 private:
  enum class State : std::uint8_t { kFirstTry, kReady, kAway };
  struct Link {
    std::shared_ptr<Conn> conn;
    RespParser parser;
    std::deque<RespValue> replies;  // Parsed during the greeting and not used yet.
    bool writing = false;           // A coroutine writes what did not fit at once.
    bool flush_due = false;         // A flush is posted.
  };
  using LinkPtr = std::shared_ptr<Link>;
  struct Pending {
    std::move_only_function<void(base::Result<RespValue>)> done;
    base::TimePoint since;
  };

  asio::awaitable<void> Run();
  asio::awaitable<base::Result<LinkPtr>> Connect();
  asio::awaitable<base::Status> Greet(Link& link, base::TimePoint until);
  asio::awaitable<base::Status> Authenticate(Link& link, base::TimePoint until);
  asio::awaitable<base::Result<RespValue>> Ask(Link& link, std::span<const std::string_view> arguments,
                                               base::TimePoint until);
  asio::awaitable<base::Error> ReadReplies(LinkPtr link);
  // Reads what is there into the parser; `take` gets each value.
  base::Status Parse(Link& link, std::span<const char> bytes, const std::function<base::Status(RespValue)>& take);
  base::Status OnReply(RespValue reply);
  void FlushSoon();
  void Flush(const LinkPtr& link);
  asio::awaitable<void> WriteRest(LinkPtr link);
  void GoAway(const base::Error& why);
  void FailPending(const base::Error& error, RedisOutcome outcome);
  void Complete(Pending pending, base::Result<RespValue> result, RedisOutcome outcome);
  void OnTick(base::TimePoint now) override;

  EventLoop& loop_;
  const RedisClientOptions options_;
  RedisObserver& observer_;
  base::Backoff backoff_;
  State state_ = State::kFirstTry;
  LinkPtr link_;                 // Null: not connected.
  std::deque<Pending> pending_;  // In the order of the replies.
  std::string unsent_;
  bool answered_ = false;  // The present link has answered a command.
  bool ticking_ = false;
  std::string away_because_;
};

}  // namespace loquat::net
