// What a server consists of, in the order of building. Internal to server.cc and server_reload.cc.
//
// One thread builds and destroys it; reloads come on the threads of the watchers.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "app/action_service.h"
#include "app/callback_delivery.h"
#include "app/engine_models.h"
#include "app/etcd_config.h"
#include "app/routes.h"
#include "app/server.h"
#include "app/server_options.h"
#include "app/server_vars.h"
#include "base/mutex.h"
#include "config/file_watcher.h"
#include "config/live.h"
#include "ingress/kafka/kafka_ingress.h"
#include "net/event_loop.h"
#include "net/net_metrics.h"
#include "observe/process_metrics.h"

namespace loquat::app {

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
        actions(clock),
        understand(Settings(options, std::move(assistant)), sessions, clock,
                   {.replies = &replies, .workers = &prompt_workers, .actions = &actions}),
        streams(understand, options.stream, clock, metrics),
        understand_work(
            understand,
            {.text_bytes_max = options.understand.text_bytes_max, .batch_max = options.understand.batch_max}, clock),
        session_use_cases(sessions),
        health(understand, models.set(), clock),
        net_metrics(metrics),
        routes(options, {.understand = understand,
                         .streams = streams,
                         .callbacks = callbacks,
                         .actions = actions,
                         .generate = generate,
                         .embed = embed,
                         .sessions = session_use_cases,
                         .health = health,
                         .clock = clock,
                         .log = log,
                         .metrics = metrics,
                         .write_vars = [this](std::string& out) { WriteVars(VarsNow(), out); }}),
        loops({.threads = IoThreads(options.server), .pin = options.server.pin_io_threads}),
        http(loops, routes.handler(), HttpOptions(options.server), &net_metrics),
        domain_reloads(metrics.AddCounterFamily("loquat_domain_reloads_total",
                                                "Times that domain.yml changed, by what became of it.", {"outcome"})) {}

  // Without a Redis that could be configured the server does not start; see Start.
  context::SessionStore& Sessions() {
    if (redis_sessions.has_value() && *redis_sessions != nullptr) return **redis_sessions;
    return memory_sessions;
  }
  ServerVars VarsNow() const;
  base::Status Listen();
  base::Status ListenGrpc();
  base::Status JoinKafka();
  base::Status StartServing(base::TimePoint begin, std::int64_t etcd_revision);
  // Opens and starts what engines run; says in the log what takes long or is slow.
  base::Status LoadModels(const std::string& isa);
  base::Status TakeModels();
  base::Status OpenCallbacks();
  base::Status OpenActions();
  base::Status FollowConfig(config::Loaded<Options> loaded, config::Sources sources);
  base::Status FollowEtcd(std::int64_t known_revision);
  base::Status Approve(const config::Loaded<Options>& fresh) const;
  void Reload(const Options& fresh) LOQUAT_EXCLUDES(reload_mutex);
  base::Status FollowDomain();
  void ReloadDomain() LOQUAT_EXCLUDES(reload_mutex);

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
  pipeline::Actions actions;
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
  std::unique_ptr<ActionService> action_service;        // Null: there are none.
  std::unique_ptr<ingress::KafkaIngress> kafka;         // Null: it is not configured.
  std::unique_ptr<config::LiveConfig<Options>> live_config;
  config::SnapshotHolder<Options>::Subscription reloads;
  std::unique_ptr<EtcdConfig> etcd;  // Null: none is configured.
  base::Mutex reload_mutex;          // A reload reads the settings in force and replaces them.
  observe::CounterFamily& domain_reloads;
  std::unique_ptr<config::FileWatcher> domain_watcher;

  base::TimePoint started_at;
  double start_ms = 0;
  std::string url;
  std::string tls_url;
  std::string grpc_address;
  std::vector<boost::asio::ip::tcp::endpoint> listeners;
};

}  // namespace loquat::app
