#include "context/redis_sessions.h"

#include <fmt/format.h>

#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "base/hash.h"
#include "context/session_codec.h"

namespace loquat::context {
namespace {

using boost::asio::awaitable;
using net::RespValue;

// KEYS: the session. ARGV: the version expected there ("0": none), the new value, its time to live in milliseconds.
// Versions are compared as text: Lua's numbers are doubles. 1: written. 0: another version. -1: no session.
constexpr std::string_view kSaveScript = R"(local stored = redis.call('GET', KEYS[1])
local version = '0'
if stored then
  version = string.match(stored, '^LQS1 (%d+) ')
  if not version then return -1 end
end
if version ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
)";

base::Error Foreign(std::string_view key, std::string_view what) {
  return {.code = base::Code::kDataLoss,
          .message = fmt::format("what Redis has under the key \"{}\" is no session ({}); delete it, or choose another "
                                 "sessions.redis.prefix",
                                 key, what),
          .reason = "session_unreadable"};
}

base::Error Conflict() {
  return {.code = base::Code::kAborted,
          .message = "the session was changed by another request meanwhile; load it again and retry",
          .reason = "session_conflict"};
}

// An error reply to a command about `key`. A wrong type is the key's own trouble; any other reason (loading, read-only,
// out of memory, no rights, a cluster that is down) is Redis's, which is then as good as away.
base::Error ReplyError(const RespValue& reply, std::string_view key) {
  if (reply.error_code() == "WRONGTYPE" || reply.text.contains("WRONGTYPE")) return Foreign(key, "it is no string");
  return {.code = base::Code::kUnavailable, .message = "Redis refuses: " + reply.text, .reason = "redis_refused"};
}

base::Error Unexpected(std::string_view command) {
  return {.code = base::Code::kUnavailable,
          .message = fmt::format("the reply to {} is of another type than Redis gives", command),
          .reason = "redis_refused"};
}

}  // namespace

// One client's view of what its connection does.
class RedisSessions::Watch final : public net::RedisObserver {
 public:
  explicit Watch(RedisSessions& sessions) : sessions_(sessions) {}

  void OnCommand(net::RedisOutcome outcome, base::Duration took) override {
    outcomes_[static_cast<std::size_t>(outcome)]->Increment();
    const bool answered = outcome == net::RedisOutcome::kOk || outcome == net::RedisOutcome::kError;
    if (answered) sessions_.latency_.Observe(std::chrono::duration<double>(took).count());
  }
  base::Status OnGreeted(std::span<const RespValue> replies) override { return sessions_.OnGreeted(replies); }
  void OnAway(const base::Error& why) override {
    away_ = true;
    sessions_.away_.fetch_add(1, std::memory_order_acq_rel);
    sessions_.events_.away(why);
  }
  void OnReady() override {
    sessions_.connects_.Increment();
    if (std::exchange(away_, false)) sessions_.away_.fetch_sub(1, std::memory_order_acq_rel);
  }

 private:
  static constexpr std::size_t kOutcomes = 6;
  static std::array<observe::Counter*, kOutcomes> Counters(observe::CounterFamily& family) {
    std::array<observe::Counter*, kOutcomes> counters{};
    for (std::size_t i = 0; i < kOutcomes; ++i) {
      counters[i] = &family.With({net::RedisOutcomeName(static_cast<net::RedisOutcome>(i))});
    }
    return counters;
  }

  RedisSessions& sessions_;
  const std::array<observe::Counter*, kOutcomes> outcomes_ = Counters(sessions_.commands_);
  bool away_ = false;
};

RedisSessions::RedisSessions(RedisSessionsOptions options, const base::Clock& clock, observe::Registry& registry,
                             Events events)
    : options_(std::move(options)),
      ttl_ms_(std::to_string(options_.ttl.count())),
      clock_(clock),
      events_(std::move(events)),
      commands_(registry.AddCounterFamily("loquat_redis_commands_total", "Commands to Redis, by how they ended.",
                                          {"outcome"})),
      latency_(registry.AddHistogram("loquat_redis_command_seconds", "From a command to the reply of Redis.")),
      connects_(registry.AddCounter("loquat_redis_connects_total", "Connections to Redis that were greeted.")) {
  // A word of its own for each greeting: where the marker has gone, the word that takes its place is new.
  options_.client.greeting = [this, marker = options_.prefix + "!epoch"] {
    return std::vector<std::vector<std::string>>{
        {"SCRIPT", "LOAD", std::string(kSaveScript)}, {"SET", marker, ids_.RequestId(), "NX"}, {"GET", marker}};
  };
}

RedisSessions::~RedisSessions() = default;

