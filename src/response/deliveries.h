// Answers by callback, from the promise to the last call: a request is accepted once it is in the journal, its answer
// is made later, and is sent to its URL until that takes it or the budget is spent. What was accepted and not finished
// when the process ended, however it ended, is done at the next start.
//
// At least once: a receiver may see an answer twice (the process died between the call and the record of it) and knows
// it by its webhook-id, which is the delivery's id. An answer that was made and not written down is made again.
//
// Threads: Accept, Find, List, Configure from any thread; works and calls run on the given loop. Lifetime: the parts
// outlive it; the loop is stopped and joined before it is destroyed, and waiting coroutines of Accept go before it or
// never run again.

#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/journal.h"
#include "base/mutex.h"
#include "config/snapshot.h"
#include "net/event_loop.h"
#include "net/http_client.h"
#include "net/target_resolver.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "observe/trace.h"
#include "response/callback_sender.h"
#include "response/dead_letters.h"
#include "response/delivery_metrics.h"
#include "response/delivery_table.h"

namespace loquat::response {

struct DeliveriesParts {
  net::EventLoop& loop;
  net::HostResolver& resolver;
  const base::Clock& clock;
  observe::Logger& log;
  observe::Registry& metrics;
  std::shared_ptr<const net::TlsContext> tls;  // For https targets.
  std::string user_agent;
};

class Deliveries {
 public:
  // Makes the body of a callback; never fails, since an error is an answer too. Runs on the loop.
  using Work = std::function<boost::asio::awaitable<std::string>(const CallbackWork& work)>;

  // Reads the journal. Errors: those of base::Journal::Open and Configure.
  static base::Result<std::unique_ptr<Deliveries>> Open(const DeliveriesParts& parts, const CallbackOptions& options);
  ~Deliveries();
  Deliveries(const Deliveries&) = delete;
  Deliveries& operator=(const Deliveries&) = delete;

  // From now on; what is under way keeps what it began with. `own`: the listeners of this server, never called.
  // Errors: those of WebhookSigner and TargetPolicy; then all stays as it was.
  base::Status Configure(const CallbackOptions& options, const std::vector<boost::asio::ip::tcp::endpoint>& own);
  // Goes on with what the journal had; before it nothing is done. REQUIRES: called once, before the loop runs.
  void Start(Work work);

  // Fills in the id and the time of acceptance. When it returns the id, the work is on disk.
  // Errors: those of TargetPolicy::CheckUrl, param "/callback_url"; those of DeliveryTable::Add; unavailable
  // "draining", or the journal's error: then nothing was promised.
  boost::asio::awaitable<base::Result<std::string>> Accept(CallbackWork work);

  // Errors: not_found "delivery_unknown", also where it is another tenant's.
  base::Result<DeliveryView> Find(std::string_view id, std::string_view tenant) const LOQUAT_EXCLUDES(mutex_);
  std::vector<DeliveryView> List(std::string_view tenant, std::optional<DeliveryState> state, std::size_t most) const
      LOQUAT_EXCLUDES(mutex_);

  // Begins nothing new; true once nothing is under way, false when that takes longer. What waits is done at the next
  // start.
  bool Drain(std::chrono::milliseconds timeout) LOQUAT_EXCLUDES(mutex_);

 private:
  Deliveries(const DeliveriesParts& parts, const CallbackOptions& options);
  base::Status OpenJournal(const std::string& path);
  void Pump() LOQUAT_EXCLUDES(mutex_);
  void ArmTimer() LOQUAT_EXCLUDES(mutex_);
  void Tidy(const CallbackOptions& options) LOQUAT_EXCLUDES(mutex_);
  boost::asio::awaitable<void> RunWork(CallbackWork work);
  boost::asio::awaitable<void> RunSend(DueSend send);
  // What a call led to: done, given up, or once more.
  void Settle(const DueSend& send, const CallbackSettings& settings, const SendOutcome& outcome,
              DeliveryAttempt attempt);
  void Bury(const DueSend& send, const DeliveryAttempt& attempt, const std::string& reason);
  // Without waiting for the disk.
  void Write(const DeliveryRecord& record) LOQUAT_REQUIRES(mutex_);
  void OnJournalError(const base::Error& error);
  void EndedOne() LOQUAT_EXCLUDES(mutex_);
  std::int64_t WallMs() const;

  DeliveriesParts parts_;
  DeliveryMetrics metrics_;
  const DeadLetters dead_letters_;
  config::SnapshotHolder<CallbackSettings> settings_;
  observe::IdGenerator ids_;
  // Loop thread only.
  net::HttpClient client_;
  CallbackSender sender_;
  boost::asio::steady_timer timer_;
  Work work_;
  base::TimePoint tidied_{};

  mutable base::Mutex mutex_;
  base::CondVar ended_;
  DeliveryTable table_ LOQUAT_GUARDED_BY(mutex_);
  std::size_t under_way_ LOQUAT_GUARDED_BY(mutex_) = 0;
  bool draining_ LOQUAT_GUARDED_BY(mutex_) = false;
  std::size_t compacted_bytes_ LOQUAT_GUARDED_BY(mutex_) = 0;  // Size of the journal when it was last written anew.
  std::unique_ptr<base::Journal> journal_;                     // Its thread uses the rest.
};

}  // namespace loquat::response
