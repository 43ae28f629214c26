#include "ingress/kafka/kafka_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <sstream>

#include "config/load.h"
#include "ingress/kafka/client_properties.h"

namespace loquat::ingress {
namespace {

using kafka::CheckProperties;
using kafka::PropertyKind;
using testing::HasSubstr;

struct Root {
  KafkaOptions kafka;
};
void Declare(config::Section<Root>& section) {
  section.Sub("kafka", &Root::kafka);
}

std::string WhatIsWrong(std::vector<std::string> sets) {
  sets.insert(sets.begin(), {"kafka.brokers=127.0.0.1:9092", "kafka.input=i", "kafka.output=o", "kafka.dead_letter=d"});
  const auto loaded = config::Load<Root>({.overrides = std::move(sets)});
  return loaded.has_value() ? "" : loaded.error().message;
}
std::string PropertyFault(const std::string& name, const std::string& value, PropertyKind kind = PropertyKind::kPlain) {
  const base::Status checked = CheckProperties({{name, value}}, kind, "/properties");
  if (checked.has_value()) return "";
  EXPECT_EQ(checked.error().param, "/properties");
  return checked.error().message;
}

TEST(KafkaOptions, NothingIsAskedForWithoutBrokers) {
  EXPECT_TRUE(config::Load<Root>({}).has_value());
}

TEST(KafkaOptions, ThreeTopicsThatDiffer) {
  EXPECT_EQ(WhatIsWrong({}), "");
  EXPECT_THAT(WhatIsWrong({"kafka.dead_letter="}), HasSubstr("three topics"));
  EXPECT_THAT(WhatIsWrong({"kafka.output=i"}), HasSubstr("read as records again"));
  EXPECT_THAT(WhatIsWrong({"kafka.dead_letter=i"}), HasSubstr("topic of their own"));
  EXPECT_THAT(WhatIsWrong({"kafka.dead_letter=o"}), HasSubstr("topic of their own"));
  EXPECT_THAT(WhatIsWrong({"kafka.input=a b"}), HasSubstr("a topic"));
  EXPECT_EQ(WhatIsWrong({"kafka.input=" + std::string(249, 'x')}), "");
  EXPECT_THAT(WhatIsWrong({"kafka.input=" + std::string(250, 'x')}), HasSubstr("a topic"));
  EXPECT_THAT(WhatIsWrong({"kafka.group="}), HasSubstr("group"));
}

TEST(KafkaOptions, WaitsAreInOrder) {
  EXPECT_THAT(WhatIsWrong({"kafka.retry_first=2s", "kafka.retry_ceiling=1s"}), HasSubstr("no shorter"));
}

TEST(KafkaProperties, WhatWouldBreakThePromisesIsRefused) {
  for (const char* name : {"enable.auto.commit",
                           "auto.commit.enable",
                           "enable.auto.offset.store",
                           "offset.store.method",
                           "partition.assignment.strategy",
                           "enable.partition.eof",
                           "enable.idempotence",
                           "enable.gapless.guarantee",
                           "acks",
                           "request.required.acks",
                           "retries",
                           "message.send.max.retries",
                           "max.in.flight",
                           "max.in.flight.requests.per.connection",
                           "queuing.strategy",
                           "partitioner",
                           "transactional.id",
                           "delivery.report.only.error",
                           "bootstrap.servers",
                           "group.id",
                           "message.timeout.ms",
                           "delivery.timeout.ms",
                           "message.max.bytes",
                           "fetch.message.max.bytes",
                           "max.partition.fetch.bytes",
                           "statistics.interval.ms",
                           "plugin.library.paths",
                           "test.mock.num.brokers",
                           "dr_msg_cb",
                           "log_cb",
                           "opaque"}) {
    EXPECT_THAT(PropertyFault(name, "1"), HasSubstr(std::string("the property ") + name + " cannot be set here: "))
        << name;
    EXPECT_NE(PropertyFault(name, "1", PropertyKind::kSecret), "") << name << " is no secret either";
  }
}

TEST(KafkaProperties, SecretsAreNoPlainProperties) {
  for (const char* name : {"sasl.password", "ssl.key.password", "ssl.key.pem", "ssl.keystore.password"}) {
    EXPECT_THAT(PropertyFault(name, "x"), HasSubstr("kafka.secrets")) << name;
  }
  EXPECT_EQ(PropertyFault("sasl.password", "x", PropertyKind::kSecret), "");
}

TEST(KafkaProperties, UnknownNamesAndBadValuesAreRefused) {
  EXPECT_THAT(PropertyFault("no.such", "x"), HasSubstr("no.such"));
  EXPECT_THAT(PropertyFault("fetch.wait.max.ms", "soon"), HasSubstr("fetch.wait.max.ms"));
  EXPECT_THAT(PropertyFault("security.protocol", "telepathy"), HasSubstr("security.protocol"));
  EXPECT_THAT(PropertyFault("ssl.key.pem", "no key", PropertyKind::kSecret), testing::Not(HasSubstr("no key")));
}

TEST(KafkaProperties, OthersPass) {
  for (const auto& [name, value] : std::map<std::string, std::string>{{"security.protocol", "sasl_ssl"},
                                                                      {"sasl.mechanisms", "SCRAM-SHA-512"},
                                                                      {"sasl.username", "loquat"},
                                                                      {"ssl.ca.location", "/etc/ssl/ca.pem"},
                                                                      {"compression.type", "zstd"},
                                                                      {"group.instance.id", "one"},
                                                                      {"session.timeout.ms", "6000"},
                                                                      {"auto.offset.reset", "latest"},
                                                                      {"linger.ms", "20"}}) {
    EXPECT_EQ(PropertyFault(name, value), "") << name;
  }
}

TEST(KafkaProperties, NoMoreThanTheBound) {
  std::map<std::string, std::string> many;
  for (std::size_t i = 0; i <= kafka::kPropertiesMax; ++i) many["p" + std::to_string(i)] = "x";
  EXPECT_THAT(CheckProperties(many, PropertyKind::kPlain, "/properties").error().message, HasSubstr("at most 128"));
}

std::string ValueOf(const kafka::Conf& conf, const char* name) {
  char value[256] = {};
  std::size_t size = sizeof value;
  EXPECT_EQ(rd_kafka_conf_get(conf.get(), name, value, &size), RD_KAFKA_CONF_OK) << name;
  return value;
}

TEST(KafkaProperties, TheClientsKeepThePromises) {
  KafkaOptions options{.brokers = "b:1", .input = "i", .output = "o", .dead_letter = "d"};
  const auto consumer = kafka::ConsumerConf(options);
  ASSERT_TRUE(consumer.has_value()) << consumer.error().message;
  EXPECT_EQ(ValueOf(*consumer, "enable.auto.commit"), "false");
  EXPECT_EQ(ValueOf(*consumer, "enable.auto.offset.store"), "false");
  EXPECT_EQ(ValueOf(*consumer, "partition.assignment.strategy"), "cooperative-sticky");
  EXPECT_EQ(ValueOf(*consumer, "auto.offset.reset"), "smallest");
  EXPECT_EQ(ValueOf(*consumer, "group.id"), "loquat");
  const auto producer = kafka::ProducerConf(options);
  ASSERT_TRUE(producer.has_value()) << producer.error().message;
  EXPECT_EQ(ValueOf(*producer, "enable.idempotence"), "true");
  EXPECT_EQ(ValueOf(*producer, "linger.ms"), "1");
  options.properties = {{"linger.ms", "20"}, {"auto.offset.reset", "latest"}};
  EXPECT_EQ(ValueOf(*kafka::ProducerConf(options), "linger.ms"), "20");
  EXPECT_EQ(ValueOf(*kafka::ConsumerConf(options), "auto.offset.reset"), "largest");
}

// Librdkafka's own table: "name | C, P or * | range | …" a line.
std::map<std::string, std::string> KindsByLibrdkafka() {
  char* text = nullptr;
  std::size_t size = 0;
  std::FILE* file = open_memstream(&text, &size);
  rd_kafka_conf_properties_show(file);
  std::fclose(file);
  const std::unique_ptr<char, decltype(&std::free)> owner(text, &std::free);
  std::map<std::string, std::string> kinds;
  std::istringstream lines(std::string(text, size));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string name;
    std::string bar;
    std::string kind;
    if (!(words >> name >> bar >> kind) || bar != "|" || (kind != "C" && kind != "P" && kind != "*")) continue;
    kinds[name] = kind;
    if (line.find("see dedicated API") == std::string::npos) continue;
    EXPECT_THAT(PropertyFault(name, "1"), HasSubstr("cannot be set here")) << "a text in the place of a pointer";
  }
  return kinds;
}

TEST(KafkaProperties, EachGoesToTheClientsThatKnowIt) {
  const auto kinds = KindsByLibrdkafka();
  EXPECT_GT(kinds.size(), 100U);
  for (const auto& [name, kind] : kinds) {
    if (PropertyFault(name, "1").find("cannot be set here") != std::string::npos) continue;
    const auto ours = kafka::OneKindOf(name);
    const std::string as_theirs = !ours ? "*" : *ours == kafka::ClientKind::kConsumer ? "C" : "P";
    EXPECT_EQ(as_theirs, kind) << name;
  }
}

TEST(KafkaProperties, LibrdkafkaWarnsOfNone) {
  const KafkaOptions options{.brokers = "127.0.0.1:1",
                             .input = "i",
                             .output = "o",
                             .dead_letter = "d",
                             .properties = {{"fetch.wait.max.ms", "50"},
                                            {"auto.offset.reset", "latest"},
                                            {"linger.ms", "5"},
                                            {"compression.type", "zstd"},
                                            {"client.id", "both"}}};
  auto consumer = kafka::ConsumerConf(options);
  ASSERT_TRUE(consumer.has_value());
  EXPECT_EQ(ValueOf(*consumer, "fetch.wait.max.ms"), "50");
  EXPECT_EQ(ValueOf(*consumer, "client.id"), "both");
  auto producer = kafka::ProducerConf(options);
  ASSERT_TRUE(producer.has_value());
  EXPECT_EQ(ValueOf(*producer, "compression.type"), "zstd");
  for (auto& [type, conf] : {std::pair(RD_KAFKA_CONSUMER, &*consumer), {RD_KAFKA_PRODUCER, &*producer}}) {
    std::string warnings;  // They come while the client is made.
    rd_kafka_conf_set_opaque(conf->get(), &warnings);
    rd_kafka_conf_set_log_cb(conf->get(), [](const rd_kafka_t* client, int, const char* facility, const char* text) {
      if (std::string_view(facility) != "CONFWARN") return;
      static_cast<std::string*>(rd_kafka_opaque(client))->append(text).append("\n");
    });
    char why[512] = {};
    rd_kafka_t* client = rd_kafka_new(type, conf->get(), why, sizeof why);
    ASSERT_NE(client, nullptr) << why;
    (void)conf->release();
    EXPECT_EQ(warnings, "");
    rd_kafka_destroy(client);
  }
}

}  // namespace
}  // namespace loquat::ingress
