// The whole ingress against librdkafka's mock brokers in this process: what the sanitizers see of its threads.

#include "ingress/kafka/kafka_ingress.h"

#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <memory>
#include <set>
#include <string>

#include "ingress/kafka/client_handles.h"
#include "ingress/kafka/client_properties.h"
#include "pipeline/test_assistant.h"

namespace loquat::ingress {
namespace {

constexpr int kPatienceMs = 60'000;

struct ClientDeleter {
  void operator()(rd_kafka_t* client) const { rd_kafka_destroy(client); }
};
using Client = std::unique_ptr<rd_kafka_t, ClientDeleter>;

class KafkaIngressTest : public testing::Test {
 protected:
  KafkaIngressTest() : owner_(MakeClient(RD_KAFKA_PRODUCER, "")) {
    cluster_ = rd_kafka_mock_cluster_new(owner_.get(), 2);
    options_ = {.brokers = rd_kafka_mock_cluster_bootstraps(cluster_),
                .input = "ask",
                .output = "answers",
                .dead_letter = "dead",
                .threads = 2,
                .in_flight_max = 32,
                .commit_interval = std::chrono::milliseconds(50)};
    for (const char* topic : {"ask", "answers"}) rd_kafka_mock_topic_create(cluster_, topic, 4, 1);
    rd_kafka_mock_topic_create(cluster_, "dead", 1, 1);
  }
  ~KafkaIngressTest() override { rd_kafka_mock_cluster_destroy(cluster_); }

  static Client MakeClient(rd_kafka_type_t type, const std::string& brokers) {
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    char why[512];
    if (brokers.empty()) {
      rd_kafka_conf_set(conf, "log_level", "4", why, sizeof why);  // It would note that it has none.
    } else {
      rd_kafka_conf_set(conf, "bootstrap.servers", brokers.c_str(), why, sizeof why);
    }
    if (type == RD_KAFKA_CONSUMER) {
      rd_kafka_conf_set(conf, "group.id", "test", why, sizeof why);
      rd_kafka_conf_set(conf, "auto.offset.reset", "earliest", why, sizeof why);
    }
    return Client(rd_kafka_new(type, conf, why, sizeof why));
  }
  void Send(int count) {
    const Client producer = MakeClient(RD_KAFKA_PRODUCER, options_.brokers);
    for (int i = 0; i < count; ++i) {
      const std::string key = "s-" + std::to_string(i % 8);
      const std::string value = i % 10 == 9 ? "no JSON" : R"({"text":"what is the weather in paris","reply":true})";
      const auto error =
          rd_kafka_producev(producer.get(), RD_KAFKA_V_TOPIC("ask"), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                            RD_KAFKA_V_KEY(key.data(), key.size()),
                            RD_KAFKA_V_VALUE(const_cast<char*>(value.data()), value.size()), RD_KAFKA_V_END);
      ASSERT_EQ(error, RD_KAFKA_RESP_ERR_NO_ERROR);
    }
    ASSERT_EQ(rd_kafka_flush(producer.get(), kPatienceMs), RD_KAFKA_RESP_ERR_NO_ERROR);
  }
  // The sources of `count` records of the output and the dead letters.
  std::multiset<std::string> Read(std::size_t count) {
    std::multiset<std::string> sources;
    const Client consumer = MakeClient(RD_KAFKA_CONSUMER, options_.brokers);
    rd_kafka_poll_set_consumer(consumer.get());
    const kafka::PartitionList list(rd_kafka_topic_partition_list_new(5));
    for (int i = 0; i < 4; ++i) rd_kafka_topic_partition_list_add(list.get(), "answers", i)->offset = 0;
    rd_kafka_topic_partition_list_add(list.get(), "dead", 0)->offset = 0;
    rd_kafka_assign(consumer.get(), list.get());
    while (sources.size() < count) {
      const kafka::Message message(rd_kafka_consumer_poll(consumer.get(), kPatienceMs));
      if (message == nullptr) break;
      rd_kafka_headers_t* headers = nullptr;
      if (message->err != 0 || rd_kafka_message_headers(message.get(), &headers) != 0) continue;
      sources.insert(HeaderOf(*headers, "loquat-source-partition") + "/" + HeaderOf(*headers, "loquat-source-offset"));
    }
    rd_kafka_consumer_close(consumer.get());
    return sources;
  }
  static std::string HeaderOf(const rd_kafka_headers_t& headers, const char* name) {
    const void* value = nullptr;
    std::size_t size = 0;
    if (rd_kafka_header_get_last(&headers, name, &value, &size) != 0) return "none";
    return {static_cast<const char*>(value), size};
  }
  std::unique_ptr<KafkaIngress> Start() {
    auto started = KafkaIngress::Start(
        options_, {},
        {.understand = test_.pipeline, .callbacks = callbacks_, .clock = clock_, .log = log_, .metrics = metrics_});
    EXPECT_TRUE(started.has_value()) << (started.has_value() ? "" : started.error().message);
    return std::move(started).value_or(nullptr);
  }

  const Client owner_;  // Of the cluster.
  rd_kafka_mock_cluster_t* cluster_ = nullptr;
  KafkaOptions options_;
  const base::SystemClock clock_;
  observe::Logger log_;
  observe::Registry metrics_;
  pipeline::TestPipeline test_;
  pipeline::Callbacks callbacks_;
};

TEST_F(KafkaIngressTest, EveryRecordHasOneAnswerOrDeadLetter) {
  const auto ingress = Start();
  Send(400);
  const std::multiset<std::string> sources = Read(400);
  EXPECT_EQ(sources.size(), 400U);
  EXPECT_EQ(std::set<std::string>(sources.begin(), sources.end()).size(), 400U);
  EXPECT_TRUE(ingress->health().status.has_value());
  EXPECT_EQ(ingress->Drain(std::chrono::seconds(10)), 0U);
  EXPECT_EQ(
      metrics_.AddCounter("loquat_kafka_results_total", "Results that the output topic has acknowledged.").value(),
      360U);
}

TEST_F(KafkaIngressTest, OneThatIsCutEndsAtOnceAndLeavesTheRest) {
  rd_kafka_mock_broker_set_rtt(cluster_, -1, 50);
  Send(200);
  auto ingress = Start();
  EXPECT_GE(Read(20).size(), 20U);
  ingress.reset();
}

TEST_F(KafkaIngressTest, OneWithoutBrokersStartsAndEnds) {
  options_.brokers = "127.0.0.1:1";
  const auto ingress = Start();
  ASSERT_NE(ingress, nullptr);
  const pipeline::PartHealth health = ingress->health();
  ASSERT_FALSE(health.status.has_value());
  EXPECT_EQ(health.status.error().reason, "kafka_away");
  EXPECT_TRUE(health.usable);
  EXPECT_EQ(ingress->Drain(std::chrono::seconds(1)), 0U);
}

}  // namespace
}  // namespace loquat::ingress
