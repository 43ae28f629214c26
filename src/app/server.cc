#include "app/server.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <thread>
#include <utility>
#include <vector>

#include "app/address.h"
#include "app/callback_delivery.h"
#include "app/command_line.h"
#include "app/engine_models.h"
#include "app/etcd_config.h"
#include "app/open_files.h"
#include "app/routes.h"
#include "app/server_vars.h"
#include "config/live.h"
#include "context/redis_session_store.h"
#include "ingress/grpc/grpc_server.h"
#include "ingress/http/error_body.h"
#include "net/event_loop.h"
#include "net/net_metrics.h"
#include "net/tls.h"
#include "observe/process_metrics.h"
#include "observe/rotating_file.h"

namespace loquat::app {
namespace {

using Sinks = std::vector<std::unique_ptr<observe::LogSink>>;

base::Result<Sinks> MakeSinks(const LogOptions& options, const base::Clock& clock) {
  Sinks sinks;
  const auto format = options.format == LogFormat::kJson ? observe::LogFormat::kJson : observe::LogFormat::kConsole;
  const bool colour = observe::DescriptorSink::WantsColour(STDERR_FILENO, std::getenv("NO_COLOR") != nullptr);
  sinks.push_back(std::make_unique<observe::DescriptorSink>(STDERR_FILENO, format, colour));
  if (options.file) {
    const observe::RotationOptions rotation{
        .bytes_max = options.file->bytes_max, .backups_max = options.file->backups, .age_max = options.file->age_max};
    LOQUAT_ASSIGN(auto file,
                  observe::RotatingFileSink::Open(options.file->path, observe::LogFormat::kJson, rotation, clock));
    sinks.push_back(std::move(file));
  }
  return sinks;
}

std::size_t IoThreads(const ServerOptions& options) {
  if (options.io_threads > 0) return options.io_threads;
  return std::max<std::size_t>(1, std::thread::hardware_concurrency() / 2);
}

net::HttpServerOptions HttpOptions(const ServerOptions& options) {
  net::HttpServerOptions http{.connections_max = options.connections_max, .body_bytes_max = options.body_bytes_max};
  http.http1.head_bytes_max = options.header_bytes_max;
  http.http2.streams_max = static_cast<std::uint32_t>(options.streams_max);
  http.http2.header_list_bytes_max = static_cast<std::uint32_t>(options.header_bytes_max);
  http.timeouts.handshake = options.timeouts.handshake;
  http.timeouts.head = options.timeouts.head;
  http.timeouts.idle = options.timeouts.idle;
  http.timeouts.write_stall = options.timeouts.write_stall;
  http.timeouts.body_grace = options.timeouts.body_grace;
  http.format_error = [](int, const base::Error& error) { return ingress::ErrorBody(error, {}); };
  return http;
}

ingress::GrpcSettings GrpcSettings(const Options& options) {
  ingress::GrpcSettings settings{.options = options.grpc,
                                 .api_keys = options.server.api_keys,
                                 .text_bytes_max = options.understand.text_bytes_max,
                                 .handshake = options.server.timeouts.handshake};
  if (settings.options.tls && settings.options.tls->certificate.empty()) {
    settings.options.tls->certificate = options.server.tls->certificate;
    settings.options.tls->key = options.server.tls->key;
  }
  return settings;
}

// A limit that is too low would otherwise show under load alone.
void ReserveFiles(const ServerOptions& options, observe::Logger& log) {
  const std::size_t needed = options.connections_max + kOtherFilesMax;
  const std::size_t limit = RaiseOpenFilesLimit(needed);
  if (limit >= needed) return;
  log.Warn("fewer files may be open than server.connections_max needs; raise the hard limit (ulimit -Hn)",
           {{"limit", limit}, {"needed", needed}});
}

// "reply.model", for "/reply/model".
std::string KeyOf(std::string_view pointer) {
  std::string key(pointer.substr(pointer.starts_with('/') ? 1 : 0));
  std::ranges::replace(key, '/', '.');
  return key;
}

// With the place in the file where the key, or the nearest section around it, was set.
base::Error AtOrigin(base::Error error, const config::Origins& origins) {
  const std::string key = KeyOf(error.param);
  const auto origin = std::ranges::find_if(origins, [&key](const auto& entry) {
    return entry.first == key || entry.first.starts_with(key + ".") || key.starts_with(entry.first + ".");
  });
  const std::string place = origin == origins.end() ? "" : origin->second + ": ";
  error.message = fmt::format("{}{}: {}", place, key, error.message);
  return error;
}

pipeline::UnderstandSettings Settings(const Options& options, std::shared_ptr<const pipeline::Assistant> assistant) {
  return {.assistant = std::move(assistant),
          .delivery = options.delivery,
          .tokens_max = options.understand.tokens_max,
          .truncation = options.understand.truncation,
          .ranking_max = options.understand.ranking_max,
          .early_risk_max = options.understand.early_risk_max,
          .end_of_turn = options.understand.end_of_turn,
          .intent_filter = IntentFilter(options.understand.stop_words).value()};
}

context::MemorySessionStoreOptions SessionBounds(const SessionOptions& options) {
  return {.ttl = options.ttl, .sessions_max = options.sessions_max, .bytes_max = options.bytes_max};
}

// Null where sessions live in memory alone.
base::Result<std::unique_ptr<context::RedisSessionStore>> MakeRedisStore(const SessionOptions& options,
                                                                         const base::Clock& clock, observe::Logger& log,
                                                                         observe::Registry& metrics) {
  if (options.store != SessionStoreKind::kRedis) return nullptr;
  LOQUAT_ASSIGN(net::RedisClientOptions client, context::ClientOptions(options.redis));
  const context::RedisSessionStoreOptions store{
      .redis = {.client = std::move(client), .prefix = options.redis.prefix, .ttl = options.ttl},
      .memory = SessionBounds(options),
      .turns_max = pipeline::kSessionTurnsMax,
      .fallback = options.redis.fallback};
  return std::make_unique<context::RedisSessionStore>(store, clock, log, metrics);
}

}  // namespace

// In the order of building; destroyed in reverse.
struct Server::Parts {
  Parts(const Options& server_options, std::unique_ptr<base::SystemClock> system_clock,
        std::shared_ptr<const pipeline::Assistant> assistant, Sinks sinks)
      : options(server_options),
        clock_owner(std::move(system_clock)),
        clock(*clock_owner),
        log(clock, std::move(sinks), {.level = options.log.level}, &metrics),
        process_metrics(metrics),
        memory_sessions(SessionBounds(options.sessions), clock),
        redis_sessions(MakeRedisStore(options.sessions, clock, log, metrics)),
        sessions(Sessions()),
        models(metrics, clock),
        generate(models.set(), prompt_workers),
        embed(models.set(), prompt_workers),
        replies(generate, metrics, clock),
        understand(Settings(options, std::move(assistant)), sessions, clock,
                   {.replies = &replies, .workers = &prompt_workers}),
        streams(understand, options.stream, clock, metrics),
        understand_work(
            understand,
            {.text_bytes_max = options.understand.text_bytes_max, .batch_max = options.understand.batch_max}, clock),
        session_use_cases(sessions),
        health(understand, models.set(), clock, &sessions),
        net_metrics(metrics),
        routes(options, {.understand = understand,
                         .streams = streams,
                         .callbacks = callbacks,
                         .generate = generate,
                         .embed = embed,
                         .sessions = session_use_cases,
                         .health = health,
                         .clock = clock,
                         .log = log,
                         .metrics = metrics,
                         .write_vars = [this](std::string& out) { WriteVars(VarsNow(), out); }}),
        loops({.threads = IoThreads(options.server)}),
        http(loops, routes.handler(), HttpOptions(options.server), &net_metrics) {}

