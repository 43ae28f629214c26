// A Kafka cluster for tests: librdkafka's mock brokers on loopback, over real TCP, in memory.
//
// kafka_cluster BROKERS; prints "ready HOST:PORT,…", then answers each line of standard input with "ok" or "error …":
//   topic NAME PARTITIONS           creates it
//   down BROKER | up BROKER         closes its port, opens it
//   leader TOPIC PARTITION BROKER
//   coordinator GROUP BROKER
//   rtt BROKER MS
//   errors API N CODE               the next N requests of the API (a protocol number: 0 Produce, 1 Fetch, 8
//   OffsetCommit) topic_error TOPIC CODE          0: none any more
// Ends with its standard input.

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

namespace {

constexpr std::size_t kErrorsMax = 1'000'000;

bool Errors(rd_kafka_mock_cluster_t* cluster, std::istream& words) {
  std::int16_t api = 0;
  std::size_t count = 0;
  int code = 0;
  if (!(words >> api >> count >> code) || count > kErrorsMax) return false;
  const std::vector<rd_kafka_resp_err_t> errors(count, static_cast<rd_kafka_resp_err_t>(code));
  rd_kafka_mock_clear_request_errors(cluster, api);
  if (count > 0) rd_kafka_mock_push_request_errors_array(cluster, api, count, errors.data());
  return true;
}

bool Obey(rd_kafka_mock_cluster_t* cluster, const std::string& line) {
  std::istringstream words(line);
  std::string command;
  std::string name;
  std::int32_t broker = 0;
  int number = 0;
  words >> command;
  if (command == "topic" && words >> name >> number) {
    return rd_kafka_mock_topic_create(cluster, name.c_str(), number, 1) == RD_KAFKA_RESP_ERR_NO_ERROR;
  }
  if (command == "down" && words >> broker) return rd_kafka_mock_broker_set_down(cluster, broker) == 0;
  if (command == "up" && words >> broker) return rd_kafka_mock_broker_set_up(cluster, broker) == 0;
  if (command == "leader" && words >> name >> number >> broker) {
    return rd_kafka_mock_partition_set_leader(cluster, name.c_str(), number, broker) == 0;
  }
  if (command == "coordinator" && words >> name >> broker) {
    return rd_kafka_mock_coordinator_set(cluster, "group", name.c_str(), broker) == 0;
  }
  if (command == "rtt" && words >> broker >> number) return rd_kafka_mock_broker_set_rtt(cluster, broker, number) == 0;
  if (command == "errors") return Errors(cluster, words);
  if (command == "topic_error" && words >> name >> number) {
    rd_kafka_mock_topic_set_error(cluster, name.c_str(), static_cast<rd_kafka_resp_err_t>(number));
    return true;
  }
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  const int brokers = argc > 1 ? std::atoi(argv[1]) : 3;
  char why[512];
  // The mock cluster lives in some client's process; this one talks to nobody, and need not note that it has no
  // brokers.
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  rd_kafka_conf_set(conf, "log_level", "4", why, sizeof why);
  rd_kafka_t* client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
  if (client == nullptr) {
    std::fprintf(stderr, "kafka_cluster: %s\n", why);
    return 1;
  }
  rd_kafka_mock_cluster_t* cluster = rd_kafka_mock_cluster_new(client, brokers);
  if (cluster == nullptr) {
    std::fprintf(stderr, "kafka_cluster: no cluster of %d brokers\n", brokers);
    return 1;
  }
  std::printf("ready %s\n", rd_kafka_mock_cluster_bootstraps(cluster));
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line);) {
    const bool obeyed = Obey(cluster, line);
    std::printf("%s %s\n", obeyed ? "ok" : "error", line.c_str());
    std::fflush(stdout);
  }
  rd_kafka_mock_cluster_destroy(cluster);
  rd_kafka_destroy(client);
  return 0;
}
