// Finds the endpoint of a request and carries it through: call context, API key, CORS, the endpoint, then one line of
// log and the metrics.
//
// Built at start, immutable while serving; Handle runs on any I/O thread. Endpoints and references outlive it.

#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "config/section.h"
#include "ingress/http/api_keys.h"
#include "ingress/http/http_call.h"
#include "net/http.h"
#include "observe/latency_histogram.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "observe/trace.h"

namespace loquat::ingress {

// What answers one route. Runs on the connection's I/O thread; the call outlives the coroutine.
class Endpoint {
 public:
  virtual ~Endpoint() = default;
  virtual boost::asio::awaitable<void> Serve(HttpCall& call) = 0;
  // How its errors are written, also those from before Serve: a missing key, a bad header.
  virtual HttpCall::WriteErrorBody error_body() const { return &ErrorBody; }
};

enum class Access : std::uint8_t { kOpen, kKey };

struct RouterOptions {
  std::vector<ApiKeyOptions> api_keys;    // Empty: everybody may call.
  std::vector<std::string> cors_origins;  // Whose pages may call; empty: none but our own. "*": any.
};

class Router final : public net::HttpHandler {
 public:
  Router(RouterOptions options, const base::Clock& clock, observe::Logger& log, observe::Registry& metrics);

  // `pattern` is a path whose one segment may be "{}": "/v1/sessions/{}/fork". REQUIRES: called before serving.
  void Add(std::string_view method, std::string pattern, Access access, Endpoint& endpoint);

  boost::asio::awaitable<void> Handle(net::HttpExchange& exchange) override;

  // Of every route that was called, by pattern: nanoseconds from the arrival of the head to the answer's hand-over.
  std::vector<std::pair<std::string, observe::LatencyHistogram>> Latencies() const;

 private:
  struct Route {
    std::string pattern;
    std::string prefix, suffix;  // Around the "{}"; the suffix is empty and unused without one.
    bool has_part = false;
    std::map<std::string, std::pair<Access, Endpoint*>, std::less<>> methods;
    observe::Histogram* seconds = nullptr;
    observe::AtomicLatencyHistogram latency;  // Nanoseconds; finer than the metric, for /debug/vars.
  };

  Route* Find(std::string_view path, std::string_view& part) const;
  // Null where the route is null or does not take the method.
  static const std::pair<Access, Endpoint*>* FindEndpoint(const Route* route, std::string_view method);
  bool AllowOrigin(HttpCall& call) const;
  void AnswerOptions(HttpCall& call, const Route& route, bool origin_allowed) const;
  boost::asio::awaitable<void> Dispatch(HttpCall& call, const Route* route, bool origin_allowed);
  void Record(HttpCall& call, Route* route);

  // Constant once serving.
  const RouterOptions options_;
  const ApiKeys api_keys_;
  std::vector<std::unique_ptr<Route>> routes_;
  std::map<std::string, Route*, std::less<>> exact_;

  const base::Clock& clock_;
  observe::Logger& log_;
  observe::IdGenerator ids_;
  observe::HistogramFamily& seconds_;
  observe::CounterFamily& requests_;
  observe::CounterFamily& refusals_;
};

}  // namespace loquat::ingress
