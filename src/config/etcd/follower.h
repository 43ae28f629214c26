// Follows the keys below a prefix: a range, a watch from the revision after it, and after a drop a watch from where the
// last one ended. A revision that is gone (compaction) or that never was (a store that lost data) means a range again.
// Members are tried in turn; waits between tries grow, with full jitter.
//
// One thread runs Session or Run; status() and Stop are for any. The parts outlive it.
//
// Metrics: loquat_etcd_connected, loquat_etcd_revision, loquat_etcd_reloads_total{outcome},
// loquat_etcd_watch_restarts_total{reason}, loquat_etcd_snapshot_writes_total{result},
// loquat_etcd_snapshot_age_seconds.

#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"
#include "config/etcd/client.h"
#include "config/etcd/etcd_options.h"
#include "config/etcd/key_space.h"
#include "config/layer.h"
#include "observe/log.h"
#include "observe/metrics.h"

namespace loquat::config::etcd {

// Who puts the layer in force.
class LayerSink {
 public:
  virtual ~LayerSink() = default;
  // An error: some transactions of it are refused.
  virtual base::Status Take(LayerPtr layer) = 0;
  // What is in force.
  virtual LayerPtr InForce() const = 0;
};

struct FollowerParts {
  Client& client;
  LayerSink& sink;
  const base::Clock& clock;
  observe::Logger& log;
  observe::Registry& metrics;
};

class Follower {
 public:
  // `known_revision`: of the store, as far as an earlier run or the start saw it; 0: nothing is known. `seed`: of the
  // jitter.
  Follower(const FollowerParts& parts, const EtcdOptions& options, std::int64_t known_revision, std::uint64_t seed);

  // From connecting to one member until that ends; says why it ended.
  base::Error Session();
  // How long to wait before the next session.
  base::Duration NextWait() { return backoff_.Next(); }
  // Sessions until Stop.
  void Run();
  void Stop() LOQUAT_EXCLUDES(mutex_);

  // Ok while the watch runs and nothing is wrong with etcd itself.
  base::Status status() const LOQUAT_EXCLUDES(mutex_);

 private:
  base::Status RangeAnew(Connection& connection);
  base::Status Follow(Connection& connection);
  base::Status TakeMessage(WatchMessage message);
  base::Status TakeEvents(WatchMessage& message);
  void Deliver();
  void Save();
  void Ended(const base::Error& why) LOQUAT_EXCLUDES(mutex_);
  void SetStatus(base::Status status) LOQUAT_EXCLUDES(mutex_);

  FollowerParts parts_;
  const EtcdOptions options_;

  // The following thread only.
  KeySpace space_;
  std::int64_t known_revision_;
  bool current_ = false;       // The space is what etcd had at its revision: a watch may go on from there.
  std::vector<Event> pieces_;  // Of a message whose end is still to come.
  std::size_t pieces_bytes_ = 0;
  LayerPtr delivered_;
  LayerPtr saved_;
  std::size_t endpoint_ = 0;
  bool lost_ = false;                             // The store began again, and has no key yet.
  std::optional<base::TimePoint> watched_since_;  // Of this session.
  enum class Told : std::uint8_t { kNothing, kFollowed, kAway };
  Told told_ = Told::kNothing;  // What the log says of etcd.
  base::Backoff backoff_;

  std::atomic<std::int64_t> saved_ms_{0};  // Wall time of the snapshot; 0: none. Relaxed: orders nothing.
  mutable base::Mutex mutex_;
  base::CondVar stopping_;
  bool stop_ LOQUAT_GUARDED_BY(mutex_) = false;
  base::Status status_ LOQUAT_GUARDED_BY(mutex_);

  observe::Gauge& connected_;
  observe::Gauge& revision_;
  observe::CounterFamily& reloads_;
  observe::CounterFamily& restarts_;
  observe::CounterFamily& writes_;
  observe::CallbackHandle age_;
};

}  // namespace loquat::config::etcd
