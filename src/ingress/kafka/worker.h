// The life of records: taken, understood in the order of their sessions, produced, acknowledged, committed. One thread
// serves both clients and owns every record; understanding happens elsewhere (record_runner.h).
//
// Everything but Drain, Stop and the status belongs to the thread inside Run. The references outlive it.
//
// Backpressure: at in_flight_max nothing is polled for; where that lasts, the partitions are paused, so that the
// polling which the group expects goes on. A record that has to wait for somebody else holds its partition alone.

#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <memory_resource>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json_value.h"
#include "base/result.h"
#include "ingress/kafka/assignment.h"
#include "ingress/kafka/client_handles.h"
#include "ingress/kafka/consumer_client.h"
#include "ingress/kafka/in_flight.h"
#include "ingress/kafka/intake_gate.h"
#include "ingress/kafka/kafka_metrics.h"
#include "ingress/kafka/kafka_options.h"
#include "ingress/kafka/kafka_status.h"
#include "ingress/kafka/producer_client.h"
#include "ingress/kafka/record.h"
#include "ingress/kafka/record_runner.h"
#include "observe/log.h"
#include "observe/trace.h"

namespace loquat::ingress::kafka {

struct WorkerParts {
  pipeline::UnderstandPipeline& understand;
  pipeline::Callbacks& callbacks;
  const base::Clock& clock;
  observe::Logger& log;
  KafkaMetrics& metrics;
  KafkaStatus& status;
};

class Worker final : private ConsumerEvents, private ProducerEvents {
 public:
  // Errors: those of the clients.
  static base::Result<std::unique_ptr<Worker>> Create(const KafkaOptions& options, const UnderstandBodyLimits& limits,
                                                      const WorkerParts& parts);
  ~Worker() override;

  // On a thread of its own; returns once it has drained or was stopped.
  void Run();
  // Any thread: takes nothing new, and ends once the rest is done or it is `until`.
  void Drain(base::TimePoint until);
  // After Run: how many records it has left to the next owner of their partitions.
  std::size_t left() const { return left_; }

 private:
  Worker(const KafkaOptions& options, const UnderstandBodyLimits& limits, const WorkerParts& parts);

  // The rounds (worker.cc).
  void Round();
  void Finish();
  std::chrono::milliseconds WaitMax() const;
  void RunTimers();
  void PollRecords();
  void UpdatePauses();
  bool Full() const;
  void Commit();
  void WaitForCommit(base::TimePoint until);
  void HandOver(const std::vector<std::int32_t>& partitions);
  void UpdateGauges();
  void ReplaceBrokenProducer();
  void WaitForRunning(const std::vector<std::int32_t>& partitions);
  bool draining() const { return drain_until_.load(std::memory_order_acquire) != base::TimePoint::max(); }

  // One record (worker_records.cc).
  void Take(Message message);
  void Start(InFlightPtr record);
  void Settle(InFlightPtr record, base::Error error);
  void Understood(InFlightPtr record);
  void MakeDeadLetter(InFlightPtr record, base::Error error);
  void Produce(InFlightPtr record);
  void ProduceFailed(InFlightPtr record, rd_kafka_resp_err_t error);
  void RetryLater(InFlightPtr record, base::Duration at_least, std::string_view reason);
  void Hold(InFlight& record);
  void Unhold(InFlight& record);
  void Acknowledged(InFlightPtr record);
  // It is done, or left to another owner: its key and its room are free.
  void Release(InFlightPtr record);
  void Forget(InFlightPtr record);
  InFlightPtr NewRecord();
  void Remove(InFlight& record);
  bool Abandoned(const InFlight& record) const;

  void OnAssigned(const std::vector<std::int32_t>& partitions) override;
  void OnRevoked(const std::vector<std::int32_t>& partitions, bool lost) override;
  void OnCommitted(rd_kafka_resp_err_t error, const rd_kafka_topic_partition_list_t* list) override;
  void OnConsumerError(rd_kafka_resp_err_t error, std::string_view text) override;
  void OnStats(std::string_view json) override;
  void OnDelivered(InFlightPtr record, rd_kafka_resp_err_t error) override;
  void OnProducerError(rd_kafka_resp_err_t error, std::string_view text) override;

  const KafkaOptions options_;
  const RecordLimits limits_;
  const WorkerParts parts_;
  const base::Clock& clock_;
  KafkaMetrics& metrics_;
  // Release and acquire: what was before Drain is before the rounds that see it.
  std::atomic<base::TimePoint> drain_until_{base::TimePoint::max()};
  observe::IdGenerator ids_;
  base::JsonParser parser_;
  base::JsonParser stats_parser_;
  Wakeup wakeup_;

  std::pmr::unsynchronized_pool_resource records_memory_;
  Assignment assignment_;
  std::vector<InFlightPtr> in_flight_;
  std::vector<std::string> spare_results_;  // Their memory is used again, by the thread that wrote them.
  std::size_t in_flight_bytes_ = 0;
  std::multimap<base::TimePoint, InFlightPtr> timers_;
  IntakeGate intake_;
  bool committing_ = false;
  base::TimePoint commit_after_;
  rd_kafka_resp_err_t commit_error_ = RD_KAFKA_RESP_ERR_NO_ERROR;  // Of the last one that was answered.
  base::TimePoint gauges_at_;
  std::uint64_t backoff_seed_ = 0;
  std::size_t left_ = 0;

  // Destroyed first to last: the loops before the messages' consumer.
  std::unique_ptr<ConsumerClient> consumer_;
  std::unique_ptr<ProducerClient> producer_;
  std::unique_ptr<RecordRunner> runner_;
};

}  // namespace loquat::ingress::kafka
