// The consumer of the group: partitions come and go cooperatively, offsets are committed when it is told to.
//
// One thread makes, uses and destroys it; its events run on that thread, inside Poll, PollCommits and Close. Messages
// are gone before it is. The references outlive it.

#pragma once

#include <librdkafka/rdkafka.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "ingress/kafka/client_handles.h"
#include "ingress/kafka/kafka_options.h"
#include "observe/log.h"

namespace loquat::ingress::kafka {

class ConsumerEvents {
 public:
  virtual ~ConsumerEvents() = default;
  virtual void OnAssigned(const std::vector<std::int32_t>& partitions) = 0;
  // They are still ours while it runs, unless they are lost: then another member may have them already.
  virtual void OnRevoked(const std::vector<std::int32_t>& partitions, bool lost) = 0;
  virtual void OnCommitted(rd_kafka_resp_err_t error, const rd_kafka_topic_partition_list_t* list) = 0;
  virtual void OnConsumerError(rd_kafka_resp_err_t error, std::string_view text) = 0;
  virtual void OnStats(std::string_view json) = 0;
};

class ConsumerClient {
 public:
  // Joins the group. Errors: internal where librdkafka refuses its settings.
  static base::Result<std::unique_ptr<ConsumerClient>> Open(const KafkaOptions& options, Wakeup& wakeup,
                                                            ConsumerEvents& events, observe::Logger& log);
  ~ConsumerClient();
  ConsumerClient(const ConsumerClient&) = delete;
  ConsumerClient& operator=(const ConsumerClient&) = delete;

  // A record, an error in the place of one, or null. Runs events.
  Message Poll();
  void Pause(rd_kafka_topic_partition_list_t& list) { rd_kafka_pause_partitions(client_, &list); }
  void Resume(rd_kafka_topic_partition_list_t& list) { rd_kafka_resume_partitions(client_, &list); }
  // OnCommitted comes from a later PollCommits, whatever the broker says or does not say.
  void Commit(const rd_kafka_topic_partition_list_t& list);
  // Waits for at most so long; runs OnCommitted alone.
  void PollCommits(std::chrono::milliseconds most);
  // This member has asked to join the group, and has not heard of its partitions yet. Of this moment.
  bool joining() const;
  // The end of a partition's log as last heard of; negative while unknown.
  std::int64_t EndOf(std::int32_t partition) const;
  // Leaves the group; gives back what it has by OnRevoked.
  void Close(std::chrono::milliseconds most);

 private:
  ConsumerClient(rd_kafka_t* client, std::string topic, Wakeup& wakeup, ConsumerEvents& events);
  static void Rebalance(rd_kafka_t* client, rd_kafka_resp_err_t kind, rd_kafka_topic_partition_list_t* list,
                        void* opaque);

  rd_kafka_t* const client_;
  const std::string topic_;
  Wakeup& wakeup_;
  ConsumerEvents& events_;
  Queue records_;
  Queue commits_;
};

// The lines of librdkafka's own log, at debug: it repeats itself while a broker is away.
void ForwardLog(observe::Logger& log, int level, const char* facility, const char* text);

}  // namespace loquat::ingress::kafka
