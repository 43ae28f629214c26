#include "ingress/http/router.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"

namespace loquat::ingress {
namespace {

using boost::asio::awaitable;

constexpr std::string_view kPart = "{}";
constexpr std::string_view kNoRoute = "none";
// What a page of another origin may send.
constexpr std::string_view kCallerHeaders =
    "authorization, content-type, x-api-key, x-request-id, traceparent, tracestate, x-request-timeout-ms, "
    "x-request-deadline-ms, x-priority";

// Clients may send any word as a method: unknown ones share a label, so that nobody can fill up the metric's series.
std::string_view MethodLabel(std::string_view method) {
  constexpr std::array<std::string_view, 7> kKnown = {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"};
  return std::ranges::find(kKnown, method) == kKnown.end() ? observe::kOtherLabel : method;
}

std::string AllowedMethods(const auto& methods) {
  std::string list = "OPTIONS";
  for (const auto& [method, endpoint] : methods) {
    list += ", " + method;
    if (method == "GET") list += ", HEAD";
  }
  return list;
}

}  // namespace

Router::Router(RouterOptions options, const base::Clock& clock, observe::Logger& log, observe::Registry& metrics)
    : options_(std::move(options)),
      api_keys_(options_.api_keys),
      clock_(clock),
      log_(log),
      seconds_(metrics.AddHistogramFamily("loquat_http_request_duration_seconds",
                                          "From the arrival of a request's head to the end of its answer.", {"route"})),
      requests_(
          metrics.AddCounterFamily("loquat_http_requests_total", "Requests answered.", {"route", "method", "status"})),
      refusals_(metrics.AddCounterFamily("loquat_http_refusals_total", "Requests refused or failed, by reason.",
                                         {"code", "reason"})) {}

void Router::Add(std::string_view method, std::string pattern, Access access, Endpoint& endpoint) {
  auto found = std::ranges::find(routes_, pattern, [](const auto& route) { return route->pattern; });
  if (found == routes_.end()) {
    auto route = std::make_unique<Route>();
    route->pattern = pattern;
    const std::size_t part = pattern.find(kPart);
    route->has_part = part != std::string::npos;
    route->prefix = pattern.substr(0, part);
    if (route->has_part) route->suffix = pattern.substr(part + kPart.size());
    route->seconds = &seconds_.With({pattern});
    routes_.push_back(std::move(route));
    found = std::prev(routes_.end());
    if (!(*found)->has_part) exact_.emplace(std::move(pattern), found->get());
  }
  const bool added = (*found)->methods.emplace(std::string(method), std::pair(access, &endpoint)).second;
  LOQUAT_CHECK(added, "a route has one endpoint a method");
}

Router::Route* Router::Find(std::string_view path, std::string_view& part) const {
  if (const auto found = exact_.find(path); found != exact_.end()) return found->second;
  for (const auto& route : routes_) {
    if (!route->has_part || path.size() <= route->prefix.size() + route->suffix.size()) continue;
    if (!path.starts_with(route->prefix) || !path.ends_with(route->suffix)) continue;
    const std::string_view middle =
        path.substr(route->prefix.size(), path.size() - route->prefix.size() - route->suffix.size());
    if (middle.contains('/')) continue;
    part = middle;
    return route.get();
  }
  return nullptr;
}

const std::pair<Access, Endpoint*>* Router::FindEndpoint(const Route* route, std::string_view method) {
  if (route == nullptr) return nullptr;
  const auto found = route->methods.find(method == "HEAD" ? std::string_view("GET") : method);
  return found == route->methods.end() ? nullptr : &found->second;
}

bool Router::AllowOrigin(HttpCall& call) const {
  if (options_.cors_origins.empty()) return false;
  const bool any = std::ranges::find(options_.cors_origins, "*") != options_.cors_origins.end();
  // Said on every answer, so that no cache gives one origin's answer to another.
  if (!any) call.AddHeader("Vary", "Origin");
  const std::string_view origin = call.request().Header("origin");
  if (origin.empty()) return false;
  if (!any && std::ranges::find(options_.cors_origins, origin) == options_.cors_origins.end()) return false;
  call.AddHeader("Access-Control-Allow-Origin", any ? "*" : std::string(origin));
  return true;
}

void Router::AnswerOptions(HttpCall& call, const Route& route, bool origin_allowed) const {
  const std::string methods = AllowedMethods(route.methods);
  std::vector<net::HttpHeader> headers = {{"Allow", methods}};
  if (origin_allowed) {
    headers.push_back({"Access-Control-Allow-Methods", methods});
    headers.push_back({"Access-Control-Allow-Headers", kCallerHeaders});
    headers.push_back({"Access-Control-Max-Age", "600"});
  }
  call.Respond(204, {}, {}, headers);
}

awaitable<void> Router::Dispatch(HttpCall& call, const Route* route, bool origin_allowed) {
  const std::string_view method = call.request().method;
  if (route == nullptr) {
    call.Fail(
        {.code = base::Code::kNotFound,
         .message = fmt::format("there is nothing at {}; GET /openapi.yaml lists what there is", call.request().path),
         .reason = "no_route"});
    co_return;
  }
  if (method == "OPTIONS") {
    AnswerOptions(call, *route, origin_allowed);
    co_return;
  }
  const auto* endpoint = FindEndpoint(route, method);
  if (endpoint == nullptr) {
    call.AddHeader("Allow", AllowedMethods(route->methods));
    call.Fail({.code = base::Code::kUnimplemented,
               .message = fmt::format("{} does not take {}; it takes {}", route->pattern, method,
                                      AllowedMethods(route->methods)),
               .reason = std::string(kMethodNotAllowed)});
    co_return;
  }
  if (endpoint->first == Access::kKey) {
    const auto tenant = api_keys_.Authenticate(call.request());
    if (!tenant.has_value()) {
      call.Fail(tenant.error());
      co_return;
    }
    call.context().tenant = *tenant;
  }
  co_await endpoint->second->Serve(call);
}

void Router::Record(HttpCall& call, Route* route) {
  const net::HttpExchange& exchange = call.exchange();
  const base::Duration elapsed = clock_.Now() - exchange.received_at();
  const std::string_view pattern = route == nullptr ? kNoRoute : std::string_view(route->pattern);
  const std::string status = fmt::format("{}", exchange.status());
  if (route != nullptr) {
    route->seconds->Observe(std::chrono::duration<double>(elapsed).count());
    route->latency.Record(static_cast<std::uint64_t>(std::chrono::nanoseconds(elapsed).count()));
  }
  requests_.With({pattern, MethodLabel(call.request().method), status}).Increment();
  const base::Error* failure = call.failure();
  if (failure != nullptr) refusals_.With({base::CodeName(failure->code), failure->reason}).Increment();

  const observe::Level level = exchange.status() >= 500 ? observe::Level::kWarn : observe::Level::kDebug;
  if (!log_.Enabled(level)) return;
  const auto microseconds = std::chrono::duration_cast<std::chrono::microseconds>(elapsed).count();
  log_.Log(level, &call.context(), "request",
           {{"method", call.request().method},
            {"route", pattern},
            {"status", exchange.status()},
            {"us", microseconds},
            {"tenant", call.context().tenant},
            {"error", failure == nullptr ? std::string_view() : std::string_view(failure->message)}});
}

std::vector<std::pair<std::string, observe::LatencyHistogram>> Router::Latencies() const {
  std::vector<std::pair<std::string, observe::LatencyHistogram>> latencies;
  for (const auto& route : routes_) {
    observe::LatencyHistogram snapshot = route->latency.Snapshot();
    if (snapshot.count() > 0) latencies.emplace_back(route->pattern, snapshot);
  }
  return latencies;
}

awaitable<void> Router::Handle(net::HttpExchange& exchange) {
  NewCall made = MakeCallContext(exchange, clock_, ids_);
  HttpCall call(exchange, std::move(made.context));
  std::string_view part;
  Route* route = Find(exchange.request().path, part);
  call.set_path_part(part);
  if (const auto* endpoint = FindEndpoint(route, call.request().method)) {
    call.set_error_body(endpoint->second->error_body());
  }
  const bool origin_allowed = AllowOrigin(call);
  if (made.status.has_value()) {
    co_await Dispatch(call, route, origin_allowed);
  } else {
    call.Fail(made.status.error());
  }
  Record(call, route);
}

}  // namespace loquat::ingress