  // Without a Redis that could be configured the server does not start; see Start.
  context::SessionStore& Sessions() {
    if (redis_sessions.has_value() && *redis_sessions != nullptr) return **redis_sessions;
    return memory_sessions;
  }
  ServerVars VarsNow() const;
  base::Status Listen();
  base::Status ListenGrpc();
  base::Status StartServing(base::TimePoint begin, std::int64_t etcd_revision);
  base::Status TakeModels();
  base::Status OpenCallbacks();
  base::Status FollowConfig(config::Loaded<Options> loaded, config::Sources sources);
  base::Status FollowEtcd(std::int64_t known_revision);
  base::Status Approve(const config::Loaded<Options>& fresh) const;
  void Reload(const Options& fresh);

  const Options options;  // As at start; what a reload changes is in the pipeline's settings.
  const std::unique_ptr<const base::SystemClock> clock_owner;
  const base::Clock& clock;
  observe::Registry metrics;
  observe::Logger log;
  observe::ProcessMetrics process_metrics;
  context::MemorySessionStore memory_sessions;
  base::Result<std::unique_ptr<context::RedisSessionStore>> redis_sessions;  // Null: in memory alone.
  context::SessionStore& sessions;
  EngineModels models;
  pipeline::PromptWorkers prompt_workers;
  pipeline::GenerateUseCase generate;
  pipeline::EmbedUseCase embed;
  pipeline::ReplyWriter replies;
  pipeline::UnderstandPipeline understand;
  pipeline::UnderstandStreams streams;
  ingress::UnderstandWork understand_work;
  pipeline::Callbacks callbacks;
  pipeline::SessionUseCases session_use_cases;
  pipeline::Health health;
  net::NetMetrics net_metrics;
  Routes routes;
  net::EventLoops loops;
  net::HttpServer http;
  std::unique_ptr<ingress::GrpcServer> grpc;            // Null where it is not configured.
  std::unique_ptr<CallbackDelivery> callback_delivery;  // Null: none is configured.
  std::unique_ptr<config::LiveConfig<Options>> live_config;
  config::SnapshotHolder<Options>::Subscription reloads;
  std::unique_ptr<EtcdConfig> etcd;  // Null: none is configured.

