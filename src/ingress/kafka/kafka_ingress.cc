#include "ingress/kafka/kafka_ingress.h"

#include "ingress/kafka/kafka_metrics.h"
#include "ingress/kafka/kafka_status.h"
#include "ingress/kafka/worker.h"

namespace loquat::ingress {

KafkaIngress::KafkaIngress(const KafkaOptions& options, const KafkaParts& parts)
    : clock_(parts.clock),
      metrics_(std::make_unique<kafka::KafkaMetrics>(parts.metrics)),
      status_(std::make_unique<kafka::KafkaStatus>(options.brokers, parts.log)) {}

base::Result<std::unique_ptr<KafkaIngress>> KafkaIngress::Start(const KafkaOptions& options,
                                                                const UnderstandBodyLimits& limits,
                                                                const KafkaParts& parts) {
  std::unique_ptr<KafkaIngress> ingress(new KafkaIngress(options, parts));
  LOQUAT_ASSIGN(ingress->worker_, kafka::Worker::Create(options, limits,
                                                        {.understand = parts.understand,
                                                         .callbacks = parts.callbacks,
                                                         .clock = parts.clock,
                                                         .log = parts.log,
                                                         .metrics = *ingress->metrics_,
                                                         .status = *ingress->status_}));
  ingress->thread_ = std::jthread([worker = ingress->worker_.get()] { worker->Run(); });
  return ingress;
}

KafkaIngress::~KafkaIngress() {
  if (thread_.joinable()) Drain(std::chrono::milliseconds(0));
}

pipeline::PartHealth KafkaIngress::health() const {
  return status_->health();
}

std::size_t KafkaIngress::Drain(std::chrono::milliseconds timeout) {
  if (!thread_.joinable()) return worker_->left();
  worker_->Drain(clock_.Now() + timeout);
  thread_.join();
  return worker_->left();
}

}  // namespace loquat::ingress
