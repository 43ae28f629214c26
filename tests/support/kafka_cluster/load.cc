// Load for bench/kafka_understand: writes records to the input as fast as it can and reads the results.
//
// kafka_load BROKERS INPUT OUTPUT RECORDS SESSIONS
// Prints {"records", "seconds": from the first record sent to the last result read, "sent_seconds": to the last record
// acknowledged}. RECORDS results have to arrive within two minutes.

#include <librdkafka/rdkafka.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

using Clock = std::chrono::steady_clock;
constexpr int kPartitionsMax = 64;
constexpr std::chrono::seconds kPatience{120};

const char* const kTexts[] = {"帮我订明天去上海的火车票",
                              "wake me up at 7 tomorrow",
                              "play some jazz",
                              "上海天气",
                              "what is the weather in berlin on friday",
                              "把客厅的灯关掉"};

rd_kafka_t* Client(rd_kafka_type_t type, const char* brokers) {
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  char why[512];
  rd_kafka_conf_set(conf, "bootstrap.servers", brokers, why, sizeof why);
  if (type == RD_KAFKA_PRODUCER) {
    rd_kafka_conf_set(conf, "queue.buffering.max.messages", "1000000", why, sizeof why);
    rd_kafka_conf_set(conf, "linger.ms", "2", why, sizeof why);
    rd_kafka_conf_set(conf, "partitioner", "murmur2_random", why, sizeof why);
  } else {
    rd_kafka_conf_set(conf, "group.id", "load", why, sizeof why);
    rd_kafka_conf_set(conf, "fetch.wait.max.ms", "10", why, sizeof why);
  }
  return rd_kafka_new(type, conf, why, sizeof why);
}

// Reads every partition of the topic from its end.
int Follow(rd_kafka_t* consumer, const char* topic) {
  const rd_kafka_metadata_t* metadata = nullptr;
  rd_kafka_topic_t* handle = rd_kafka_topic_new(consumer, topic, nullptr);
  if (rd_kafka_metadata(consumer, 0, handle, &metadata, 10'000) != RD_KAFKA_RESP_ERR_NO_ERROR) return 0;
  const int partitions = metadata->topics[0].partition_cnt;
  rd_kafka_topic_partition_list_t* list = rd_kafka_topic_partition_list_new(kPartitionsMax);
  for (int i = 0; i < partitions && i < kPartitionsMax; ++i) {
    std::int64_t low = 0;
    std::int64_t high = 0;
    rd_kafka_query_watermark_offsets(consumer, topic, i, &low, &high, 10'000);
    rd_kafka_topic_partition_list_add(list, topic, i)->offset = high;
  }
  rd_kafka_assign(consumer, list);
  rd_kafka_topic_partition_list_destroy(list);
  rd_kafka_metadata_destroy(metadata);
  rd_kafka_topic_destroy(handle);
  return partitions;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) {
    std::fprintf(stderr, "usage: kafka_load BROKERS INPUT OUTPUT RECORDS SESSIONS\n");
    return 2;
  }
  const long records = std::atol(argv[4]);
  const long sessions = std::atol(argv[5]);
  rd_kafka_t* consumer = Client(RD_KAFKA_CONSUMER, argv[1]);
  rd_kafka_t* producer = Client(RD_KAFKA_PRODUCER, argv[1]);
  if (consumer == nullptr || producer == nullptr || records < 1 || sessions < 1) return 1;
  rd_kafka_poll_set_consumer(consumer);
  if (Follow(consumer, argv[3]) == 0) return 1;
  // The places in the log are known before anything is sent.
  const auto begin = Clock::now();
  for (long i = 0; i < records; ++i) {
    const std::string key = "s-" + std::to_string(i % sessions);
    const std::string value = std::string(R"({"text":")") + kTexts[i % std::size(kTexts)] + "\"}";
    rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(argv[2]),
                      RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY | RD_KAFKA_MSG_F_BLOCK),
                      RD_KAFKA_V_KEY(key.data(), key.size()),
                      RD_KAFKA_V_VALUE(const_cast<char*>(value.data()), value.size()), RD_KAFKA_V_END);
    if (i % 1000 == 0) rd_kafka_poll(producer, 0);
  }
  if (rd_kafka_flush(producer, 60'000) != RD_KAFKA_RESP_ERR_NO_ERROR) return 1;
  const auto sent = Clock::now();
  long read = 0;
  while (read < records && Clock::now() - begin < kPatience) {
    rd_kafka_message_t* message = rd_kafka_consumer_poll(consumer, 100);
    if (message == nullptr) continue;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) ++read;
    rd_kafka_message_destroy(message);
  }
  const auto end = Clock::now();
  std::printf("{\"records\": %ld, \"seconds\": %.3f, \"sent_seconds\": %.3f}\n", read,
              std::chrono::duration<double>(end - begin).count(), std::chrono::duration<double>(sent - begin).count());
  rd_kafka_consumer_close(consumer);
  rd_kafka_destroy(consumer);
  rd_kafka_destroy(producer);
  return read == records ? 0 : 1;
}
