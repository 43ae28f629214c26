#include "ingress/kafka/worker.h"

#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "ingress/http/json_body.h"
#include "ingress/kafka/client_stats.h"

namespace loquat::ingress::kafka {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kIdleWait{100};
constexpr milliseconds kGaugesEvery{1000};
constexpr milliseconds kCommitWait{3000};  // For the broker's answer where somebody waits for it.
constexpr milliseconds kCloseWait{5000};
constexpr milliseconds kCancelWait{5000};  // For cancelled records to come back from the road.
constexpr milliseconds kWaitStep{10};
constexpr milliseconds kJoinComing{5000};  // More than librdkafka's heartbeat takes to hear that others join.
constexpr int kRecordsEachRound = 256;     // Then acknowledgements have their turn.
constexpr std::size_t kStatsDepthMax = 16;

RecordLimits LimitsOf(const KafkaOptions& options, const UnderstandBodyLimits& body) {
  return {
      .record_bytes_max = options.record_bytes_max,
      .body = body,
      .priority = options.priority == KafkaPriority::kBatch ? base::Priority::kBatch : base::Priority::kInteractive};
}

milliseconds RoundUp(base::Duration duration) {
  return std::chrono::ceil<milliseconds>(duration);
}

}  // namespace

Worker::Worker(const KafkaOptions& options, const UnderstandBodyLimits& limits, const WorkerParts& parts)
    : options_(options),
      limits_(LimitsOf(options, limits)),
      parts_(parts),
      clock_(parts.clock),
      metrics_(parts.metrics),
      parser_(base::JsonLimits{.max_depth = kJsonDepthMax}),
      stats_parser_(base::JsonLimits{.max_depth = kStatsDepthMax}),
      assignment_(options.input) {}

base::Result<std::unique_ptr<Worker>> Worker::Create(const KafkaOptions& options, const UnderstandBodyLimits& limits,
                                                     const WorkerParts& parts) {
  std::unique_ptr<Worker> worker(new Worker(options, limits, parts));
  Worker& self = *worker;
  LOQUAT_ASSIGN(self.producer_, ProducerClient::Open(options, self.wakeup_, self, parts.log));
  self.runner_ = std::make_unique<RecordRunner>(
      RecordRunnerParts{
          .pipeline = parts.understand, .callbacks = parts.callbacks, .clock = parts.clock, .wakeup = self.wakeup_},
      options.threads, options.timeout);
  LOQUAT_ASSIGN(self.consumer_, ConsumerClient::Open(options, self.wakeup_, self, parts.log));
  return worker;
}

Worker::~Worker() {
  // Records view messages, which are the consumer's; the producer and the loops have some of them.
  runner_.reset();
  producer_.reset();
  timers_.clear();
  // Those that wait for their key are held by their partition, which they hold.
  for (const InFlightPtr& record : in_flight_) record->partition.reset();
  in_flight_.clear();
  consumer_.reset();
}

void Worker::Drain(base::TimePoint until) {
  drain_until_.store(until, std::memory_order_release);
  wakeup_.Wake();
}

void Worker::Run() {
  while (!draining()) Round();
  UpdatePauses();
  while (!in_flight_.empty() && clock_.Now() < drain_until_.load(std::memory_order_acquire)) Round();
  Finish();
}

void Worker::Round() {
  wakeup_.Wait(WaitMax());
  for (InFlightPtr& record : runner_->TakeDone()) Understood(std::move(record));
  producer_->Poll();
  ReplaceBrokenProducer();
  RunTimers();
  PollRecords();
  runner_->Flush();
  UpdatePauses();
  consumer_->PollCommits(milliseconds(0));
  UpdateGauges();
}

milliseconds Worker::WaitMax() const {
  if (timers_.empty()) return kIdleWait;
  return std::clamp(RoundUp(timers_.begin()->first - clock_.Now()), milliseconds(0), kIdleWait);
}

void Worker::RunTimers() {
  const base::TimePoint now = clock_.Now();
  while (!timers_.empty() && timers_.begin()->first <= now) {
    InFlightPtr record = std::move(timers_.begin()->second);
    timers_.erase(timers_.begin());
    if (Abandoned(*record)) {
      Release(std::move(record));
    } else if (record->stage == Stage::kProducing) {
      Produce(std::move(record));
    } else {
      Start(std::move(record));
    }
  }
}

