// The properties of the Kafka clients: which of librdkafka's an operator may set, and the configurations that come of
// them and of our own. Pure functions.
//
// https://github.com/confluentinc/librdkafka/blob/v2.0.2/CONFIGURATION.md

#pragma once

#include <librdkafka/rdkafka.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "ingress/kafka/kafka_options.h"

namespace loquat::ingress::kafka {

struct ConfDeleter {
  void operator()(rd_kafka_conf_t* conf) const { rd_kafka_conf_destroy(conf); }
};
using Conf = std::unique_ptr<rd_kafka_conf_t, ConfDeleter>;

inline constexpr std::size_t kPropertiesMax = 128;
// What a dead letter has more than the record that it was.
inline constexpr std::size_t kDeadLetterHeaderBytesMax = 16 * 1024;

enum class PropertyKind : std::uint8_t { kPlain, kSecret };

// Secrets are of the second kind alone, so that no dump shows them. Errors: invalid_argument with the pointer of the
// property, for one that librdkafka does not know or take, one that has a key of its own here, and one that would break
// the order, the delivery or the commits.
base::Status CheckProperties(const std::map<std::string, std::string>& properties, PropertyKind kind,
                             std::string_view pointer);

enum class ClientKind : std::uint8_t { kConsumer, kProducer };

// The one kind of client that knows the property, of those that may be set; none where both do.
std::optional<ClientKind> OneKindOf(std::string_view property);

// Each has the operator's properties that its kind knows. REQUIRES: the options were checked. Errors: internal, naming
// what librdkafka refused.
base::Result<Conf> ConsumerConf(const KafkaOptions& options);
base::Result<Conf> ProducerConf(const KafkaOptions& options);

}  // namespace loquat::ingress::kafka
