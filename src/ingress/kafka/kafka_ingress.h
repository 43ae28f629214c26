// Kafka: records of an input topic are answered like POST /v1/understand, at least once each, those of a session in
// their order; see docs/kafka.md.
//
// Start, Drain and destruction by one thread; health from any. The references outlive it.

#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <thread>

#include "base/clock.h"
#include "base/result.h"
#include "ingress/http/understand_body.h"
#include "ingress/kafka/kafka_options.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "pipeline/callbacks.h"
#include "pipeline/health.h"
#include "pipeline/understand.h"

namespace loquat::ingress {

namespace kafka {
class KafkaStatus;
class Worker;
struct KafkaMetrics;
}  // namespace kafka

struct KafkaParts {
  pipeline::UnderstandPipeline& understand;
  pipeline::Callbacks& callbacks;
  const base::Clock& clock;
  observe::Logger& log;
  observe::Registry& metrics;
};

class KafkaIngress {
 public:
  // Joins the group; brokers that are away are waited for. Errors: internal for settings that librdkafka refuses.
  static base::Result<std::unique_ptr<KafkaIngress>> Start(const KafkaOptions& options,
                                                           const UnderstandBodyLimits& limits, const KafkaParts& parts);
  // Cuts what is under way: it is uncommitted, and answered by whoever has its partition next.
  ~KafkaIngress();
  KafkaIngress(const KafkaIngress&) = delete;
  KafkaIngress& operator=(const KafkaIngress&) = delete;

  pipeline::PartHealth health() const;
  // Takes nothing new, finishes what is in flight, commits and leaves the group. Returns how many records were left.
  std::size_t Drain(std::chrono::milliseconds timeout);

 private:
  explicit KafkaIngress(const KafkaOptions& options, const KafkaParts& parts);

  const base::Clock& clock_;
  const std::unique_ptr<kafka::KafkaMetrics> metrics_;
  const std::unique_ptr<kafka::KafkaStatus> status_;
  std::unique_ptr<kafka::Worker> worker_;
  std::jthread thread_;
};

}  // namespace loquat::ingress
