#include "app/server.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "app/address.h"
#include "app/command_line.h"
#include "app/server_parts.h"
#include "net/tls.h"

namespace loquat::app {

ServerVars Server::Parts::VarsNow() const {
  return {.uptime_seconds = std::chrono::duration<double>(clock.Now() - started_at).count(),
          .start_ms = start_ms,
          .connections = http.connections(),
          .exchanges = http.exchanges(),
          .sessions = sessions.stats(),
          .assistant = understand.settings()->assistant,
          .latencies = routes.Latencies()};
}

base::Status Server::Parts::Listen() {
  LOQUAT_ASSIGN(net::ListenAddress address, ParseAddress(options.server.listen));
  LOQUAT_ASSIGN(address.port, http.Listen({.address = address}));
  url = UrlOf("http", address);
  listeners = EndpointsOf(address);
  if (!options.server.tls) return {};
  const TlsOptions& tls = *options.server.tls;
  LOQUAT_ASSIGN(auto context, net::TlsContext::ForServer({.certificate_file = tls.certificate, .key_file = tls.key}));
  LOQUAT_ASSIGN(net::ListenAddress tls_address, ParseAddress(tls.listen));
  LOQUAT_ASSIGN(tls_address.port, http.Listen({.address = tls_address, .tls = std::move(context)}));
  tls_url = UrlOf("https", tls_address);
  for (const auto& endpoint : EndpointsOf(tls_address)) listeners.push_back(endpoint);
  return {};
}

base::Status Server::Parts::ListenGrpc() {
  if (options.grpc.listen.empty()) return {};
  ingress::GrpcSettings settings = GrpcSettings(options);
  settings.sessions_at_once = &sessions == &memory_sessions;
  LOQUAT_ASSIGN(grpc, ingress::GrpcServer::Start(std::move(settings), {.understand = understand,
                                                                       .streams = streams,
                                                                       .callbacks = callbacks,
                                                                       .generate = generate,
                                                                       .health = health,
                                                                       .clock = clock,
                                                                       .log = log,
                                                                       .metrics = metrics,
                                                                       .loops = loops}));
  LOQUAT_ASSIGN(net::ListenAddress address, ParseAddress(options.grpc.listen));
  if (grpc->port() != 0) address.port = grpc->port();
  grpc_address = UrlOf("grpc", address);
  for (const auto& endpoint : EndpointsOf(address)) listeners.push_back(endpoint);
  return {};
}

base::Status Server::Parts::JoinKafka() {
  if (options.kafka.brokers.empty()) return {};
  const ingress::UnderstandBodyLimits limits{.text_bytes_max = options.understand.text_bytes_max};
  LOQUAT_ASSIGN(
      kafka, ingress::KafkaIngress::Start(
                 options.kafka, limits,
                 {.understand = understand, .callbacks = callbacks, .clock = clock, .log = log, .metrics = metrics}));
  health.Watch([this] { return kafka->health(); });
  return {};
}

base::Status Server::Parts::StartServing(base::TimePoint begin, std::int64_t etcd_revision) {
  if (*redis_sessions != nullptr) (*redis_sessions)->Start(loops);
  // What is watched is known before anybody can ask after it.
  health.Watch([this]() -> pipeline::PartHealth {
    context::SessionStoreHealth store = sessions.health();
    return {.status = std::move(store.status), .usable = store.usable};
  });
  LOQUAT_TRY(FollowEtcd(etcd_revision));
  LOQUAT_TRY(FollowDomain());
  LOQUAT_TRY(JoinKafka());
  LOQUAT_TRY(ListenGrpc());
  // After the listeners: neither actions nor callbacks may call this server itself.
  if (action_service) LOQUAT_TRY(action_service->Start(listeners));
  if (callback_delivery) LOQUAT_TRY(callback_delivery->Start(listeners));
  // Before the loops run: /debug/vars reads them on an I/O thread.
  started_at = begin;
  start_ms = std::chrono::duration<double, std::milli>(clock.Now() - begin).count();
  loops.Start();
  return {};
}

// Before anything listens: what the journal has is known to the first request.
base::Status Server::Parts::OpenActions() {
  const ActionServiceParts parts{
      .clock = clock, .log = log, .metrics = metrics, .assistant = understand.settings()->assistant};
  LOQUAT_ASSIGN(action_service, ActionService::Open(options.actions, parts));
  if (action_service) actions.Attach(action_service->sagas());
  return {};
}

base::Status Server::Parts::OpenCallbacks() {
  const response::CallbackOptions& callback_options = options.delivery.callbacks;
  if (callback_options.journal.empty()) return {};
  LOQUAT_ASSIGN(callback_delivery, CallbackDelivery::Open(callback_options, understand_work, clock, log, metrics));
  callbacks.Attach(callback_delivery->deliveries());
  return {};
}

Server::Server(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
// Undrained connections are cut: the loops end before the server on them goes.
Server::~Server() {
  // Its calls end on the loops.
  parts_->grpc.reset();
  // Its records end on loops of its own, with the engines there.
  if (parts_->kafka) parts_->kafka->Drain(std::chrono::milliseconds(0));
  // Engines keep no coroutine of a loop that is about to stop.
  parts_->generate.Stop();
  parts_->embed.Stop();
  parts_->understand.Stop();
  parts_->prompt_workers.Stop();
  if (parts_->callback_delivery) parts_->callback_delivery->Stop();
  if (parts_->action_service) parts_->action_service->Stop();
  parts_->loops.Stop();
  parts_->loops.Join();
  if (*parts_->redis_sessions != nullptr) (*parts_->redis_sessions)->Stop();
}

base::Status Server::Parts::LoadModels(const std::string& isa) {
  const LoadEvents events{.progress =
                              [this](const std::string& name, double fraction) {
                                const auto percent = static_cast<std::int64_t>(100 * fraction);
                                log.Info("weights are put in order", {{"model", name}, {"percent", percent}});
                              },
                          .notice =
                              [this](const std::string& name, const std::string& notice) {
                                log.Warn("a model runs slower than it could", {{"model", name}, {"why", notice}});
                              }};
  return models.Load(options.models, isa, events);
}

base::Result<std::unique_ptr<Server>> Server::Start(config::Loaded<Options> options, config::Sources sources,
                                                    const std::string& model_path) {
  auto clock = std::make_unique<base::SystemClock>();
  const base::TimePoint begin = clock->Now();
  const ModelOptions& model = options.value.model;
  LOQUAT_ASSIGN(auto assistant,
                pipeline::Assistant::Load(
                    model.name, model_path,
                    model.isa.empty() ? ForcedIsa() : understanding::UnderstanderOptions{.force_isa = model.isa}));
  LOQUAT_ASSIGN(auto sinks, MakeSinks(options.value.log, *clock));
  auto parts = std::make_unique<Parts>(options.value, std::move(clock), std::move(assistant), std::move(sinks));
  for (const std::string& warning : options.warnings) parts->log.Warn("configuration", {{"warning", warning}});
  if (!parts->redis_sessions.has_value()) return parts->redis_sessions.error();
  LOQUAT_TRY(parts->LoadModels(model.isa.empty() ? ForcedIsa().force_isa : model.isa));
  if (base::Status taken = parts->TakeModels(); !taken.has_value()) {
    return AtOrigin(std::move(taken).error(), options.origins);
  }
  ReserveFiles(options.value.server, parts->log);
  LOQUAT_TRY(parts->OpenCallbacks());
  LOQUAT_TRY(parts->OpenActions());
  const std::int64_t etcd_revision = sources.layer_revision;
  LOQUAT_TRY(parts->FollowConfig(std::move(options), std::move(sources)));
  LOQUAT_TRY(parts->Listen());
  // From here on there is something to stop.
  std::unique_ptr<Server> server(new Server(std::move(parts)));
  LOQUAT_TRY(server->parts_->StartServing(begin, etcd_revision));
  return server;
}

const std::string& Server::url() const {
  return parts_->url;
}
const std::string& Server::tls_url() const {
  return parts_->tls_url;
}
const std::string& Server::grpc_address() const {
  return parts_->grpc_address;
}
double Server::start_ms() const {
  return parts_->start_ms;
}

std::string Server::model_summary() const {
  const auto assistant = parts_->understand.settings()->assistant;
  return fmt::format("{} ({}): {} intents", assistant->name, assistant->path,
                     assistant->understander->intents().size());
}

std::vector<std::string> Server::engine_summaries() const {
  std::vector<std::string> summaries;
  for (const pipeline::ServedModel& model : parts_->models.set().all()) {
    const engine::ModelInfo& info = model.info();
    std::string_view use = info.can_embed ? "embedding" : "encoding";
    if (info.can_classify || info.can_label_tokens) use = "classification";
    if (info.can_generate) use = model.text->has_chat_template() ? "chat" : "completion";
    summaries.push_back(fmt::format("{}: {}, context {}", info.name, use, info.context));
  }
  return summaries;
}

net::DrainReport Server::Drain() {
  parts_->health.StartDraining();
  const std::chrono::milliseconds timeout = parts_->live_config->snapshots().Get()->server.drain_timeout;
  const base::TimePoint until = parts_->clock.Now() + timeout;
  std::size_t calls_cut = 0;
  std::jthread grpc;
  if (parts_->grpc != nullptr) grpc = std::jthread([&] { calls_cut = parts_->grpc->Drain(timeout); });
  std::size_t records_left = 0;
  std::jthread kafka;
  if (parts_->kafka != nullptr) kafka = std::jthread([&] { records_left = parts_->kafka->Drain(timeout); });
  net::DrainReport report = parts_->http.Drain(timeout);
  if (kafka.joinable()) kafka.join();
  if (records_left > 0) {
    parts_->log.Warn("records of Kafka are left; they are answered by whoever has their partition next",
                     {{"records", records_left}});
  }
  if (grpc.joinable()) grpc.join();
  report.exchanges_cut += calls_cut;
  const auto left = [&] {
    const base::Duration rest = until - parts_->clock.Now();
    return std::max(std::chrono::duration_cast<std::chrono::milliseconds>(rest), std::chrono::milliseconds(0));
  };
  if (parts_->action_service && !parts_->action_service->Drain(left())) {
    parts_->log.Warn("calls of actions are cut; they go on at the next start");
  }
  if (parts_->callback_delivery && !parts_->callback_delivery->Drain(left())) {
    parts_->log.Warn("callbacks under way are cut; they are sent again at the next start");
  }
  return report;
}

}  // namespace loquat::app
