// Every answer by callback that this server knows: what waits to be made, what waits to be sent and when, what is
// finished and can still be looked at. Pure bookkeeping: who runs works and calls, and writes the journal, is
// deliveries.h.
//
// Calls are handed out by host, the host that was served longest ago first, and none has more than its share under way:
// a host that is slow or down holds up its own deliveries alone.
//
// One thread at a time. The clock outlives it.

#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/hash.h"
#include "base/result.h"
#include "response/callback_options.h"
#include "response/delivery_record.h"

namespace loquat::response {

// What others may see of one.
struct DeliveryView {
  std::string id;
  std::string request_id;
  std::string target;  // "https://host:port", without what may be secret in a path.
  std::string tenant;
  DeliveryState state = DeliveryState::kQueued;
  std::int64_t accepted_ms = 0;
  std::int64_t finished_ms = 0;      // Zero: not finished.
  std::int64_t next_attempt_ms = 0;  // Zero: none is planned.
  std::uint32_t attempts_made = 0;
  std::vector<DeliveryAttempt> attempts;  // The latest kAttemptsKept.
  std::string reason;                     // Why it was given up.
};

// One call that is due.
struct DueSend {
  std::string id;
  std::string url;
  std::string traceparent;
  std::shared_ptr<const std::string> body;
  std::int64_t accepted_ms = 0;
  std::uint32_t attempt = 0;  // From one.
};

struct DeliveryCounts {
  std::array<std::size_t, 3> by_state{};  // Queued, working, delivering.
  std::size_t finished = 0;
  std::size_t bytes = 0;                // Of works and answers not delivered yet.
  std::int64_t oldest_accepted_ms = 0;  // Of those not finished; zero: none.
  std::size_t open() const { return by_state[0] + by_state[1] + by_state[2]; }
};

class DeliveryTable {
 public:
  explicit DeliveryTable(const base::Clock& clock) : clock_(clock) {}
  DeliveryTable(const DeliveryTable&) = delete;
  DeliveryTable& operator=(const DeliveryTable&) = delete;

  // Takes a place for it, which nothing is done with until Begin.
  // Errors: resource_exhausted with the reason "callback_queue_full", "callback_undelivered_full",
  // "callback_host_full" or "callback_bytes_full".
  base::Status Add(CallbackWork work, const CallbackLimits& limits);
  void Begin(std::string_view id);  // The promise is on disk: it may be worked on.
  void Drop(std::string_view id);   // It is not: nobody was promised anything.

  // The next answer to be made, where one waits and fewer than works_max are in the making.
  std::optional<CallbackWork> TakeWork(const CallbackLimits& limits);
  void FinishWork(std::string_view id, std::string body);

  // The next call that is due, where hosts and limits allow.
  std::optional<DueSend> TakeSend(const CallbackLimits& limits);
  // The call that was taken failed; the next one is due at `at`.
  void Retry(std::string_view id, DeliveryAttempt attempt, base::TimePoint at);
  // The call that was taken was the last.
  void Finish(std::string_view id, DeliveryAttempt attempt, DeliveryState state, std::string reason);

  // When a call is due that limits do not hold back; TimePoint::max(): none is planned.
  base::TimePoint NextDue() const;
  // Forgets finished ones beyond retention and number.
  void Expire(const CallbackOptions& options);

  std::optional<DeliveryView> Find(std::string_view id) const;
  // Newest first, of one tenant and, where given, one state.
  std::vector<DeliveryView> List(std::string_view tenant, std::optional<DeliveryState> state, std::size_t most) const;
  DeliveryCounts Counts() const;

  // As it was written. What refers to nothing known is passed over. Limits do not hold: what was promised is kept.
  void Replay(DeliveryRecord record);
  // After the last record: what was not finished is to be done, the calls at the times that were planned.
  void BeginReplayed();
  // The records that rebuild this table.
  std::vector<std::string> Snapshot() const;

 private:
  struct Host;
  struct Entry {
    CallbackWork work;
    std::string host;
    std::uint64_t number = 0;  // In the order of acceptance.
    DeliveryState state = DeliveryState::kQueued;
    bool begun = false;
    std::shared_ptr<const std::string> body;
    std::uint32_t attempts_made = 0;
    std::deque<DeliveryAttempt> attempts;
    std::int64_t next_ms = 0;
    std::int64_t finished_ms = 0;
    std::string reason;

    std::size_t bytes() const { return work.work.size() + (body ? body->size() : 0); }
  };
  struct Host {
    std::set<std::pair<base::TimePoint, std::uint64_t>> due;  // With the entry's number.
    std::size_t sending = 0;
    std::size_t open = 0;
    base::TimePoint served{};  // When its last call began.
    base::TimePoint turn{};    // Its place in turns_.
    bool in_turns = false;
  };
  using Hosts = std::map<std::string, Host, std::less<>>;

  Entry* Get(std::string_view id);
  std::int64_t WallMs() const;
  void Plan(Entry& entry, base::TimePoint at);
  void Open(Entry& entry);
  void Close(Entry& entry);
  // Puts the host where it belongs among those that have a call to make.
  void Place(Hosts::value_type& host);
  static void Note(Entry& entry, DeliveryAttempt attempt);
  static DeliveryView ViewOf(const Entry& entry);

  const base::Clock& clock_;
  std::map<std::uint64_t, Entry> entries_;  // In the order of acceptance.
  std::unordered_map<std::string, std::uint64_t, base::StringHash, std::equal_to<>> numbers_;
  Hosts hosts_;
  // By the time at which it is a host's turn: when its first call is due, or when it was served last, whichever is
  // later. Hosts whose share is under way are not in it.
  std::set<std::pair<base::TimePoint, std::string>> turns_;
  std::set<std::uint64_t> works_;       // Begun and not in the making.
  std::set<std::uint64_t> open_;        // Not finished.
  std::deque<std::uint64_t> finished_;  // In the order of finishing.
  std::size_t counts_[3] = {};
  std::size_t bytes_ = 0;
  std::size_t sending_ = 0;
  std::size_t sends_host_max_ = 1;  // As of the last limits seen.
  std::uint64_t last_number_ = 0;
};

}  // namespace loquat::response
