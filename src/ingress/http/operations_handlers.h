// What an operator asks: /livez, /readyz, /healthz, /metrics, /debug/vars. References outlive the endpoints.

#pragma once

#include <atomic>
#include <functional>
#include <string>

#include "ingress/http/router.h"
#include "observe/metrics.h"
#include "pipeline/health.h"

namespace loquat::ingress {

// 200 as long as the process answers at all.
class LiveEndpoint final : public Endpoint {
 public:
  boost::asio::awaitable<void> Serve(HttpCall& call) override;
};

// 200 while new work is welcome: a model is loaded and the server is not draining. 503 with the reason otherwise.
class ReadyEndpoint final : public Endpoint {
 public:
  explicit ReadyEndpoint(const pipeline::Health& health) : health_(health) {}
  boost::asio::awaitable<void> Serve(HttpCall& call) override;

 private:
  const pipeline::Health& health_;
};

// Understands a canary on the road that requests take and says how that went, part by part.
class HealthEndpoint final : public Endpoint {
 public:
  explicit HealthEndpoint(pipeline::Health& health) : health_(health) {}
  boost::asio::awaitable<void> Serve(HttpCall& call) override;

 private:
  pipeline::Health& health_;
};

class MetricsEndpoint final : public Endpoint {
 public:
  explicit MetricsEndpoint(const observe::Registry& registry) : registry_(registry) {}
  boost::asio::awaitable<void> Serve(HttpCall& call) override;

 private:
  const observe::Registry& registry_;
};

// A JSON object written by the program: what runs, since when, with which settings and counts.
class VarsEndpoint final : public Endpoint {
 public:
  using Write = std::function<void(std::string& out)>;
  explicit VarsEndpoint(Write write) : write_(std::move(write)) {}
  boost::asio::awaitable<void> Serve(HttpCall& call) override;

 private:
  const Write write_;
};

// A file that is part of the program: the console and the API description.
class StaticEndpoint final : public Endpoint {
 public:
  StaticEndpoint(std::string_view content_type, std::string_view content)
      : content_type_(content_type), content_(content) {}
  boost::asio::awaitable<void> Serve(HttpCall& call) override;

 private:
  const std::string_view content_type_;
  const std::string_view content_;
};

}  // namespace loquat::ingress