bool Worker::Full() const {
  return in_flight_.size() >= options_.in_flight_max || in_flight_bytes_ >= options_.in_flight_bytes_max;
}

void Worker::PollRecords() {
  for (int i = 0; i < kRecordsEachRound; ++i) {
    // What comes although its partition is paused was on its way already, and is taken.
    if (Full() && !intake_.closed()) return;
    intake_.Polled();
    Message message = consumer_->Poll();
    if (message == nullptr) return;
    Take(std::move(message));
  }
  wakeup_.Wake();  // There may be more, of which the queue has told already.
}

void Worker::UpdatePauses() {
  const bool half_empty =
      in_flight_.size() <= options_.in_flight_max / 2 && in_flight_bytes_ <= options_.in_flight_bytes_max / 2;
  intake_.Update(Full(), half_empty, clock_.Now());
  if (draining()) intake_.Close();
  const auto [pause, resume] = assignment_.TakePauseChanges(intake_.closed());
  if (pause != nullptr) consumer_->Pause(*pause);
  if (resume != nullptr) consumer_->Resume(*resume);
}

void Worker::Commit() {
  if (committing_) return;
  const PartitionList list = assignment_.ToCommit();
  if (list == nullptr) return;
  committing_ = true;
  consumer_->Commit(*list);
}

void Worker::UpdateGauges() {
  const base::TimePoint now = clock_.Now();
  if (now < gauges_at_) return;
  gauges_at_ = now + kGaugesEvery;
  metrics_.in_flight.Set(static_cast<double>(in_flight_.size()));
  metrics_.in_flight_bytes.Set(static_cast<double>(in_flight_bytes_));
  metrics_.assigned.Set(static_cast<double>(assignment_.size()));
  metrics_.paused.Set(static_cast<double>(assignment_.paused()));
  for (const auto& [id, partition] : assignment_.all()) {
    const std::int64_t end = consumer_->EndOf(id);
    const std::int64_t position = partition->offsets.position();
    if (end < 0 || position < 0) continue;
    metrics_.lag.With({std::to_string(id)}).Set(static_cast<double>(std::max<std::int64_t>(end - position, 0)));
  }
}

void Worker::ReplaceBrokenProducer() {
  if (!producer_->broken()) return;
  auto fresh = ProducerClient::Open(options_, wakeup_, *this, parts_.log);
  if (!fresh.has_value()) return;  // As long as memory or threads are short: the next round tries again.
  parts_.log.Warn("the Kafka producer is broken; another one takes its place");
  std::swap(producer_, *fresh);
  // The old one goes now: what it had not delivered fails, and is sent anew.
}

// Records of partitions that go to another member may end, so that it does not do them again. Records of others do too.
void Worker::WaitForRunning(const std::vector<std::int32_t>& partitions) {
  const base::TimePoint until = clock_.Now() + options_.revoke_wait;
  const auto running = [&] {
    return std::ranges::any_of(partitions, [&](std::int32_t id) {
      const auto partition = assignment_.Find(id);
      return partition != nullptr && partition->running > 0;
    });
  };
  while (running() && clock_.Now() < until) {
    runner_->Flush();
    wakeup_.Wait(kWaitStep);
    for (InFlightPtr& record : runner_->TakeDone()) Understood(std::move(record));
    producer_->Poll();
  }
}

void Worker::WaitForCommit(base::TimePoint until) {
  while (committing_ && clock_.Now() < until) consumer_->PollCommits(kWaitStep);
}

// Commits what is done of them, also where the broker asks to try again while others join: the next owner answers
// again what is not committed.
void Worker::HandOver(const std::vector<std::int32_t>& partitions) {
  const base::TimePoint until = clock_.Now() + kCommitWait;
  // The one under way may be of less, and its answer is not that of ours.
  WaitForCommit(until);
  for (;;) {
    const PartitionList list = assignment_.ToCommit(partitions);
    if (list == nullptr || clock_.Now() >= until) return;
    committing_ = true;
    consumer_->Commit(*list);
    WaitForCommit(until);
    if (commit_error_ != RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS) return;
    consumer_->PollCommits(kWaitStep);  // None is under way: it only waits.
  }
}

