#include <fmt/format.h>

#include <utility>

#include "base/hash.h"
#include "ingress/kafka/disposition.h"
#include "ingress/kafka/out_headers.h"
#include "ingress/kafka/worker.h"

namespace loquat::ingress::kafka {
namespace {

// Together 16 MiB at most.
constexpr std::size_t kSpareResultsMax = 1024;
constexpr std::size_t kSpareResultBytesMax = 16 * 1024;

std::optional<std::string_view> Bytes(const void* data, std::size_t size) {
  if (data == nullptr) return std::nullopt;
  return std::string_view(static_cast<const char*>(data), size);
}

// Views `message`.
Record RecordOf(const rd_kafka_message_t& message) {
  Record record{.key = Bytes(message.key, message.key_len),
                .value = Bytes(message.payload, message.len),
                .headers = {},
                .timestamp = std::nullopt};
  rd_kafka_headers_t* headers = nullptr;
  if (rd_kafka_message_headers(&message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR) {
    const char* name = nullptr;
    const void* value = nullptr;
    std::size_t size = 0;
    for (std::size_t i = 0; rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR;
         ++i) {
      record.headers.push_back({name, Bytes(value, size)});
    }
  }
  rd_kafka_timestamp_type_t type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
  const std::int64_t written = rd_kafka_message_timestamp(&message, &type);
  if (type != RD_KAFKA_TIMESTAMP_NOT_AVAILABLE && written >= 0 && written <= kReferenceTimeMsMax) {
    record.timestamp = base::WallTime(std::chrono::milliseconds(written));
  }
  return record;
}

}  // namespace

bool Worker::Abandoned(const InFlight& record) const {
  // Of a partition that is being handed over nothing new is started, but what runs is finished.
  return record.partition->gone || (record.partition->closing && record.stage != Stage::kProducing);
}

void Worker::Take(Message message) {
  if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return OnConsumerError(message->err, rd_kafka_message_errstr(message.get()));
  }
  std::shared_ptr<Partition> partition = assignment_.Find(message->partition);
  if (partition == nullptr || partition->closing) return;  // It went away with this record in the queue.
  if (draining()) return;
  if (!partition->offsets.Begin(message->offset)) {
    parts_.log.Warn("a Kafka partition was rewound", {{"partition", message->partition}, {"offset", message->offset}});
    partition = assignment_.Rewind(message->partition);
    (void)partition->offsets.Begin(message->offset);
  }
  metrics_.records.Increment();
  InFlightPtr record = NewRecord();
  record->record = RecordOf(*message);
  record->partition = std::move(partition);
  record->offset = message->offset;
  record->bytes = record->record.bytes();
  record->taken_at = clock_.Now();
  record->message = std::move(message);
  in_flight_bytes_ += record->bytes;
  base::Status read = ReadRecord(record->record, limits_, clock_, ids_, parser_, record->request);
  if (!read.has_value()) return MakeDeadLetter(std::move(record), std::move(read).error());
  // The same each time that the record is delivered, so that it begins no action twice.
  record->request.request.work_id =
      fmt::format("k-{:016x}-{}-{}", base::Hash64(options_.input), record->partition->id, record->offset);
  const std::string& key = record->request.order_key();
  if (key.empty()) return Start(std::move(record));
  record->in_key = true;
  KeyQueues<InFlightPtr>& keys = record->partition->keys;
  if (auto first = keys.Enter(key, std::move(record))) Start(std::move(*first));
}

void Worker::Start(InFlightPtr record) {
  if (Abandoned(*record)) return Release(std::move(record));
  InFlight& one = *record;
  one.stage = Stage::kUnderstanding;
  ++one.partition->running;
  ++one.attempts;
  one.request.context.cancel = one.cancel.token();
  runner_->Run(std::move(record));
}

void Worker::Understood(InFlightPtr record) {
  record->stage = Stage::kWaiting;
  --record->partition->running;
  if (record->partition->gone) return Release(std::move(record));
  if (!record->status.has_value()) {
    base::Error error = std::move(record->status).error();
    return Settle(std::move(record), std::move(error));
  }
  Unhold(*record);
  Produce(std::move(record));
}

void Worker::Settle(InFlightPtr record, base::Error error) {
  const Disposition disposition = DispositionOf(error);
  const bool too_late = record->request.deadline.Passed(clock_) && error.code == base::Code::kDeadlineExceeded;
  if (disposition == Disposition::kDeadLetter || too_late ||
      (disposition == Disposition::kRetry && record->attempts > options_.retries_max)) {
    return MakeDeadLetter(std::move(record), std::move(error));
  }
  if (disposition == Disposition::kHold) Hold(*record);
  parts_.log.Debug(record->request.context, "record is tried again",
                   {{"code", base::CodeName(error.code)}, {"error", error.message}, {"attempts", record->attempts}});
  RetryLater(std::move(record), error.retry_after, error.reason.empty() ? base::CodeName(error.code) : error.reason);
}

void Worker::MakeDeadLetter(InFlightPtr record, base::Error error) {
  if (error.reason.empty()) error.reason = base::CodeName(error.code);
  parts_.log.Debug(record->request.context, "record becomes a dead letter",
                   {{"partition", record->partition->id}, {"offset", record->offset}, {"error", error.message}});
  Unhold(*record);
  record->dead = true;
  record->error = std::move(error);
  record->result.clear();
  Produce(std::move(record));
}

void Worker::Produce(InFlightPtr record) {
  InFlight& one = *record;
  one.stage = Stage::kProducing;
  one.produced_at = clock_.Now();
  ++one.partition->running;
  const Source source{.topic = options_.input, .partition = one.partition->id, .offset = one.offset};
  const base::CallContext& call = one.request.context;
  rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR;
  if (!one.dead) {
    error = producer_->Produce(options_.output, one.record.key, one.result, ResultHeaders(call, source), record);
  } else {
    Headers headers =
        DeadLetterHeaders(call, source, one.record, {.error = one.error, .attempts = one.attempts, .bare = one.bare});
    error = producer_->Produce(options_.dead_letter, one.bare ? std::nullopt : one.record.key,
                               one.bare ? std::nullopt : one.record.value, std::move(headers), record);
  }
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return;
  --one.partition->running;
  ProduceFailed(std::move(record), error);
}

void Worker::OnDelivered(InFlightPtr record, rd_kafka_resp_err_t error) {
  --record->partition->running;
  if (record->partition->gone) return Release(std::move(record));
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return Acknowledged(std::move(record));
  ProduceFailed(std::move(record), error);
}

void Worker::ProduceFailed(InFlightPtr record, rd_kafka_resp_err_t error) {
  metrics_.produce_failures.With({rd_kafka_err2name(error)}).Increment();
  const std::string& topic = record->dead ? options_.dead_letter : options_.output;
  const ProduceFault fault = ProduceFaultOf(error);
  if (fault == ProduceFault::kRejected && !record->dead) {
    base::Error rejected{.code = base::Code::kResourceExhausted,
                         .message = fmt::format("the topic {} does not take the result of {} bytes: {}", topic,
                                                record->result.size(), rd_kafka_err2str(error)),
                         .reason = "result_rejected"};
    return MakeDeadLetter(std::move(record), std::move(rejected));
  }
  if (fault == ProduceFault::kRejected && !record->bare) {
    record->bare = true;
    return Produce(std::move(record));
  }
  // A topic that we may not even see gives no answer at all.
  const bool ignored = error == RD_KAFKA_RESP_ERR__MSG_TIMED_OUT && parts_.status.connected();
  if (fault != ProduceFault::kPassing || ignored) {
    parts_.status.SetRefused(topic, rd_kafka_err2str(error));
  }
  Hold(*record);
  RetryLater(std::move(record), base::Duration::zero(), rd_kafka_err2name(error));
}

void Worker::RetryLater(InFlightPtr record, base::Duration at_least, std::string_view reason) {
  metrics_.retries.With({reason}).Increment();
  if (!record->backoff) {
    record->backoff.emplace(base::BackoffOptions{.first = options_.retry_first, .ceiling = options_.retry_ceiling},
                            ++backoff_seed_);
  }
  const base::Duration wait =
      std::max(record->backoff->Next(), std::min<base::Duration>(at_least, options_.retry_ceiling));
  timers_.emplace(clock_.Now() + wait, std::move(record));
}

void Worker::Hold(InFlight& record) {
  if (record.holds) return;
  record.holds = true;
  ++record.partition->held;
}

void Worker::Unhold(InFlight& record) {
  if (!record.holds) return;
  record.holds = false;
  --record.partition->held;
}

void Worker::Acknowledged(InFlightPtr record) {
  const base::TimePoint now = clock_.Now();
  parts_.status.SetTaken(record->dead ? options_.dead_letter : options_.output);
  metrics_.produce_seconds.Observe(std::chrono::duration<double>(now - record->produced_at).count());
  metrics_.record_seconds.Observe(std::chrono::duration<double>(now - record->taken_at).count());
  if (record->dead) {
    metrics_.dead_letters.With({record->error.reason}).Increment();
  } else {
    metrics_.results.Increment();
  }
  record->partition->offsets.Finish(record->offset);
  Forget(std::move(record));
}

InFlightPtr Worker::NewRecord() {
  auto record = std::allocate_shared<InFlight>(std::pmr::polymorphic_allocator<InFlight>(&records_memory_));
  record->place = in_flight_.size();
  in_flight_.push_back(record);
  if (!spare_results_.empty()) {
    record->result = std::move(spare_results_.back());
    spare_results_.pop_back();
  }
  return record;
}

void Worker::Remove(InFlight& record) {
  in_flight_bytes_ -= record.bytes;
  if (record.result.capacity() <= kSpareResultBytesMax && spare_results_.size() < kSpareResultsMax) {
    spare_results_.push_back(std::move(record.result));
  }
  in_flight_.back()->place = record.place;
  std::swap(in_flight_[record.place], in_flight_.back());
  in_flight_.pop_back();
}

void Worker::Release(InFlightPtr record) {
  metrics_.abandoned.Increment();
  Forget(std::move(record));
}

void Worker::Forget(InFlightPtr record) {
  // A loop, for all that wait behind it are left where it is left.
  for (;;) {
    Unhold(*record);
    Remove(*record);
    if (!record->in_key) return;
    std::optional<InFlightPtr> next = record->partition->keys.Leave(record->request.order_key());
    if (!next) return;
    if (!Abandoned(**next)) return Start(std::move(*next));
    metrics_.abandoned.Increment();
    record = std::move(*next);
  }
}

}  // namespace loquat::ingress::kafka
