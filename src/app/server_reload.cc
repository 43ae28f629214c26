#include <algorithm>
#include <utility>

#include "app/server_parts.h"

namespace loquat::app {

// What the road does with the models that run here. REQUIRES: they are loaded.
base::Status Server::Parts::TakeModels() {
  pipeline::UnderstandSettings settings = Settings(options, understand.settings()->assistant);
  LOQUAT_ASSIGN(settings.encoders, pipeline::FrameEncoders::Create(options.encoders, models.set(), settings.assistant));
  LOQUAT_ASSIGN(settings.reply, pipeline::ReplyRule::Create(options.reply, models.set(), *settings.assistant));
  understand.SetSettings(std::move(settings));
  return {};
}

base::Status Server::Parts::FollowConfig(config::Loaded<Options> loaded, config::Sources sources) {
  LOQUAT_ASSIGN(live_config, config::LiveConfig<Options>::Start(std::move(sources), std::move(loaded), log, metrics));
  live_config->RequireApproval([this](const auto& fresh) { return Approve(fresh); });
  reloads = live_config->snapshots().Subscribe([this](const auto&, const auto& after) { Reload(*after); });
  (void)live_config->CatchUp().has_value();  // The log and the metrics have it.
  return {};
}

// Once a reload finds every part running.
base::Status Server::Parts::FollowEtcd(std::int64_t known_revision) {
  if (!options.etcd.endpoints.empty()) {
    LOQUAT_ASSIGN(etcd, EtcdConfig::Start(options.etcd, known_revision, *live_config, clock, log, metrics));
  }
  // Whether the configuration in force is the one that is wanted.
  health.Watch([this]() -> pipeline::PartHealth {
    base::Status reloaded = live_config->last_reload();
    if (!reloaded.has_value()) return {.status = std::move(reloaded)};
    return {.status = etcd ? etcd->status() : base::Status()};
  });
  return {};
}

// Whether the reply policy is right for this assistant. One that comes with other models waits with them for a restart.
base::Status Server::Parts::Approve(const config::Loaded<Options>& fresh) const {
  const bool same_models =
      std::ranges::equal(fresh.value.models, options.models, {}, &EngineModelOptions::name, &EngineModelOptions::name);
  if (!same_models) return {};
  const auto reply = pipeline::ReplyRule::Create(fresh.value.reply, models.set(), *understand.settings()->assistant);
  if (!reply.has_value()) return AtOrigin(reply.error(), fresh.origins);
  return {};
}

// What may change while serving; the keys marked NeedsRestart wait for the next start.
void Server::Parts::Reload(const Options& fresh) {
  const base::MutexLock lock(reload_mutex);
  const auto before = understand.settings();
  pipeline::UnderstandSettings settings = Settings(fresh, before->assistant);
  settings.encoders = before->encoders;
  auto reply = pipeline::ReplyRule::Create(fresh.reply, models.set(), *before->assistant);
  if (!reply.has_value()) {
    // It speaks of models that wait for a restart.
    log.Error("the reply policy stays as it was",
              {{"key", KeyOf(reply.error().param)}, {"error", reply.error().message}});
  }
  settings.reply = reply.value_or(before->reply);
  // The journal is opened at start alone: a policy that counts on another one has to wait.
  settings.delivery.callbacks.journal = options.delivery.callbacks.journal;
  understand.SetSettings(std::move(settings));
  streams.SetOptions(fresh.stream);
  routes.Reload(fresh);
  if (callback_delivery) {
    const base::Status configured = callback_delivery->Reload(fresh.delivery.callbacks);
    if (!configured.has_value()) {
      log.Error("callbacks stay as they were configured", {{"error", configured.error().message}});
    }
  }
  if (action_service) {
    const base::Status configured = action_service->Reload(fresh.actions);
    if (!configured.has_value()) {
      log.Error("actions stay as they were configured", {{"error", configured.error().message}});
    }
  }
  log.SetLevel(fresh.log.level);
}

// Replies, questions, required slots and kinds of values: what a person edits while the server runs.
base::Status Server::Parts::FollowDomain() {
  LOQUAT_ASSIGN(domain_watcher, config::FileWatcher::Start(understand.settings()->assistant->domain_file(), {},
                                                           [this] { ReloadDomain(); }));
  return {};
}

void Server::Parts::ReloadDomain() {
  const base::MutexLock lock(reload_mutex);
  pipeline::UnderstandSettings settings = *understand.settings();
  const std::string file = settings.assistant->domain_file();
  auto assistant = pipeline::Assistant::WithDomainOfNow(*settings.assistant);
  if (assistant.has_value() && settings.reply != nullptr) {
    auto reply = pipeline::ReplyRule::Create(settings.reply->policy(), models.set(), **assistant);
    if (reply.has_value()) {
      settings.reply = *std::move(reply);
    } else {
      assistant = std::move(reply).error();
    }
  }
  domain_reloads.With({assistant.has_value() ? "ok" : "error"}).Increment();
  if (!assistant.has_value()) {
    log.Error("the domain stays as it was", {{"file", file}, {"error", assistant.error().message}});
    return;
  }
  settings.assistant = *std::move(assistant);
  understand.SetSettings(std::move(settings));
  log.Info("the domain was read anew", {{"file", file}});
}

}  // namespace loquat::app
