// Actions under way, from the acceptance to the end: an action is accepted once it is in the journal, and from then on
// goes to its end, done or undone, whoever waits for it and however often the process ends in between.
//
// Before each call the journal has that it starts, and after it what came of it, so that at the next start nothing is
// forgotten and nothing is called under another idempotency key than before.
//
// Threads: Accept, Wait, Find, Configure, SetActions from any thread; calls run on the given loop. Lifetime: the parts
// outlive it; the loop is stopped and joined before it is destroyed, and coroutines that wait in Accept or Wait go
// before it or never run again.

#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/journal.h"
#include "base/mutex.h"
#include "config/snapshot.h"
#include "net/event_loop.h"
#include "net/http_client.h"
#include "net/late_value.h"
#include "net/target_resolver.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "observe/trace.h"
#include "response/action_caller.h"
#include "response/action_set.h"
#include "response/dead_letters.h"
#include "response/saga_metrics.h"
#include "response/saga_table.h"

namespace loquat::response {

struct SagasParts {
  net::EventLoop& loop;
  net::HostResolver& resolver;
  const base::Clock& clock;
  observe::Logger& log;
  observe::Registry& metrics;
  std::shared_ptr<const net::TlsContext> tls;  // For https targets.
  std::string user_agent;
};

struct SagaStart {
  std::string id;  // At most kSagaIdBytesMax. Empty: one is made. One that is known already is not begun again.
  std::string tenant;
  std::string request_id;
  std::string traceparent;
  std::shared_ptr<const SagaDefinition> definition;
  FieldValues fields;
};

class Sagas {
 public:
  // Reads the journal. Errors: those of base::Journal::Open and Configure.
  static base::Result<std::unique_ptr<Sagas>> Open(const SagasParts& parts, const ActionOptions& options);
  ~Sagas();
  Sagas(const Sagas&) = delete;
  Sagas& operator=(const Sagas&) = delete;

  // From now on, also for what is under way. `own`: the listeners of this server, never called.
  // Errors: those of TargetPolicy; then all stays as it was.
  base::Status Configure(const ActionOptions& options, const std::vector<boost::asio::ip::tcp::endpoint>& own);
  // What intents do from now on; a saga that has begun keeps its definition, but for the values of headers.
  void SetActions(std::shared_ptr<const ActionSet> actions);
  std::shared_ptr<const ActionSet> actions() const { return *actions_.Get(); }
  SagaMetrics& metrics() { return metrics_; }
  // Goes on with what the journal had; before it nothing is called. REQUIRES: called once, before the loop runs.
  void Start();

  // When it returns the id, the saga is on disk. Errors: those of SagaTable::Add; unavailable "draining", or the
  // journal's error: then nothing has begun.
  boost::asio::awaitable<base::Result<std::string>> Accept(SagaStart start) LOQUAT_EXCLUDES(mutex_);
  // What became of it at its end, or so far at `until` or when `cancel` is. Empty: there is no such saga.
  boost::asio::awaitable<std::optional<SagaView>> Wait(std::string id, base::TimePoint until, base::CancelToken cancel)
      LOQUAT_EXCLUDES(mutex_);
  // Errors: not_found "saga_unknown", also where it is another tenant's.
  base::Result<SagaView> Find(std::string_view id, std::string_view tenant) const LOQUAT_EXCLUDES(mutex_);

  // Begins no saga and no call; true once no call is under way, false when that takes longer. What is open goes on at
  // the next start.
  bool Drain(std::chrono::milliseconds timeout) LOQUAT_EXCLUDES(mutex_);

 private:
  struct Settings {
    ActionOptions options;
    std::shared_ptr<const net::TargetPolicy> policy;
  };
  using Waiter = std::shared_ptr<net::LateValue<bool>>;

  Sagas(const SagasParts& parts, const ActionOptions& options);
  base::Status OpenJournal(const std::string& path) LOQUAT_EXCLUDES(mutex_);
  // Loop thread: begins everything that is due.
  void Pump() LOQUAT_EXCLUDES(mutex_);
  void ArmTimer() LOQUAT_EXCLUDES(mutex_);
  void Tidy(const ActionOptions& options) LOQUAT_EXCLUDES(mutex_);
  void Launch(std::string id) LOQUAT_EXCLUDES(mutex_);
  // One saga, until it has ended, has to wait, or the server stops.
  boost::asio::awaitable<void> Run(std::string id);
  boost::asio::awaitable<bool> CallStep(SagaCall call);
  boost::asio::awaitable<bool> Settle(SagaOutcome outcome);
  // Applies it and writes it down, again and again if need be; false: the server stops.
  boost::asio::awaitable<bool> Persist(SagaRecord record) LOQUAT_EXCLUDES(mutex_);
  boost::asio::awaitable<void> Pause();
  const ActionCaller::Headers* HeadersFor(const CallDefinition& call, const ActionSet& set) const;
  void Bury(const SagaOutcome& outcome) LOQUAT_EXCLUDES(mutex_);
  void OnEnd(const std::string& id) LOQUAT_EXCLUDES(mutex_);
  void OnJournalError(const base::Error& error);
  std::int64_t WallMs() const;

  SagasParts parts_;
  SagaMetrics metrics_;
  const DeadLetters dead_letters_;
  config::SnapshotHolder<Settings> settings_;
  config::SnapshotHolder<std::shared_ptr<const ActionSet>> actions_;
  observe::IdGenerator ids_;
  // Loop thread only.
  net::HttpClient pooled_, fresh_;
  ActionCaller caller_;
  boost::asio::steady_timer timer_;
  base::TimePoint tidied_{};

  mutable base::Mutex mutex_;
  base::CondVar ended_;
  SagaTable table_ LOQUAT_GUARDED_BY(mutex_);
  std::set<std::string, std::less<>> open_ LOQUAT_GUARDED_BY(mutex_);  // Their ends are not on disk yet.
  std::multimap<base::TimePoint, std::string> due_ LOQUAT_GUARDED_BY(mutex_);
  std::multimap<std::string, Waiter, std::less<>> waiters_ LOQUAT_GUARDED_BY(mutex_);
  std::size_t under_way_ LOQUAT_GUARDED_BY(mutex_) = 0;
  bool draining_ LOQUAT_GUARDED_BY(mutex_) = false;
  std::size_t compacted_bytes_ LOQUAT_GUARDED_BY(mutex_) = 0;  // Size of the journal when it was last written anew.
  std::unique_ptr<base::Journal> journal_;                     // Its thread uses the rest.
};

}  // namespace loquat::response
