// Which path leads to which endpoint: the whole table of the HTTP API in one place.
//
// Built and destroyed by one thread. The parts referred to outlive it.

#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "app/options.h"
#include "base/clock.h"
#include "ingress/http/router.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "pipeline/actions.h"
#include "pipeline/callbacks.h"
#include "pipeline/embed.h"
#include "pipeline/generate.h"
#include "pipeline/health.h"
#include "pipeline/sessions.h"
#include "pipeline/stream/understand_stream.h"
#include "pipeline/understand.h"

namespace loquat::app {

struct RouteParts {
  pipeline::UnderstandPipeline& understand;
  pipeline::UnderstandStreams& streams;
  pipeline::Callbacks& callbacks;
  pipeline::Actions& actions;
  pipeline::GenerateUseCase& generate;
  pipeline::EmbedUseCase& embed;
  pipeline::SessionUseCases& sessions;
  pipeline::Health& health;
  const base::Clock& clock;
  observe::Logger& log;
  observe::Registry& metrics;
  std::function<void(std::string& out)> write_vars;
};

class Routes {
 public:
  Routes(const Options& options, const RouteParts& parts);
  ~Routes();

  net::HttpHandler& handler();
  // What may change while serving.
  void Reload(const Options& fresh);
  std::vector<std::pair<std::string, observe::LatencyHistogram>> Latencies() const;

 private:
  struct Endpoints;
  const std::unique_ptr<Endpoints> endpoints_;
};

}  // namespace loquat::app