  base::TimePoint started_at;
  double start_ms = 0;
  std::string url;
  std::string tls_url;
  std::string grpc_address;
  std::vector<boost::asio::ip::tcp::endpoint> listeners;
};

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

base::Status Server::Parts::StartServing(base::TimePoint begin, std::int64_t etcd_revision) {
  if (*redis_sessions != nullptr) (*redis_sessions)->Start(loops);
  LOQUAT_TRY(ListenGrpc());
  // Last of the listeners: callbacks must not call this server itself.
  if (callback_delivery) LOQUAT_TRY(callback_delivery->Start(listeners));
  LOQUAT_TRY(FollowEtcd(etcd_revision));
  // Before the loops run: /debug/vars reads them on an I/O thread.
  started_at = begin;
  start_ms = std::chrono::duration<double, std::milli>(clock.Now() - begin).count();
  loops.Start();
  return {};
}

// What the road does with the models that run here. REQUIRES: they are loaded.
base::Status Server::Parts::TakeModels() {
  pipeline::UnderstandSettings settings = Settings(options, understand.settings()->assistant);
  LOQUAT_ASSIGN(settings.encoders, pipeline::FrameEncoders::Create(options.encoders, models.set(), settings.assistant));
  LOQUAT_ASSIGN(settings.reply, pipeline::ReplyRule::Create(options.reply, models.set(), *settings.assistant));
  understand.SetSettings(std::move(settings));
  return {};
}

// Before anything listens: what the journal has is known to the first request.
base::Status Server::Parts::OpenCallbacks() {
  const response::CallbackOptions& callback_options = options.delivery.callbacks;
  if (callback_options.journal.empty()) return {};
  LOQUAT_ASSIGN(callback_delivery, CallbackDelivery::Open(callback_options, understand_work, clock, log, metrics));
  callbacks.Attach(callback_delivery->deliveries());
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
  health.WatchConfiguration([this]() -> base::Status {
    LOQUAT_TRY(live_config->last_reload());
    return etcd ? etcd->status() : base::Status();
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
  log.SetLevel(fresh.log.level);
}

Server::Server(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
// Undrained connections are cut: the loops end before the server on them goes.
Server::~Server() {
  // Its calls end on the loops.
  parts_->grpc.reset();
  // Engines keep no coroutine of a loop that is about to stop.
  parts_->generate.Stop();
  parts_->embed.Stop();
  parts_->understand.Stop();
  parts_->prompt_workers.Stop();
  if (parts_->callback_delivery) parts_->callback_delivery->Stop();
  parts_->loops.Stop();
  parts_->loops.Join();
  if (*parts_->redis_sessions != nullptr) (*parts_->redis_sessions)->Stop();
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
  LOQUAT_TRY(parts->models.Load(options.value.models, model.isa.empty() ? ForcedIsa().force_isa : model.isa));
  if (base::Status taken = parts->TakeModels(); !taken.has_value()) {
    return AtOrigin(std::move(taken).error(), options.origins);
  }
  ReserveFiles(options.value.server, parts->log);
  LOQUAT_TRY(parts->OpenCallbacks());
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
  net::DrainReport report = parts_->http.Drain(timeout);
  if (grpc.joinable()) grpc.join();
  report.exchanges_cut += calls_cut;
  if (parts_->callback_delivery) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - parts_->clock.Now());
    if (!parts_->callback_delivery->Drain(std::max(left, std::chrono::milliseconds(0)))) {
      parts_->log.Warn("callbacks under way are cut; they are sent again at the next start");
    }
  }
  return report;
}

}  // namespace loquat::app
