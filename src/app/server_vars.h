// What /debug/vars shows: the server's state as one JSON object. A plain value and a pure function.

#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "context/session_store.h"
#include "observe/latency_histogram.h"
#include "pipeline/assistant.h"

namespace loquat::app {

struct ServerVars {
  double uptime_seconds = 0;
  double start_ms = 0;  // From start to ready.
  std::size_t connections = 0;
  std::size_t exchanges = 0;
  context::SessionStoreStats sessions;
  std::shared_ptr<const pipeline::Assistant> assistant;
  std::vector<std::pair<std::string, observe::LatencyHistogram>> latencies;  // Nanoseconds, by route.
};

void WriteVars(const ServerVars& vars, std::string& out);

}  // namespace loquat::app
