#include "ingress/kafka/client_properties.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace loquat::ingress::kafka {
namespace {

struct Refusal {
  std::string_view property;
  std::string_view why;
};

constexpr std::string_view kCommits = "offsets are committed by this server alone, once a result is acknowledged";
constexpr std::string_view kProducing = "results are produced idempotently, acknowledged by all replicas and retried";
constexpr std::string_view kBytes = "it follows from `kafka.record_bytes_max`";
constexpr std::string_view kInternals = "it is no setting of a server";

constexpr auto kRefused = std::to_array<Refusal>({
    {"bootstrap.servers", "it is `kafka.brokers`"},
    {"metadata.broker.list", "it is `kafka.brokers`"},
    {"group.id", "it is `kafka.group`"},
    {"enable.auto.commit", kCommits},
    {"auto.commit.enable", kCommits},
    {"auto.commit.interval.ms", "it is `kafka.commit_interval`"},
    {"enable.auto.offset.store", kCommits},
    {"offset.store.method", kCommits},
    {"offset.store.path", kCommits},
    {"partition.assignment.strategy", "members of the group hand partitions over cooperatively (cooperative-sticky)"},
    {"enable.partition.eof", "the end of a partition is no record"},
    {"enable.idempotence", kProducing},
    {"enable.gapless.guarantee", kProducing},
    {"acks", kProducing},
    {"request.required.acks", kProducing},
    {"retries", kProducing},
    {"message.send.max.retries", kProducing},
    {"max.in.flight", kProducing},
    {"max.in.flight.requests.per.connection", kProducing},
    {"queuing.strategy", "it would break the order of a session"},
    {"partitioner", "records of one session go to one partition"},
    {"delivery.report.only.error", "every acknowledgement counts"},
    {"transactional.id", "results are not produced in transactions"},
    {"transaction.timeout.ms", "results are not produced in transactions"},
    {"message.timeout.ms", "it is `kafka.produce_timeout`"},
    {"delivery.timeout.ms", "it is `kafka.produce_timeout`"},
    {"statistics.interval.ms", "it is `kafka.commit_interval`"},
    {"message.max.bytes", kBytes},
    {"fetch.message.max.bytes", kBytes},
    {"max.partition.fetch.bytes", kBytes},
    {"plugin.library.paths", "code is not loaded at run time"},
    {"test.mock.num.brokers", kInternals},
    {"enable.sasl.oauthbearer.unsecure.jwt", "unsecured tokens are for tests"},
    {"log.thread.name", kInternals},
    {"builtin.features", kInternals},
});

// Of those that may be set. librdkafka warns of each one that is given to a client of the other kind.
constexpr auto kOfConsumers = std::to_array<std::string_view>({
    "auto.offset.reset",
    "check.crcs",
    "consume.callback.max.messages",
    "coordinator.query.interval.ms",
    "fetch.error.backoff.ms",
    "fetch.max.bytes",
    "fetch.min.bytes",
    "fetch.wait.max.ms",
    "group.instance.id",
    "group.protocol.type",
    "heartbeat.interval.ms",
    "isolation.level",
    "max.poll.interval.ms",
    "offset.store.sync.interval.ms",
    "queued.max.messages.kbytes",
    "queued.min.messages",
    "session.timeout.ms",
});
constexpr auto kOfProducers = std::to_array<std::string_view>({
    "batch.num.messages",
    "batch.size",
    "compression.codec",
    "compression.level",
    "compression.type",
    "linger.ms",
    "produce.offset.report",
    "queue.buffering.backpressure.threshold",
    "queue.buffering.max.kbytes",
    "queue.buffering.max.messages",
    "queue.buffering.max.ms",
    "request.timeout.ms",
    "retry.backoff.ms",
    "sticky.partitioning.linger.ms",
});

constexpr auto kSecrets =
    std::to_array<std::string_view>({"sasl.password", "ssl.key.password", "ssl.key.pem", "ssl.keystore.password",
                                     "sasl.oauthbearer.client.secret", "sasl.oauthbearer.config"});

bool IsSecret(std::string_view name) {
  return std::ranges::find(kSecrets, name) != kSecrets.end();
}

bool IsPointer(std::string_view name) {
  return name.ends_with("_cb") || name == "opaque" || name == "ssl_engine_callback_data" || name == "interceptors" ||
         name == "default_topic_conf" || name == "msg_order_cmp" || name == "ssl_key" || name == "ssl_certificate" ||
         name == "ssl_ca";
}

base::Error Refused(std::string_view name, std::string_view why, std::string_view pointer) {
  return base::InvalidArgument(fmt::format("the property {} cannot be set here: {}", name, why), std::string(pointer));
}

base::Status Set(rd_kafka_conf_t& conf, std::string_view name, std::string_view value) {
  std::array<char, 512> why{};
  const rd_kafka_conf_res_t result =
      rd_kafka_conf_set(&conf, std::string(name).c_str(), std::string(value).c_str(), why.data(), why.size());
  if (result == RD_KAFKA_CONF_OK) return {};
  return base::InvalidArgument(fmt::format("the property {} is not taken by librdkafka {}: {}", name,
                                           rd_kafka_version_str(),
                                           IsSecret(name) ? "see its documentation" : why.data()));
}

base::Status SetAll(rd_kafka_conf_t& conf, const std::map<std::string, std::string>& properties, ClientKind kind) {
  const ClientKind other = kind == ClientKind::kConsumer ? ClientKind::kProducer : ClientKind::kConsumer;
  for (const auto& [name, value] : properties) {
    if (OneKindOf(name) != other) LOQUAT_TRY(Set(conf, name, value));
  }
  return {};
}

base::Result<Conf> CommonConf(const KafkaOptions& options, ClientKind kind) {
  Conf conf(rd_kafka_conf_new());
  // Defaults of ours that an operator may change.
  LOQUAT_TRY(Set(*conf, "client.id", "loquat"));
  LOQUAT_TRY(Set(*conf, "reconnect.backoff.max.ms", "5000"));
  LOQUAT_TRY(SetAll(*conf, options.properties, kind));
  LOQUAT_TRY(SetAll(*conf, options.secrets, kind));
  LOQUAT_TRY(Set(*conf, "bootstrap.servers", options.brokers));
  LOQUAT_TRY(Set(*conf, "message.max.bytes", std::to_string(options.record_bytes_max + kDeadLetterHeaderBytesMax)));
  return conf;
}

}  // namespace

