#include "ingress/kafka/consumer_client.h"

#include <array>
#include <atomic>
#include <utility>

#include "ingress/kafka/client_properties.h"

namespace loquat::ingress::kafka {
namespace {

constexpr std::chrono::milliseconds kCloseStep{50};

// Of the protocol's requests (https://kafka.apache.org/protocol#protocol_api_keys).
constexpr std::int16_t kJoinGroup = 11;
constexpr std::int16_t kSyncGroup = 14;
constexpr const char* kWatchName = "loquat";

struct Opaque {
  ConsumerEvents* events;
  observe::Logger* log;
  // Written by the thread of a connection. Relaxed: it stands for nothing but itself.
  std::atomic<bool> joining{false};
};

Opaque& Of(void* opaque) {
  return *static_cast<Opaque*>(opaque);
}

// Nothing else tells of a join when it begins: the statistics are some milliseconds old where they are read.
rd_kafka_resp_err_t WatchJoins(rd_kafka_t* client, const rd_kafka_conf_t*, void* of, char*, std::size_t) {
  const auto sent = [](rd_kafka_t*, int, const char*, std::int32_t, std::int16_t request, std::int16_t, std::int32_t,
                       std::size_t, void* opaque) {
    if (request == kJoinGroup) Of(opaque).joining.store(true, std::memory_order_relaxed);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
  };
  const auto received = [](rd_kafka_t*, int, const char*, std::int32_t, std::int16_t request, std::int16_t,
                           std::int32_t, std::size_t, std::int64_t, rd_kafka_resp_err_t, void* opaque) {
    if (request == kSyncGroup) Of(opaque).joining.store(false, std::memory_order_relaxed);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
  };
  const rd_kafka_resp_err_t error = rd_kafka_interceptor_add_on_request_sent(client, kWatchName, sent, of);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return error;
  return rd_kafka_interceptor_add_on_response_received(client, kWatchName, received, of);
}

std::vector<std::int32_t> IdsOf(const rd_kafka_topic_partition_list_t& list) {
  std::vector<std::int32_t> ids;
  for (int i = 0; i < list.cnt; ++i) ids.push_back(list.elems[i].partition);
  return ids;
}

}  // namespace

void ForwardLog(observe::Logger& log, int level, const char* facility, const char* text) {
  log.Debug("librdkafka", {{"level", level}, {"facility", facility}, {"text", text}});
}

base::Result<std::unique_ptr<ConsumerClient>> ConsumerClient::Open(const KafkaOptions& options, Wakeup& wakeup,
                                                                   ConsumerEvents& events, observe::Logger& log) {
  LOQUAT_ASSIGN(Conf conf, ConsumerConf(options));
  auto opaque = std::make_unique<Opaque>(&events, &log);
  rd_kafka_conf_set_opaque(conf.get(), opaque.get());
  rd_kafka_conf_set_rebalance_cb(conf.get(), &ConsumerClient::Rebalance);
  rd_kafka_conf_set_error_cb(conf.get(), [](rd_kafka_t*, int error, const char* text, void* of) {
    Of(of).events->OnConsumerError(static_cast<rd_kafka_resp_err_t>(error), text);
  });
  rd_kafka_conf_set_stats_cb(conf.get(), [](rd_kafka_t*, char* json, std::size_t bytes, void* of) {
    Of(of).events->OnStats({json, bytes});
    return 0;  // librdkafka frees it.
  });
  rd_kafka_conf_set_log_cb(conf.get(), [](const rd_kafka_t* client, int level, const char* facility, const char* text) {
    ForwardLog(*Of(rd_kafka_opaque(client)).log, level, facility, text);
  });
  if (rd_kafka_conf_interceptor_add_on_new(conf.get(), kWatchName, WatchJoins, opaque.get()) !=
      RD_KAFKA_RESP_ERR_NO_ERROR) {
    return base::Internal("librdkafka takes no interceptor");
  }
  std::array<char, 512> why{};
  rd_kafka_t* client = rd_kafka_new(RD_KAFKA_CONSUMER, conf.get(), why.data(), why.size());
  if (client == nullptr) return base::Internal(std::string("the Kafka consumer cannot be made: ") + why.data());
  (void)conf.release();
  rd_kafka_poll_set_consumer(client);
  (void)opaque.release();
  std::unique_ptr<ConsumerClient> made(new ConsumerClient(client, options.input, wakeup, events));
  PartitionList topics(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(topics.get(), options.input.c_str(), RD_KAFKA_PARTITION_UA);
  if (const rd_kafka_resp_err_t error = rd_kafka_subscribe(client, topics.get()); error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return base::Internal(std::string("the Kafka topic cannot be subscribed to: ") + rd_kafka_err2str(error));
  }
  return made;
}

ConsumerClient::ConsumerClient(rd_kafka_t* client, std::string topic, Wakeup& wakeup, ConsumerEvents& events)
    : client_(client),
      topic_(std::move(topic)),
      wakeup_(wakeup),
      events_(events),
      records_(rd_kafka_queue_get_consumer(client)),
      commits_(rd_kafka_queue_new(client)) {
  wakeup_.ListenTo(*records_);
  wakeup_.ListenTo(*commits_);
}

ConsumerClient::~ConsumerClient() {
  wakeup_.Forget(*records_);
  wakeup_.Forget(*commits_);
  records_.reset();
  commits_.reset();
  const std::unique_ptr<Opaque> opaque(&Of(rd_kafka_opaque(client_)));
  // Close has left the group; where it could not, the broker notices by the session's timeout.
  rd_kafka_destroy_flags(client_, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

Message ConsumerClient::Poll() {
  return Message(rd_kafka_consumer_poll(client_, 0));
}

void ConsumerClient::Rebalance(rd_kafka_t* client, rd_kafka_resp_err_t kind, rd_kafka_topic_partition_list_t* list,
                               void* opaque) {
  ConsumerEvents& events = *Of(opaque).events;
  KafkaError error;
  if (kind == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
    events.OnAssigned(IdsOf(*list));
    error.reset(rd_kafka_incremental_assign(client, list));
  } else if (kind == RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS) {
    events.OnRevoked(IdsOf(*list), rd_kafka_assignment_lost(client) != 0);
    error.reset(rd_kafka_incremental_unassign(client, list));
  } else {
    events.OnConsumerError(kind, rd_kafka_err2str(kind));
    (void)rd_kafka_assign(client, nullptr);
  }
  if (error != nullptr) events.OnConsumerError(rd_kafka_error_code(error.get()), rd_kafka_error_string(error.get()));
}

void ConsumerClient::Commit(const rd_kafka_topic_partition_list_t& list) {
  // Without a callback the answer comes as an event.
  const rd_kafka_resp_err_t error = rd_kafka_commit_queue(client_, &list, commits_.get(), nullptr, nullptr);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) events_.OnCommitted(error, nullptr);
}

void ConsumerClient::PollCommits(std::chrono::milliseconds most) {
  const Event event(rd_kafka_queue_poll(commits_.get(), static_cast<int>(most.count())));
  if (event == nullptr || rd_kafka_event_type(event.get()) != RD_KAFKA_EVENT_OFFSET_COMMIT) return;
  events_.OnCommitted(rd_kafka_event_error(event.get()), rd_kafka_event_topic_partition_list(event.get()));
}

bool ConsumerClient::joining() const {
  return Of(rd_kafka_opaque(client_)).joining.load(std::memory_order_relaxed);
}

std::int64_t ConsumerClient::EndOf(std::int32_t partition) const {
  std::int64_t low = -1;
  std::int64_t high = -1;
  const auto error = rd_kafka_get_watermark_offsets(client_, topic_.c_str(), partition, &low, &high);
  return error == RD_KAFKA_RESP_ERR_NO_ERROR ? high : -1;
}

void ConsumerClient::Close(std::chrono::milliseconds most) {
  const Queue last(rd_kafka_queue_new(client_));
  const KafkaError error(rd_kafka_consumer_close_queue(client_, last.get()));
  if (error != nullptr) return;
  for (auto left = most; rd_kafka_consumer_closed(client_) == 0 && left > std::chrono::milliseconds(0);) {
    // Events, not callbacks: librdkafka aborts where a record that was still on its way meets the latter.
    const Event event(rd_kafka_queue_poll(last.get(), static_cast<int>(kCloseStep.count())));
    if (event == nullptr) {
      left -= kCloseStep;
    } else if (rd_kafka_event_type(event.get()) == RD_KAFKA_EVENT_REBALANCE) {
      Rebalance(client_, rd_kafka_event_error(event.get()), rd_kafka_event_topic_partition_list(event.get()),
                rd_kafka_opaque(client_));
    }
  }
}

}  // namespace loquat::ingress::kafka
