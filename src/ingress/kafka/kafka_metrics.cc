#include "ingress/kafka/kafka_metrics.h"

namespace loquat::ingress::kafka {

KafkaMetrics::KafkaMetrics(observe::Registry& registry)
    : records(registry.AddCounter("loquat_kafka_records_total", "Records taken from the input topic.")),
      results(registry.AddCounter("loquat_kafka_results_total", "Results that the output topic has acknowledged.")),
      dead_letters(registry.AddCounterFamily("loquat_kafka_dead_letters_total",
                                             "Dead letters that their topic has acknowledged, by reason.", {"reason"})),
      abandoned(registry.AddCounter("loquat_kafka_abandoned_total",
                                    "Records left to another member or the next start, uncommitted.")),
      retries(
          registry.AddCounterFamily("loquat_kafka_retries_total", "New attempts at a record, by reason.", {"reason"})),
      in_flight(registry.AddGauge("loquat_kafka_in_flight", "Records taken and not yet acknowledged as results.")),
      in_flight_bytes(registry.AddGauge("loquat_kafka_in_flight_bytes", "Bytes of the records in flight.")),
      assigned(registry.AddGauge("loquat_kafka_assigned_partitions", "Partitions of the input that this member has.")),
      paused(registry.AddGauge("loquat_kafka_paused_partitions", "Partitions from which nothing is taken for now.")),
      lag(registry.AddGaugeFamily("loquat_kafka_lag", "Records of a partition that are not done.", {"partition"})),
      brokers_up(registry.AddGauge("loquat_kafka_brokers_up", "Brokers that this member is connected to.")),
      record_seconds(registry.AddHistogram("loquat_kafka_record_duration_seconds",
                                           "From the taking of a record to its acknowledged result or dead letter.")),
      produce_seconds(registry.AddHistogram("loquat_kafka_produce_duration_seconds",
                                            "From the sending of a result or dead letter to its acknowledgement.")),
      produce_failures(registry.AddCounterFamily("loquat_kafka_produce_failures_total",
                                                 "Results and dead letters that were not taken, by error.", {"error"})),
      commits(registry.AddCounterFamily("loquat_kafka_commits_total", "Commits of offsets.", {"result"})),
      rebalances(
          registry.AddCounterFamily("loquat_kafka_rebalances_total", "Changes of the assigned partitions.", {"kind"})),
      errors(registry.AddCounterFamily("loquat_kafka_errors_total", "Errors of the clients.", {"error"})) {}

}  // namespace loquat::ingress::kafka