void Worker::Finish() {
  // First the answer to the one under way, for what was done since is not in it.
  WaitForCommit(clock_.Now() + kCommitWait);
  Commit();
  WaitForCommit(clock_.Now() + kCommitWait);
  left_ = in_flight_.size();
  // Closing revokes what is left: it is gone from here on, and nobody commits it.
  std::vector<std::int32_t> all;
  for (const auto& [id, partition] : assignment_.all()) all.push_back(id);
  for (const std::int32_t id : all) assignment_.Remove(id);
  consumer_->Close(kCloseWait);
  for (const InFlightPtr& record : in_flight_) record->cancel.Cancel();
  const auto understanding = [this] {
    return std::ranges::any_of(in_flight_, [](const auto& record) { return record->stage == Stage::kUnderstanding; });
  };
  const base::TimePoint cancel_until = clock_.Now() + kCancelWait;
  while (understanding() && clock_.Now() < cancel_until) {
    runner_->Flush();
    wakeup_.Wait(kWaitStep);
    for (InFlightPtr& record : runner_->TakeDone()) Understood(std::move(record));
  }
  UpdateGauges();
}

void Worker::OnAssigned(const std::vector<std::int32_t>& partitions) {
  commit_after_ = {};
  for (const std::int32_t id : partitions) assignment_.Add(id);
  metrics_.rebalances.With({"assigned"}).Increment();
  if (!partitions.empty()) parts_.status.SetInputRefusal(std::nullopt);
  parts_.log.Info("Kafka partitions are assigned", {{"gained", partitions.size()}, {"now", assignment_.size()}});
}

void Worker::OnRevoked(const std::vector<std::int32_t>& partitions, bool lost) {
  metrics_.rebalances.With({lost ? "lost" : "revoked"}).Increment();
  if (!lost) {
    for (const std::int32_t id : partitions) {
      if (const auto partition = assignment_.Find(id)) partition->closing = true;
    }
    WaitForRunning(partitions);
    HandOver(partitions);
  }
  if (const PartitionList paused = assignment_.TakePaused(partitions)) consumer_->Resume(*paused);
  for (const std::int32_t id : partitions) assignment_.Remove(id);
  for (const std::int32_t id : partitions) metrics_.lag.With({std::to_string(id)}).Set(0);
  parts_.log.Info(lost ? "Kafka partitions are lost" : "Kafka partitions are handed over",
                  {{"partitions", partitions.size()}, {"now", assignment_.size()}});
}

void Worker::OnCommitted(rd_kafka_resp_err_t error, const rd_kafka_topic_partition_list_t* list) {
  committing_ = false;
  commit_error_ = error;
  // Others join: so will this member, and a commit in that very moment would be late.
  if (error == RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS) commit_after_ = clock_.Now() + kJoinComing;
  const bool well = error == RD_KAFKA_RESP_ERR_NO_ERROR;
  metrics_.commits.With({well ? "ok" : rd_kafka_err2name(error)}).Increment();
  // Those that failed are in the next commit, if their partitions are ours then.
  if (well && list != nullptr) assignment_.Committed(*list);
}

void Worker::OnConsumerError(rd_kafka_resp_err_t error, std::string_view text) {
  metrics_.errors.With({rd_kafka_err2name(error)}).Increment();
  parts_.log.Debug("Kafka consumer", {{"error", rd_kafka_err2name(error)}, {"text", text}});
  switch (error) {
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
      parts_.status.SetBrokersUp(0);
      break;
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR__FATAL:
      parts_.status.SetInputRefusal(std::string(text));
      break;
    default:
      break;
  }
}

void Worker::OnStats(std::string_view json) {
  const auto stats = ReadStats(json, stats_parser_);
  if (!stats.has_value()) return;
  metrics_.brokers_up.Set(static_cast<double>(stats->brokers_up));
  parts_.status.SetBrokersUp(stats->brokers_up);
  // While members join, a broker answers a commit behind the join, and then for a generation that is past: librdkafka
  // takes the whole assignment for lost. Nothing but the statistics tells that the group is steady; since they were
  // made a join may have begun.
  if (stats->group_steady && !consumer_->joining() && clock_.Now() >= commit_after_) Commit();
}

void Worker::OnProducerError(rd_kafka_resp_err_t error, std::string_view text) {
  metrics_.errors.With({rd_kafka_err2name(error)}).Increment();
  parts_.log.Debug("Kafka producer", {{"error", rd_kafka_err2name(error)}, {"text", text}});
}

}  // namespace loquat::ingress::kafka
