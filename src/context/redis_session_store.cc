#include "context/redis_session_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <utility>

#include "base/check.h"
#include "context/session_merge.h"

namespace loquat::context {
namespace {

using base::Code;
using boost::asio::awaitable;

constexpr auto kHealInterval = std::chrono::milliseconds(200);
constexpr auto kLogInterval = std::chrono::seconds(10);  // Between two lines that say that Redis is away.
constexpr auto kRetryAfter = std::chrono::seconds(1);
constexpr std::size_t kServerNameBytes = 10;  // 50 random bits.
constexpr std::size_t kHealWorkers = 16;
constexpr int kWriteBackAttemptsMax = 100;  // Lost races against other servers before a later round tries again.

bool IsAway(const base::Error& error) {
  return error.code == Code::kUnavailable || error.code == Code::kDeadlineExceeded;
}

bool IsSameState(const domain::Session& a, const domain::Session& b) {
  return a.version == b.version && a.turn_count == b.turn_count && a.turns.empty() == b.turns.empty() &&
         (a.turns.empty() || SameTurn(a.turns.back(), b.turns.back()));
}

std::unique_ptr<domain::Session> Replacing(const domain::Session& local, std::uint64_t remote_version) {
  auto session = std::make_unique<domain::Session>(local);
  session->version = std::max(local.version, remote_version) + 1;
  return session;
}

}  // namespace

// The debts of one round of healing, shared by its workers.
struct RedisSessionStore::Round {
  std::vector<std::string> ids;
  std::size_t next = 0;
  std::size_t running = 0;
  bool away = false;
};

RedisSessionStore::RedisSessionStore(const RedisSessionStoreOptions& options, const base::Clock& clock,
                                     observe::Logger& log, observe::Registry& registry)
    : options_(options),
      clock_(clock),
      log_(log),
      server_(observe::IdGenerator().RequestId().substr(0, kServerNameBytes)),
      local_(options.memory, clock, server_),
      active_(registry.AddGauge("loquat_sessions_fallback_active", "1 while Redis is away or is owed sessions.")),
      owed_(registry.AddGauge("loquat_sessions_owed", "Sessions that wait to be written back to Redis.")),
      local_turns_(
          registry.AddCounter("loquat_sessions_local_saves_total", "Updates kept in memory for want of Redis.")),
      merges_(registry.AddCounter("loquat_sessions_merged_total",
                                  "Sessions written back where other servers had taken turns meanwhile.")),
      write_backs_(registry.AddCounterFamily("loquat_sessions_written_back_total",
                                             "Owed sessions that were settled, by how.", {"outcome"})),
      logged_at_((clock.Now() - kLogInterval).time_since_epoch().count()),
      redis_(options.redis, clock, registry,
             {.away = [this](const base::Error& why) { OnAway(why); }, .data_lost = [this] { OnDataLost(); }}) {}

void RedisSessionStore::Start(net::EventLoops& loops) {
  redis_.Start(loops);
  boost::asio::co_spawn(loops.at(0).context(), HealLoop(), boost::asio::detached);
}

base::Error RedisSessionStore::Away(const base::Error& why) const {
  return {.code = Code::kUnavailable,
          .message = "the store of sessions is away (" + why.message + "); try again, or leave the session out",
          .reason = "session_store_away",
          .retry_after = kRetryAfter};
}

void RedisSessionStore::OnAway(const base::Error& why) {
  const bool was_away = is_away_.exchange(true, std::memory_order_acq_rel);
  active_.Set(1);
  if (was_away) return;
  const base::TimePoint now = clock_.Now();
  const base::TimePoint last{base::Duration(logged_at_.load(std::memory_order_relaxed))};
  if (now - last < kLogInterval) return;
  logged_at_.store(now.time_since_epoch().count(), std::memory_order_relaxed);
  log_.Warn(options_.fallback ? "Redis is away; sessions go on in memory"
                              : "Redis is away; requests with a session are refused",
            {{"error", why.message}});
}

void RedisSessionStore::OnBack() {
  if (!is_away_.exchange(false, std::memory_order_acq_rel)) return;
  active_.Set(0);
  log_.Info("Redis is back; nothing is owed to it");
}

void RedisSessionStore::OnDataLost() {
  // What is restored may be older than what others hold: from here on it is another branch.
  branch_.fetch_add(1, std::memory_order_relaxed);
  if (!options_.fallback) return;
  local_.OweAll();
  owed_.Set(static_cast<double>(local_.owed()));
  log_.Warn("Redis has lost its data; sessions are written back from memory", {{"sessions", local_.owed()}});
}

awaitable<bool> RedisSessionStore::IsLocal(std::string_view id) {
  if (!options_.fallback || !local_.Owes(id)) co_return false;
  (void)co_await WriteBack(std::string(id));
  co_return local_.Owes(id);
}

awaitable<base::Result<SessionSnapshot>> RedisSessionStore::Load(std::string_view id) {
  if (co_await IsLocal(id)) co_return local_.Load(id);
  auto loaded = co_await redis_.Get(id);
  if (loaded.has_value()) {
    if (!options_.fallback) co_return loaded;
    if (*loaded != nullptr) {
      local_.Keep(*loaded);
    } else {
      local_.Forget(id);
    }
    // A debt that began meanwhile is newer than what Redis said.
    co_return local_.Owes(id) ? base::Result<SessionSnapshot>(local_.Load(id)) : std::move(loaded);
  }
  if (!IsAway(loaded.error())) co_return loaded;
  OnAway(loaded.error());
  if (!options_.fallback) co_return Away(loaded.error());
  co_return local_.Load(id);
}

base::Result<SessionSnapshot> RedisSessionStore::SaveLocally(std::unique_ptr<domain::Session> session,
                                                             std::uint64_t expected_version) {
  auto saved = local_.Save(std::move(session), expected_version);
  if (saved.has_value()) local_turns_.Increment();
  owed_.Set(static_cast<double>(local_.owed()));
  return saved;
}

awaitable<base::Result<SessionSnapshot>> RedisSessionStore::Save(std::unique_ptr<domain::Session> session,
                                                                 std::uint64_t expected_version) {
  LOQUAT_CHECK(IsValidSessionId(session->id), "ingress validates session ids");
  if (options_.fallback && local_.Owes(session->id)) {
    co_return SaveLocally(std::move(session), expected_version);
  }
  TakeTurns(fmt::format("{}.{}", server_, branch_.load(std::memory_order_relaxed)), *session);
  session->version = expected_version + 1;
  session->last_used = clock_.Now();
  const base::Status put = co_await redis_.Put(*session, expected_version);
  if (put.has_value()) {
    SessionSnapshot stored(std::move(session));
    if (options_.fallback) local_.Keep(stored);
    co_return stored;
  }
  if (put.error().code == Code::kAborted) conflicts_.fetch_add(1, std::memory_order_relaxed);
  if (!IsAway(put.error())) co_return put.error();
  OnAway(put.error());
  if (!options_.fallback) co_return Away(put.error());
  co_return SaveLocally(std::move(session), expected_version);
}

awaitable<base::Result<bool>> RedisSessionStore::Remove(std::string_view id) {
  if (options_.fallback && local_.Owes(id)) {
    const bool there = local_.Remove(id);
    (void)co_await WriteBack(std::string(id));
    co_return there;
  }
  auto removed = co_await redis_.Delete(id);
  if (removed.has_value()) {
    if (options_.fallback) local_.Forget(id);
    co_return removed;
  }
  if (!IsAway(removed.error())) co_return removed;
  OnAway(removed.error());
  if (!options_.fallback) co_return Away(removed.error());
  co_return local_.Remove(id);
}

SessionStoreStats RedisSessionStore::stats() const {
  SessionStoreStats stats = local_.stats();
  stats.conflicts += conflicts_.load(std::memory_order_relaxed);
  return stats;
}

SessionStoreHealth RedisSessionStore::health() const {
  if (!is_away_.load(std::memory_order_acquire)) return {};
  const std::string what = options_.fallback
                               ? fmt::format("Redis is away or is owed sessions; {} wait in memory", local_.owed())
                               : std::string("Redis is away; requests with a session are refused");
  return {
      .status =
          base::Error{
              .code = Code::kUnavailable, .message = what, .reason = "session_store_away", .retry_after = kRetryAfter},
      .usable = options_.fallback};
}

awaitable<base::Result<SessionSnapshot>> RedisSessionStore::Pay(const std::string& id,
                                                                const LocalSessions::Debt& debt) {
  if (debt.session == nullptr) {
    if (debt.removed) LOQUAT_CO_TRY(co_await redis_.Delete(id));
    write_backs_.With({debt.removed ? "removed" : "pushed_out"}).Increment();
    co_return SessionSnapshot();
  }
  for (int attempt = 0; attempt < kWriteBackAttemptsMax; ++attempt) {
    LOQUAT_CO_ASSIGN(const SessionSnapshot remote, co_await redis_.Get(id));
    const bool moved_on =
        remote != nullptr && !debt.removed && (debt.base == nullptr || !IsSameState(*debt.base, *remote));
    std::unique_ptr<domain::Session> next = moved_on
                                                ? MergeSessions(*debt.session, *remote, options_.turns_max)
                                                : Replacing(*debt.session, remote == nullptr ? 0 : remote->version);
    next->last_used = clock_.Now();
    const bool merged = moved_on && HasOwnTurns(*remote, *debt.session);
    const base::Status put = co_await redis_.Put(*next, remote == nullptr ? 0 : remote->version);
    if (put.has_value()) {
      if (merged) merges_.Increment();
      write_backs_.With({merged ? "merged" : "written"}).Increment();
      co_return SessionSnapshot(std::move(next));
    }
    if (put.error().code != Code::kAborted) co_return put.error();
    conflicts_.fetch_add(1, std::memory_order_relaxed);
  }
  co_return base::Unavailable("other servers changed the session each time it was to be written back");
}

awaitable<base::Status> RedisSessionStore::WriteBack(std::string id) {
  const auto debt = local_.Begin(id);
  if (!debt) co_return base::Status();
  auto written = co_await Pay(id, *debt);
  base::Status status;
  if (written.has_value()) {
    local_.Settle(id, *debt, std::move(*written));
  } else if (IsAway(written.error()) || written.error().reason == "redis_full") {
    local_.Release(id, *debt);
    status = std::move(written).error();
  } else {
    // Something else stands under the key, or the session is too large for one: there is nowhere to write it to.
    write_backs_.With({"unreadable"}).Increment();
    log_.Warn("a session cannot be written back to Redis", {{"session", id}, {"error", written.error().message}});
    local_.Settle(id, *debt, nullptr);
    status = std::move(written).error();
  }
  owed_.Set(static_cast<double>(local_.owed()));
  co_return status;
}

awaitable<void> RedisSessionStore::HealSome(std::shared_ptr<Round> round) {
  while (!round->away && round->next < round->ids.size()) {
    const base::Status paid = co_await WriteBack(std::move(round->ids[round->next++]));
    if (!paid.has_value() && IsAway(paid.error())) round->away = true;
  }
  --round->running;
}

awaitable<void> RedisSessionStore::HealLoop() {
  for (;;) {
    co_await net::SleepFor(kHealInterval);
    owed_.Set(static_cast<double>(local_.owed()));
    if (local_.owed() > 0 && redis_.away() == 0) {
      const auto round = std::make_shared<Round>();
      round->ids = local_.OwedIds();
      round->running = std::min(kHealWorkers, round->ids.size());
      const auto executor = co_await boost::asio::this_coro::executor;
      for (std::size_t i = round->running; i > 0; --i) {
        boost::asio::co_spawn(executor, HealSome(round), boost::asio::detached);
      }
      while (round->running > 0) co_await net::SleepFor(kHealInterval);
    }
    if (local_.owed() == 0 && redis_.away() == 0) OnBack();
  }
}

}  // namespace loquat::context
