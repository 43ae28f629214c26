#include "app/routes.h"

#include <string_view>
#include <utility>
#include <vector>

#include "app/embedded_files.h"
#include "ingress/http/deliveries_handler.h"
#include "ingress/http/operations_handlers.h"
#include "ingress/http/sagas_handler.h"
#include "ingress/http/sessions_handler.h"
#include "ingress/http/understand_handler.h"
#include "ingress/openai/chat_handler.h"
#include "ingress/openai/completions_handler.h"
#include "ingress/openai/embeddings_handler.h"
#include "ingress/openai/models_handler.h"
#include "ingress/stream/websocket_endpoint.h"

namespace loquat::app {
namespace {

using ingress::Access;

std::string_view ContentTypeOf(std::string_view path) {
  if (path.ends_with(".html")) return "text/html; charset=utf-8";
  if (path.ends_with(".js")) return "text/javascript; charset=utf-8";
  if (path.ends_with(".css")) return "text/css; charset=utf-8";
  if (path.ends_with(".svg")) return "image/svg+xml";
  if (path.ends_with(".yaml")) return "application/yaml";
  return "application/octet-stream";
}

// "console/index.html" is served as /console, "console/x.js" as /console/x.js, "openapi/loquat.yaml" as /openapi.yaml.
std::string RouteOf(std::string_view path) {
  if (path == "console/index.html") return "/console";
  if (path == "openapi/loquat.yaml") return "/openapi.yaml";
  return "/" + std::string(path);
}

}  // namespace

struct Routes::Endpoints {
  Endpoints(const Options& options, const RouteParts& parts)
      : streams(parts.streams, options.resume, options.understand.text_bytes_max),
        websocket(streams, options.websocket, parts.clock),
        understand({parts.understand, streams, parts.callbacks, parts.clock},
                   {.text_bytes_max = options.understand.text_bytes_max, .batch_max = options.understand.batch_max}),
        get_delivery(parts.callbacks),
        list_deliveries(parts.callbacks),
        get_saga(parts.actions),
        chat(parts.generate, parts.clock),
        completions(parts.generate, parts.clock),
        embeddings(parts.embed),
        models(parts.generate.models()),
        model(parts.generate.models()),
        get_session(parts.sessions),
        delete_session(parts.sessions),
        fork_session(parts.sessions),
        ready(parts.health),
        health(parts.health),
        metrics(parts.metrics),
        vars(parts.write_vars),
        router({.api_keys = options.server.api_keys, .cors_origins = options.server.cors_origins}, parts.clock,
               parts.log, parts.metrics) {
    router.Add("POST", "/v1/understand", Access::kKey, understand);
    router.Add("GET", "/v1/stream", Access::kKey, websocket);
    router.Add("GET", "/v1/deliveries", Access::kKey, list_deliveries);
    router.Add("GET", "/v1/deliveries/{}", Access::kKey, get_delivery);
    router.Add("GET", "/v1/sagas/{}", Access::kKey, get_saga);
    router.Add("POST", "/v1/chat/completions", Access::kKey, chat);
    router.Add("POST", "/v1/completions", Access::kKey, completions);
    router.Add("POST", "/v1/embeddings", Access::kKey, embeddings);
    router.Add("GET", "/v1/models", Access::kKey, models);
    router.Add("GET", "/v1/models/{}", Access::kKey, model);
    router.Add("GET", "/v1/sessions/{}", Access::kKey, get_session);
    router.Add("DELETE", "/v1/sessions/{}", Access::kKey, delete_session);
    router.Add("POST", "/v1/sessions/{}/fork", Access::kKey, fork_session);
    router.Add("GET", "/livez", Access::kOpen, live);
    router.Add("GET", "/readyz", Access::kOpen, ready);
    router.Add("GET", "/healthz", Access::kKey, health);
    router.Add("GET", "/metrics", Access::kKey, metrics);
    router.Add("GET", "/debug/vars", Access::kKey, vars);
    for (const EmbeddedFile& file : EmbeddedFiles()) {
      files.push_back(std::make_unique<ingress::StaticEndpoint>(ContentTypeOf(file.path), file.content));
      router.Add("GET", RouteOf(file.path), Access::kOpen, *files.back());
    }
  }

  ingress::EventStreams streams;
  ingress::WebSocketEndpoint websocket;
  ingress::UnderstandEndpoint understand;
  ingress::GetDeliveryEndpoint get_delivery;
  ingress::ListDeliveriesEndpoint list_deliveries;
  ingress::GetSagaEndpoint get_saga;
  ingress::openai::ChatEndpoint chat;
  ingress::openai::CompletionsEndpoint completions;
  ingress::openai::EmbeddingsEndpoint embeddings;
  ingress::openai::ModelsEndpoint models;
  ingress::openai::ModelEndpoint model;
  ingress::GetSessionEndpoint get_session;
  ingress::DeleteSessionEndpoint delete_session;
  ingress::ForkSessionEndpoint fork_session;
  ingress::LiveEndpoint live;
  ingress::ReadyEndpoint ready;
  ingress::HealthEndpoint health;
  ingress::MetricsEndpoint metrics;
  ingress::VarsEndpoint vars;
  std::vector<std::unique_ptr<ingress::StaticEndpoint>> files;
  ingress::Router router;
};

Routes::Routes(const Options& options, const RouteParts& parts)
    : endpoints_(std::make_unique<Endpoints>(options, parts)) {}

Routes::~Routes() = default;

net::HttpHandler& Routes::handler() {
  return endpoints_->router;
}

void Routes::Reload(const Options& fresh) {
  endpoints_->websocket.SetOptions(fresh.websocket);
}

std::vector<std::pair<std::string, observe::LatencyHistogram>> Routes::Latencies() const {
  return endpoints_->router.Latencies();
}

}  // namespace loquat::app
