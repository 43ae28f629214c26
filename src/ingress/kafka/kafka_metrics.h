// What the Kafka ingress counts. Thread-safe; the registry outlives it.

#pragma once

#include "observe/metrics.h"

namespace loquat::ingress::kafka {

struct KafkaMetrics {
  explicit KafkaMetrics(observe::Registry& registry);

  observe::Counter& records;
  observe::Counter& results;
  observe::CounterFamily& dead_letters;  // By reason.
  observe::Counter& abandoned;
  observe::CounterFamily& retries;  // By reason.
  observe::Gauge& in_flight;
  observe::Gauge& in_flight_bytes;
  observe::Gauge& assigned;
  observe::Gauge& paused;
  observe::GaugeFamily& lag;  // By partition.
  observe::Gauge& brokers_up;
  observe::Histogram& record_seconds;
  observe::Histogram& produce_seconds;
  observe::CounterFamily& produce_failures;  // By error.
  observe::CounterFamily& commits;           // By result: ok or the error.
  observe::CounterFamily& rebalances;        // By kind: assigned, revoked, lost.
  observe::CounterFamily& errors;            // By error.
};

}  // namespace loquat::ingress::kafka
