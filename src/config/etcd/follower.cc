#include "config/etcd/follower.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <utility>

#include "config/etcd/snapshot_file.h"

namespace loquat::config::etcd {
namespace {

base::Error Because(base::Code code, std::string_view reason, std::string message) {
  return {.code = code, .message = std::move(message), .reason = std::string(reason)};
}

bool IsSilent(const base::Error& error) {
  return error.code == base::Code::kDeadlineExceeded && error.reason == kSilent;
}

// Few enough for a label.
std::string_view RestartReason(const base::Error& error) {
  for (const std::string_view reason : {"compacted", "rolled_back", "silent", "cancelled", "data_lost", "too_many_keys",
                                        "too_many_bytes", "protocol"}) {
    if (error.reason == reason) return reason;
  }
  return base::CodeName(error.code);
}

}  // namespace

Follower::Follower(const FollowerParts& parts, const EtcdOptions& options, std::int64_t known_revision,
                   std::uint64_t seed)
    : parts_(parts),
      options_(options),
      space_(options),
      known_revision_(known_revision),
      delivered_(parts.sink.InForce()),
      backoff_({.first = options.retry_first, .ceiling = options.retry_max}, seed),
      status_(Because(base::Code::kUnavailable, "etcd_away", "etcd is not connected yet")),
      connected_(parts.metrics.AddGauge("loquat_etcd_connected", "1 while etcd is watched, else 0.")),
      revision_(parts.metrics.AddGauge("loquat_etcd_revision", "Revision of etcd up to which changes were seen.")),
      reloads_(parts.metrics.AddCounterFamily("loquat_etcd_reloads_total",
                                              "Changes that came from etcd: applied, or refused in part or whole.",
                                              {"outcome"})),
      restarts_(parts.metrics.AddCounterFamily("loquat_etcd_watch_restarts_total",
                                               "Connections to etcd or watches that ended or failed, by reason.",
                                               {"reason"})),
      writes_(parts.metrics.AddCounterFamily("loquat_etcd_snapshot_writes_total", "Snapshots written, by result.",
                                             {"result"})),
      age_(parts.metrics.AddCallback(
          observe::MetricType::kGauge, "loquat_etcd_snapshot_age_seconds",
          "Since what is in force was last written to disk; -1: never by this process.", [this] {
            const std::int64_t saved = saved_ms_.load(std::memory_order_relaxed);
            if (saved == 0) return -1.0;
            const auto now = parts_.clock.WallNow().time_since_epoch();
            return std::max(0.0, std::chrono::duration<double>(now).count() - static_cast<double>(saved) / 1e3);
          })) {}

base::Status Follower::status() const {
  const base::MutexLock lock(mutex_);
  return status_;
}

void Follower::SetStatus(base::Status status) {
  const base::MutexLock lock(mutex_);
  status_ = std::move(status);
}

void Follower::Stop() {
  parts_.client.Stop();
  const base::MutexLock lock(mutex_);
  stop_ = true;
  stopping_.NotifyAll();
}

void Follower::Run() {
  for (;;) {
    (void)Session();  // The status, the log and the metrics have it.
    const base::TimePoint until = std::chrono::steady_clock::now() + NextWait();
    const base::MutexLock lock(mutex_);
    while (!stop_ && stopping_.WaitUntil(mutex_, until)) continue;
    if (stop_) return;
  }
}

base::Error Follower::Session() {
  const std::size_t endpoint = endpoint_;
  base::Status ended;
  auto connection = parts_.client.Connect(endpoint);
  if (!connection.has_value()) {
    ended = std::move(connection).error();
  } else {
    ended = Follow(**connection);
  }
  base::Error why = std::move(ended).error();
  // Another member next, but where this one works and only wants to be asked anew.
  if (why.reason != "compacted" && why.reason != "rolled_back") {
    endpoint_ = (endpoint + 1) % parts_.client.endpoint_count();
  }
  why.message = fmt::format("etcd at {}: {}", parts_.client.endpoint(endpoint), why.message);
  Ended(why);
  return why;
}

void Follower::Ended(const base::Error& why) {
  connected_.Set(0);
  pieces_.clear();
  pieces_bytes_ = 0;
  if (watched_since_ && parts_.clock.Now() - *watched_since_ >= options_.retry_max) backoff_.Reset();
  watched_since_.reset();
  if (why.reason == kStopped) return;
  restarts_.With({std::string(RestartReason(why))}).Increment();
  const bool content = why.reason == "too_many_keys" || why.reason == "too_many_bytes";
  if (std::exchange(told_, Told::kAway) != Told::kAway) {
    parts_.log.Warn("etcd is not followed, what was taken from it last stays; it is tried again",
                    {{"error", why.message}, {"reason", RestartReason(why)}});
  } else {
    parts_.log.Debug("etcd is still not followed", {{"error", why.message}});
  }
  base::Error status = why;
  if (!content) status.reason = "etcd_away";
  SetStatus(std::move(status));
}

base::Status Follower::RangeAnew(Connection& connection) {
  current_ = false;
  LOQUAT_ASSIGN(const RangeAnswer answer, connection.Range(options_.keys_max + 1));
  LOQUAT_TRY(space_.Replace(answer));
  current_ = true;
  revision_.Set(static_cast<double>(answer.revision));
  const bool back = answer.revision < known_revision_;
  lost_ = (back || lost_) && answer.keys.empty() && !delivered_->entries.empty();
  known_revision_ = answer.revision;
  if (lost_) {
    // As an empty file: more likely an accident than meant. The first key that comes is meant.
    parts_.log.Error("etcd has lost its data: its revision went back and there is no key; what was taken last stays",
                     {{"prefix", options_.prefix}, {"revision", answer.revision}});
    restarts_.With({"data_lost"}).Increment();
    return {};
  }
  Deliver();
  Save();
  return {};
}

base::Status Follower::Follow(Connection& connection) {
  if (!current_) LOQUAT_TRY(RangeAnew(connection));
  LOQUAT_TRY(connection.Watch(space_.revision() + 1));
  bool asked = false;
  for (;;) {
    auto message = connection.Next(options_.keepalive);
    if (message.has_value()) {
      asked = false;
      LOQUAT_TRY(TakeMessage(*std::move(message)));
    } else if (!IsSilent(message.error())) {
      return std::move(message).error();
    } else if (asked) {
      return Because(base::Code::kUnavailable, "silent", "it gives no sign of life");
    } else {
      LOQUAT_TRY(connection.AskProgress());
      asked = true;
    }
  }
}

base::Status Follower::TakeMessage(WatchMessage message) {
  if (message.cancelled) {
    current_ = false;
    if (message.compact_revision > 0) {
      return Because(base::Code::kOutOfRange, "compacted",
                     fmt::format("revision {} was compacted away; the keys are read anew", space_.revision() + 1));
    }
    return Because(base::Code::kAborted, "cancelled", "it ended the watch: " + message.reason.substr(0, 200));
  }
  if (message.created) {
    if (message.revision < space_.revision()) {
      // A member that lags, or a store that began again: a range through the whole cluster tells.
      current_ = false;
      return Because(
          base::Code::kOutOfRange, "rolled_back",
          fmt::format("its revision is {}, after {}; the keys are read anew", message.revision, space_.revision()));
    }
    connected_.Set(1);
    SetStatus({});
    watched_since_ = parts_.clock.Now();
    if (std::exchange(told_, Told::kFollowed) != Told::kFollowed) {
      parts_.log.Info("etcd is followed",
                      {{"endpoint", parts_.client.endpoint(endpoint_)}, {"revision", message.revision}});
    }
  }
  if (message.progress && pieces_.empty()) space_.Advance(message.revision);
  if (!message.events.empty()) LOQUAT_TRY(TakeEvents(message));
  known_revision_ = space_.revision();
  revision_.Set(static_cast<double>(space_.revision()));
  Save();
  return {};
}

base::Status Follower::TakeEvents(WatchMessage& message) {
  for (const Event& event : message.events) pieces_bytes_ += event.key.key.size() + event.key.value.size();
  std::ranges::move(message.events, std::back_inserter(pieces_));
  if (message.fragment) {
    // Room for every key to change once in a transaction.
    if (pieces_.size() <= 2 * options_.keys_max && pieces_bytes_ <= 2 * options_.bytes_max) return {};
    current_ = false;
    return Because(base::Code::kResourceExhausted, "too_many_bytes",
                   "one transaction has more than twice what etcd.keys_max and etcd.bytes_max allow");
  }
  // One transaction after the other: each is taken or refused by itself.
  const std::vector<Event> events = std::exchange(pieces_, {});
  pieces_bytes_ = 0;
  for (auto first = events.begin(); first != events.end();) {
    const auto last = std::find_if(first, events.end(),
                                   [&](const Event& event) { return event.key.revision != first->key.revision; });
    if (base::Status applied = space_.Apply({first, last}); !applied.has_value()) {
      current_ = false;
      return applied;
    }
    Deliver();
    first = last;
  }
  return {};
}

void Follower::Deliver() {
  if (delivered_->entries == space_.layer().entries) return;
  delivered_ = std::make_shared<const Layer>(space_.layer());
  const base::Status taken = parts_.sink.Take(delivered_);
  reloads_.With({taken.has_value() ? "applied" : "refused"}).Increment();
  if (taken.has_value()) space_.ForgetGone();
}

void Follower::Save() {
  if (options_.snapshot.empty()) return;
  const LayerPtr layer = parts_.sink.InForce();
  if (saved_ != nullptr && saved_->entries == layer->entries) return;
  const base::WallTime now = parts_.clock.WallNow();
  const base::Status written = WriteSnapshot({.layer = *layer, .revision = space_.revision(), .saved = now}, options_);
  writes_.With({written.has_value() ? "written" : "failed"}).Increment();
  if (!written.has_value()) {
    parts_.log.Error("the snapshot of etcd's configuration is not written",
                     {{"file", options_.snapshot}, {"error", written.error().message}});
    return;
  }
  saved_ = layer;
  saved_ms_.store(std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count(),
                  std::memory_order_relaxed);
}

}  // namespace loquat::config::etcd
