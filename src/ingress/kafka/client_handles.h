// Owners of what librdkafka hands out, and the eventfd by which its queues wake the one thread that serves them.
//
// A Wakeup may be told from any thread; one thread waits.

#pragma once

#include <librdkafka/rdkafka.h>

#include <chrono>
#include <memory>

#include "base/result.h"

namespace loquat::ingress::kafka {

struct MessageDeleter {
  void operator()(rd_kafka_message_t* message) const { rd_kafka_message_destroy(message); }
};
using Message = std::unique_ptr<rd_kafka_message_t, MessageDeleter>;

struct QueueDeleter {
  void operator()(rd_kafka_queue_t* queue) const { rd_kafka_queue_destroy(queue); }
};
using Queue = std::unique_ptr<rd_kafka_queue_t, QueueDeleter>;

struct PartitionListDeleter {
  void operator()(rd_kafka_topic_partition_list_t* list) const { rd_kafka_topic_partition_list_destroy(list); }
};
using PartitionList = std::unique_ptr<rd_kafka_topic_partition_list_t, PartitionListDeleter>;

struct EventDeleter {
  void operator()(rd_kafka_event_t* event) const { rd_kafka_event_destroy(event); }
};
using Event = std::unique_ptr<rd_kafka_event_t, EventDeleter>;

struct KafkaErrorDeleter {
  void operator()(rd_kafka_error_t* error) const { rd_kafka_error_destroy(error); }
};
using KafkaError = std::unique_ptr<rd_kafka_error_t, KafkaErrorDeleter>;

class Wakeup {
 public:
  Wakeup();
  ~Wakeup();
  Wakeup(const Wakeup&) = delete;
  Wakeup& operator=(const Wakeup&) = delete;

  void Wake();
  // Until it was woken, or the time is up.
  void Wait(std::chrono::milliseconds most);
  // The queue wakes it when it is no longer empty.
  void ListenTo(rd_kafka_queue_t& queue);
  void Forget(rd_kafka_queue_t& queue);

 private:
  const int descriptor_;
};

}  // namespace loquat::ingress::kafka
