#include "config/live.h"

#include <string_view>

namespace loquat::config {
namespace {

constexpr std::string_view kLayerName = "etcd";

bool IsSame(const base::Status& a, const base::Status& b) {
  return !a.has_value() && !b.has_value() && a.error() == b.error();
}

}  // namespace

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

void ReloadReport::Show() {
  success_.Set(file_status_.has_value() && layer_status_.has_value() ? 1 : 0);
}

void ReloadReport::Take(Source cause, const Verdict& verdict) {
  // What was wrong before is not told again because of the other source, nor of another transaction.
  bool file_failed = false;
  bool layer_failed = false;
  {
    const base::MutexLock lock(mutex_);
    if (cause == Source::kFile) unread_ = false;
    file_failed = !verdict.file.has_value() && (cause == Source::kFile || !IsSame(verdict.file, file_status_));
    layer_failed = !verdict.layer.has_value() && !IsSame(verdict.layer, layer_status_);
    if (verdict.file.has_value() && !unread_) file_status_ = {};
    if (verdict.layer.has_value()) layer_status_ = {};
    Show();
  }
  if (file_failed) Failed(Source::kFile, verdict.file.error());
  if (layer_failed) Failed(Source::kLayer, verdict.layer.error());
}

void ReloadReport::Unreadable(const base::Error& error) {
  Failed(Source::kFile, error);
  const base::MutexLock lock(mutex_);
  unread_ = true;
}

void ReloadReport::Changed(Source source, const std::vector<Change>& changes,
                           const std::vector<std::string>& warnings) {
  changed_->Increment();
  std::string now;
  std::string later;
  for (const Change& change : changes) {
    std::string& list = change.needs_restart ? later : now;
    list.append(list.empty() ? "" : ", ").append(change.path);
  }
  const observe::Field from =
      source == Source::kFile ? observe::Field("file", file_) : observe::Field("source", kLayerName);
  logger_.Info("configuration reloaded", {from, {"changed", now}});
  if (!later.empty()) logger_.Warn("configuration changes wait for a restart", {from, {"keys", later}});
  for (const std::string& warning : warnings) logger_.Warn("configuration warning", {{"warning", warning}});
}

void ReloadReport::Unchanged(Source source) {
  unchanged_->Increment();
  if (source == Source::kFile) logger_.Info("configuration file touched, nothing changed", {{"file", file_}});
}

void ReloadReport::Failed(Source source, const base::Error& error) {
  if (source == Source::kFile) {
    logger_.Error("configuration not reloaded, the old one stays", {{"file", file_}, {"error", error.message}});
  } else {
    logger_.Error("configuration change refused, what was before it stays",
                  {{"source", kLayerName}, {"error", error.message}});
  }
  failed_->Increment();
  const base::MutexLock lock(mutex_);
  (source == Source::kFile ? file_status_ : layer_status_) = error;
  Show();
}

base::Status ReloadReport::last() const {
  const base::MutexLock lock(mutex_);
  return file_status_.has_value() ? layer_status_ : file_status_;
}

}  // namespace loquat::config
