// The process's own numbers, by the names that Prometheus' client libraries agree on
// (https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics). Read from /proc at each scrape.
// Thread-safe. The registry outlives the object; the metrics end with it.

#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "observe/metrics.h"

namespace loquat::observe {

struct ProcessUsage {
  double cpu_seconds = 0;         // User and system.
  double start_time_seconds = 0;  // Since 1970.
  std::uint64_t resident_bytes = 0;
  std::uint64_t virtual_bytes = 0;
  std::uint64_t threads = 0;
};

// From /proc/self/stat and /proc/stat (proc(5)).
base::Result<ProcessUsage> ReadProcessUsage();
// Entries of /proc/self/fd; 0 where that cannot be read.
std::uint64_t CountOpenDescriptors();

class ProcessMetrics {
 public:
  explicit ProcessMetrics(Registry& registry);

 private:
  std::vector<CallbackHandle> callbacks_;
};

}  // namespace loquat::observe
