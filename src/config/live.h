// A configuration that follows its file: loaded at start, reloaded when the file changes or when asked to, and kept as
// it is when the new file is bad. Thread-safe. The logger and the registry outlive it.
//
//   auto live = config::LiveConfig<AppOptions>::Start(sources, std::move(loaded), logger, registry);
//   config::SnapshotReader<AppOptions> reader((*live)->snapshots());      // One for each thread.
//
// Metrics: loquat_config_reloads_total{result="changed"|"unchanged"|"failed"} and loquat_config_last_reload_success.

#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "config/file_watcher.h"
#include "config/load.h"
#include "config/snapshot.h"
#include "observe/log.h"
#include "observe/metrics.h"

namespace loquat::config {

// What does not depend on the type: counting, logging, the last error.
class ReloadReport {
 public:
  ReloadReport(std::string file, observe::Logger& logger, observe::Registry& registry);

  void Changed(const std::vector<Change>& changes, const std::vector<std::string>& warnings);
  void Unchanged();
  void Failed(const base::Error& error);
  // Why the last reload failed; ok where it did not, or there was none.
  base::Status last() const LOQUAT_EXCLUDES(mutex_);

 private:
  void Succeeded(observe::Counter& counter) LOQUAT_EXCLUDES(mutex_);

  const std::string file_;
  observe::Logger& logger_;
  observe::Counter* changed_;
  observe::Counter* unchanged_;
  observe::Counter* failed_;
  observe::Gauge& success_;

  mutable base::Mutex mutex_;
  base::Status last_ LOQUAT_GUARDED_BY(mutex_);
};

template <typename T>
class LiveConfig {
 public:
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

  SnapshotHolder<T>& snapshots() { return snapshots_; }
  const SnapshotHolder<T>& snapshots() const { return snapshots_; }

  // Loads again and swaps if anything differs. An error leaves everything as it was.
  base::Status Reload() { return LoadAgain(true); }
  // The same after Start, once the owner has subscribed: a change since the first load, when nobody watched yet, is not
  // lost. Says nothing where nothing differs.
  base::Status CatchUp() { return LoadAgain(false); }

  // Why the last reload failed; ok otherwise.
  base::Status last_reload() const { return report_.last(); }
  // The effective configuration as YAML.
  std::string Dump() const LOQUAT_EXCLUDES(mutex_) {
    const base::MutexLock lock(mutex_);
    return DumpSchema(schema_, snapshots_.Get().get(), origins_);
  }

 private:
  base::Status LoadAgain(bool report_unchanged) LOQUAT_EXCLUDES(mutex_) {
    const base::MutexLock lock(mutex_);
    auto loaded = Load<T>(sources_);
    if (!loaded.has_value()) {
      report_.Failed(loaded.error());
      return loaded.error();
    }
    const auto before = snapshots_.Get();
    const std::vector<Change> changes = ChangesIn(schema_, before.get(), &loaded->value);
    if (changes.empty()) {
      if (report_unchanged) report_.Unchanged();
      return {};
    }
    origins_ = std::move(loaded->origins);
    snapshots_.Swap(std::move(loaded->value));
    report_.Changed(changes, loaded->warnings);
    return {};
  }

  LiveConfig(Sources sources, Loaded<T> first, observe::Logger& logger, observe::Registry& registry)
      : sources_(std::move(sources)),
        report_(sources_.file, logger, registry),
        snapshots_(std::move(first.value)),
        origins_(std::move(first.origins)) {
    sources_.refuse_empty_file = true;
  }

  // Constant after construction.
  Sources sources_;
  const Schema schema_ = SchemaOf<T>();

  ReloadReport report_;
  SnapshotHolder<T> snapshots_;
  mutable base::Mutex mutex_;  // One reload at a time.
  Origins origins_ LOQUAT_GUARDED_BY(mutex_);
  std::unique_ptr<FileWatcher> watcher_;  // Last: its thread uses the rest.
};

}  // namespace loquat::config