std::optional<ClientKind> OneKindOf(std::string_view property) {
  if (std::ranges::find(kOfConsumers, property) != kOfConsumers.end()) return ClientKind::kConsumer;
  if (std::ranges::find(kOfProducers, property) != kOfProducers.end()) return ClientKind::kProducer;
  return std::nullopt;
}

base::Status CheckProperties(const std::map<std::string, std::string>& properties, PropertyKind kind,
                             std::string_view pointer) {
  if (properties.size() > kPropertiesMax) {
    return base::InvalidArgument(fmt::format("at most {} properties", kPropertiesMax), std::string(pointer));
  }
  const Conf scratch(rd_kafka_conf_new());
  for (const auto& [name, value] : properties) {
    const auto* refusal = std::ranges::find(kRefused, name, &Refusal::property);
    if (refusal != kRefused.end()) return Refused(name, refusal->why, pointer);
    if (IsPointer(name)) return Refused(name, kInternals, pointer);
    if (kind == PropertyKind::kPlain && IsSecret(name)) {
      return Refused(name, "it is a secret; put it under `kafka.secrets`", pointer);
    }
    base::Status set = Set(*scratch, name, value);
    if (set.has_value()) continue;
    base::Error error = std::move(set).error();
    error.param = pointer;
    return error;
  }
  return {};
}

base::Result<Conf> ConsumerConf(const KafkaOptions& options) {
  LOQUAT_ASSIGN(Conf conf, CommonConf(options, ClientKind::kConsumer));
  // A group that is new to a topic loses nothing, unless it is told to.
  if (!options.properties.contains("auto.offset.reset")) LOQUAT_TRY(Set(*conf, "auto.offset.reset", "earliest"));
  LOQUAT_TRY(Set(*conf, "group.id", options.group));
  LOQUAT_TRY(Set(*conf, "enable.auto.commit", "false"));
  // Commits follow the statistics (Worker::OnStats).
  LOQUAT_TRY(Set(*conf, "statistics.interval.ms", std::to_string(options.commit_interval.count())));
  LOQUAT_TRY(Set(*conf, "enable.auto.offset.store", "false"));
  LOQUAT_TRY(Set(*conf, "partition.assignment.strategy", "cooperative-sticky"));
  LOQUAT_TRY(
      Set(*conf, "fetch.message.max.bytes", std::to_string(options.record_bytes_max + kDeadLetterHeaderBytesMax)));
  return conf;
}

base::Result<Conf> ProducerConf(const KafkaOptions& options) {
  LOQUAT_ASSIGN(Conf conf, CommonConf(options, ClientKind::kProducer));
  LOQUAT_TRY(Set(*conf, "enable.idempotence", "true"));
  LOQUAT_TRY(Set(*conf, "message.timeout.ms", std::to_string(options.produce_timeout.count())));
  // The next record of a session waits for this one's acknowledgement.
  if (!options.properties.contains("linger.ms") && !options.properties.contains("queue.buffering.max.ms")) {
    LOQUAT_TRY(Set(*conf, "linger.ms", "1"));
  }
  // Java's partitioner, so that other clients find a session in the same partition.
  LOQUAT_TRY(Set(*conf, "partitioner", "murmur2_random"));
  return conf;
}

}  // namespace loquat::ingress::kafka
