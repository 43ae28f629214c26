// A configuration that follows its file and a layer: loaded at start, reloaded when one of the two changes or when
// asked to, and kept as it is where the new one is bad. Thread-safe. The logger and the registry outlive it.
//
//   auto live = config::LiveConfig<AppOptions>::Start(sources, std::move(loaded), logger, registry);
//   config::SnapshotReader<AppOptions> reader((*live)->snapshots());      // One for each thread.
//
// Metrics: loquat_config_reloads_total{result="changed"|"unchanged"|"failed"} and loquat_config_last_reload_success.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "config/file_watcher.h"
#include "config/load.h"
#include "config/reconcile.h"
#include "config/snapshot.h"
#include "observe/log.h"
#include "observe/metrics.h"

namespace loquat::config {

// What does not depend on the type: counting, logging, the last errors.
class ReloadReport {
 public:
  enum class Source : std::uint8_t { kFile, kLayer };

  ReloadReport(std::string file, observe::Logger& logger, observe::Registry& registry);

  void Changed(Source source, const std::vector<Change>& changes, const std::vector<std::string>& warnings);
  void Unchanged(Source source);
  // What a look at everything found; `cause` is what was new.
  void Take(Source cause, const Verdict& verdict) LOQUAT_EXCLUDES(mutex_);
  void Unreadable(const base::Error& error) LOQUAT_EXCLUDES(mutex_);  // The file.
  // Why a source is not in force as it is now; ok where all are.
  base::Status last() const LOQUAT_EXCLUDES(mutex_);

 private:
  void Failed(Source source, const base::Error& error) LOQUAT_EXCLUDES(mutex_);
  void Show() LOQUAT_REQUIRES(mutex_);

  const std::string file_;
  observe::Logger& logger_;
  observe::Counter* changed_;
  observe::Counter* unchanged_;
  observe::Counter* failed_;
  observe::Gauge& success_;

  mutable base::Mutex mutex_;
  base::Status file_status_ LOQUAT_GUARDED_BY(mutex_);
  base::Status layer_status_ LOQUAT_GUARDED_BY(mutex_);
  bool unread_ LOQUAT_GUARDED_BY(mutex_) = false;  // The file's status is of a read that failed.
};

template <typename T>
class LiveConfig {
 public:
  using Source = ReloadReport::Source;

  // `first` is what Load gave for the same sources. Watches the file, if the sources name one.
  static base::Result<std::unique_ptr<LiveConfig>> Start(Sources sources, Loaded<T> first, observe::Logger& logger,
                                                         observe::Registry& registry, WatchOptions watch = {}) {
    std::unique_ptr<LiveConfig> live(new LiveConfig(std::move(sources), std::move(first), logger, registry));
    if (!live->sources_.file.empty()) {
      LOQUAT_ASSIGN(live->watcher_, FileWatcher::Start(live->sources_.file, watch, [raw = live.get()] {
                      (void)raw->Reload().has_value();  // The report has it.
                    }));
    }
    return live;
  }

  // What the keys alone do not tell: an error refuses a change as one of the keys would. Called with one change at a
  // time, before it is in force; calls nothing of this.
  using Approve = std::function<base::Status(const Loaded<T>& fresh)>;
  void RequireApproval(Approve approve) LOQUAT_EXCLUDES(mutex_) {
    const base::MutexLock lock(mutex_);
    approve_ = std::move(approve);
  }

  SnapshotHolder<T>& snapshots() { return snapshots_; }
  const SnapshotHolder<T>& snapshots() const { return snapshots_; }

  // Looks at the file again and swaps if anything differs. An error leaves everything as it was.
  base::Status Reload() { return LoadFile(true); }
  // The same after Start, once the owner has subscribed: a change since the first load, when nobody watched yet, is not
  // lost. Says nothing where nothing differs.
  base::Status CatchUp() { return LoadFile(false); }
  // What the layer is now. An error: a part of it, some of its transactions, is not in force; see layer().
  base::Status TakeLayer(LayerPtr layer) LOQUAT_EXCLUDES(mutex_) {
    const base::MutexLock lock(mutex_);
    reconciler_.WantLayer(std::move(layer));
    return Settle(Source::kLayer, false).layer;
  }

  // What of the layer is in force.
  LayerPtr layer() const LOQUAT_EXCLUDES(mutex_) {
    const base::MutexLock lock(mutex_);
    return reconciler_.good().layer;
  }
  // Why the file, or a part of the layer, is not in force; ok otherwise.
  base::Status last_reload() const { return report_.last(); }
  // The effective configuration as YAML.
  std::string Dump() const LOQUAT_EXCLUDES(mutex_) {
    const base::MutexLock lock(mutex_);
    return DumpSchema(schema_, snapshots_.Get().get(), origins_);
  }

 private:
  base::Status LoadFile(bool report_unchanged) LOQUAT_EXCLUDES(mutex_) {
    const base::MutexLock lock(mutex_);
    // Read under the lock: of two reads, the later one has the last word.
    auto text = ReadFileOf(sources_);
    if (!text.has_value()) {
      report_.Unreadable(text.error());
      return text.error();
    }
    reconciler_.WantFile(*std::move(text));
    return Settle(Source::kFile, report_unchanged).file;
  }

  // Finds what of the sources stands, swaps to it and says so.
  Verdict Settle(Source cause, bool report_unchanged) LOQUAT_REQUIRES(mutex_) {
    std::optional<Loaded<T>> stands;
    const Approve approve = approve_;
    const Verdict verdict = reconciler_.Settle([&](const std::string& file, const LayerPtr& layer) -> base::Status {
      Sources sources = sources_;
      sources.file_text = file;
      sources.layer = layer;
      LOQUAT_ASSIGN(Loaded<T> loaded, Load<T>(sources));
      if (approve) LOQUAT_TRY(approve(loaded));
      stands = std::move(loaded);
      return {};
    });
    report_.Take(cause, verdict);
    if (!stands.has_value()) return verdict;
    const auto before = snapshots_.Get();
    const std::vector<Change> changes = ChangesIn(schema_, before.get(), &stands->value);
    if (changes.empty()) {
      if (report_unchanged && verdict.file.has_value()) report_.Unchanged(cause);
      return verdict;
    }
    origins_ = std::move(stands->origins);
    snapshots_.Swap(std::move(stands->value));
    report_.Changed(cause, changes, stands->warnings);
    return verdict;
  }

  static Contents FirstContents(const Sources& sources, const Loaded<T>& first) {
    return {first.file_text, sources.layer != nullptr ? sources.layer : std::make_shared<const Layer>()};
  }

  LiveConfig(Sources sources, Loaded<T> first, observe::Logger& logger, observe::Registry& registry)
      : sources_(std::move(sources)),
        report_(sources_.file, logger, registry),
        snapshots_(std::move(first.value)),
        reconciler_(FirstContents(sources_, first)),
        origins_(std::move(first.origins)) {
    sources_.refuse_empty_file = true;
  }

  // Constant after construction.
  Sources sources_;
  const Schema schema_ = SchemaOf<T>();

  ReloadReport report_;
  SnapshotHolder<T> snapshots_;
  mutable base::Mutex mutex_;  // One reload at a time.
  Reconciler reconciler_ LOQUAT_GUARDED_BY(mutex_);
  Approve approve_ LOQUAT_GUARDED_BY(mutex_);
  Origins origins_ LOQUAT_GUARDED_BY(mutex_);
  std::unique_ptr<FileWatcher> watcher_;  // Last: its thread uses the rest.
};

}  // namespace loquat::config