void RedisSessions::Start(net::EventLoops& loops) {
  for (std::size_t i = 0; i < loops.size(); ++i) {
    net::RedisClientOptions client = options_.client;
    client.backoff_seed = base::Hash64(ids_.RequestId(), i);
    watches_.push_back(std::make_unique<Watch>(*this));
    clients_.push_back(std::make_unique<net::RedisClient>(loops.at(i), std::move(client), *watches_.back()));
  }
}

void RedisSessions::Stop() {
  clients_.clear();
}

base::Status RedisSessions::OnGreeted(std::span<const RespValue> replies) {
  const RespValue& script = replies[0];
  const RespValue& marker = replies[2];
  if (!script.is_text() || !marker.is_text()) return Unexpected("SCRIPT LOAD and GET");
  const base::MutexLock lock(mutex_);
  script_ = script.text;
  const bool lost = !epoch_.empty() && epoch_ != marker.text;
  epoch_ = marker.text;
  // Under the lock: no other loop's connection is ready before all copies count as owed.
  if (lost) events_.data_lost();
  return {};
}

awaitable<base::Result<RespValue>> RedisSessions::Call(Arguments arguments) {
  for (const auto& client : clients_) {
    if (client->loop().InLoopThread()) co_return co_await client->Call(arguments);
  }
  net::RedisClient& first = *clients_.front();
  co_return co_await boost::asio::co_spawn(first.loop().executor(), first.Call(arguments), boost::asio::use_awaitable);
}

awaitable<base::Result<SessionSnapshot>> RedisSessions::Get(std::string_view id) {
  const std::string key = Key(id);
  const std::array<std::string_view, 4> renewing = {"GETEX", key, "PX", ttl_ms_};
  const std::array<std::string_view, 2> plain = {"GET", key};
  const bool getex = has_getex_.load(std::memory_order_relaxed);
  LOQUAT_CO_ASSIGN(RespValue reply, co_await Call(getex ? Arguments(renewing) : Arguments(plain)));
  if (getex && reply.error_code() == "ERR" && reply.text.contains("unknown command")) {
    // Before 6.2: the time to live counts from the last turn.
    has_getex_.store(false, std::memory_order_relaxed);
    LOQUAT_CO_ASSIGN(reply, co_await Call(plain));
  }
  if (reply.is_error()) co_return ReplyError(reply, key);
  if (reply.is_null()) co_return SessionSnapshot();
  if (!reply.is_text()) co_return Unexpected("GET");
  base::JsonParser parser = SessionParser();
  auto session = DecodeSession(reply.text, id, parser);
  if (!session.has_value()) co_return Foreign(key, session.error().message);
  session->last_used = clock_.Now();
  co_return std::make_shared<const domain::Session>(std::move(*session));
}

awaitable<base::Result<RespValue>> RedisSessions::Evaluate(Arguments arguments) {
  std::string hash;
  {
    const base::MutexLock lock(mutex_);
    hash = script_;
  }
  std::vector<std::string_view> command = {"EVALSHA", hash, "1"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  // Before the first greeting there is no hash.
  if (!hash.empty()) {
    LOQUAT_CO_ASSIGN(RespValue reply, co_await Call(command));
    if (reply.error_code() != "NOSCRIPT") co_return reply;
  }
  command[0] = "EVAL";
  command[1] = kSaveScript;
  co_return co_await Call(command);
}

awaitable<base::Status> RedisSessions::Put(const domain::Session& session, std::uint64_t expected) {
  const std::string key = Key(session.id);
  const std::string version = std::to_string(expected);
  LOQUAT_CO_ASSIGN(const std::string value, EncodeSession(session));
  const std::array<std::string_view, 4> arguments = {key, version, value, ttl_ms_};
  LOQUAT_CO_ASSIGN(const RespValue reply, co_await Evaluate(arguments));
  if (reply.is_error()) co_return ReplyError(reply, key);
  if (reply.type != net::RespType::kInteger) co_return Unexpected("EVALSHA");
  if (reply.integer == 0) co_return Conflict();
  if (reply.integer < 0) co_return Foreign(key, "it does not begin as one");
  co_return base::Status();
}

awaitable<base::Result<bool>> RedisSessions::Delete(std::string_view id) {
  const std::string key = Key(id);
  const std::array<std::string_view, 2> arguments = {"DEL", key};
  LOQUAT_CO_ASSIGN(const RespValue reply, co_await Call(arguments));
  if (reply.is_error()) co_return ReplyError(reply, key);
  if (reply.type != net::RespType::kInteger) co_return Unexpected("DEL");
  co_return reply.integer > 0;
}

}  // namespace loquat::context
