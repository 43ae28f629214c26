#include "config/live.h"

namespace loquat::config {

ReloadReport::ReloadReport(std::string file, observe::Logger& logger, observe::Registry& registry)
    : file_(std::move(file)),
      logger_(logger),
      success_(registry.AddGauge("loquat_config_last_reload_success",
                                 "1 if the last reload of the configuration succeeded or there was none, else 0.")) {
  auto& family =
      registry.AddCounterFamily("loquat_config_reloads_total", "Reloads of the configuration, by result.", {"result"});
  changed_ = &family.With({"changed"});
  unchanged_ = &family.With({"unchanged"});
  failed_ = &family.With({"failed"});
  success_.Set(1);
}

void ReloadReport::Succeeded(observe::Counter& counter) {
  const base::MutexLock lock(mutex_);
  last_ = {};
  counter.Increment();
  success_.Set(1);
}

void ReloadReport::Changed(const std::vector<Change>& changes, const std::vector<std::string>& warnings) {
  Succeeded(*changed_);
  std::string now;
  std::string later;
  for (const Change& change : changes) {
    std::string& list = change.needs_restart ? later : now;
    list.append(list.empty() ? "" : ", ").append(change.path);
  }
  logger_.Info("configuration reloaded", {{"file", file_}, {"changed", now}});
  if (!later.empty()) logger_.Warn("configuration changes wait for a restart", {{"file", file_}, {"keys", later}});
  for (const std::string& warning : warnings) logger_.Warn("configuration warning", {{"warning", warning}});
}

void ReloadReport::Unchanged() {
  Succeeded(*unchanged_);
  logger_.Info("configuration file touched, nothing changed", {{"file", file_}});
}

void ReloadReport::Failed(const base::Error& error) {
  logger_.Error("configuration not reloaded, the old one stays", {{"file", file_}, {"error", error.message}});
  const base::MutexLock lock(mutex_);
  last_ = error;
  failed_->Increment();
  success_.Set(0);
}

base::Status ReloadReport::last() const {
  const base::MutexLock lock(mutex_);
  return last_;
}

}  // namespace loquat::config
