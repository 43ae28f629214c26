#include "ingress/kafka/kafka_options.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/result.h"
#include "ingress/kafka/client_properties.h"

namespace loquat::ingress {

using std::chrono::hours;
using std::chrono::milliseconds;

namespace {

constexpr std::size_t kTopicBytesMax = 249;  // Kafka's own bound, of the file names that brokers make of it.

bool IsTopicOrNothing(std::string_view text) {
  if (text.size() > kTopicBytesMax || text == "." || text == "..") return false;
  return std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  });
}
constexpr std::string_view kTopicForm = "a topic: at most 249 letters, digits and . _ -";

base::Status CheckTopics(const KafkaOptions& options) {
  if (options.brokers.empty()) return {};
  if (options.group.empty()) return base::InvalidArgument("a consumer group has a name", "/group");
  for (const auto& [pointer, topic] : {std::pair<std::string_view, const std::string&>("/input", options.input),
                                       {"/output", options.output},
                                       {"/dead_letter", options.dead_letter}}) {
    if (topic.empty()) {
      return base::InvalidArgument("where `brokers` are given, `input`, `output` and `dead_letter` name three topics",
                                   std::string(pointer));
    }
  }
  if (options.output == options.input) {
    return base::InvalidArgument("the results would be read as records again; name another topic", "/output");
  }
  if (options.dead_letter == options.input || options.dead_letter == options.output) {
    return base::InvalidArgument("dead letters need a topic of their own", "/dead_letter");
  }
  return {};
}

base::Status CheckAll(const KafkaOptions& options) {
  LOQUAT_TRY(CheckTopics(options));
  if (options.retry_ceiling < options.retry_first) {
    return base::InvalidArgument("`retry_ceiling` is no shorter than `retry_first`", "/retry_ceiling");
  }
  LOQUAT_TRY(kafka::CheckProperties(options.properties, kafka::PropertyKind::kPlain, "/properties"));
  return kafka::CheckProperties(options.secrets, kafka::PropertyKind::kSecret, "/secrets");
}

void DeclareTopics(config::Section<KafkaOptions>& section) {
  section.Key("brokers", &KafkaOptions::brokers)
      .Size(0, 4096)
      .NeedsRestart()
      .Help("Where to find the cluster first: host:port, several with commas. Empty: no Kafka.");
  section.Key("group", &KafkaOptions::group).Size(0, 255).NeedsRestart().Help("The consumer group.");
  section.Key("input", &KafkaOptions::input)
      .Match(IsTopicOrNothing, kTopicForm)
      .NeedsRestart()
      .Help("Topic whose records are understood.");
  section.Key("output", &KafkaOptions::output)
      .Match(IsTopicOrNothing, kTopicForm)
      .NeedsRestart()
      .Help("Topic that gets the results.");
  section.Key("dead_letter", &KafkaOptions::dead_letter)
      .Match(IsTopicOrNothing, kTopicForm)
      .NeedsRestart()
      .Help("Topic that gets the records that cannot be answered, with the reason in their headers.");
}

void DeclareBounds(config::Section<KafkaOptions>& section) {
  section.Key("threads", &KafkaOptions::threads)
      .Range(1, 256)
      .NeedsRestart()
      .Help("Threads that understand records, besides those that serve connections.");
  section.Key("in_flight_max", &KafkaOptions::in_flight_max)
      .Range(1, 50'000)
      .NeedsRestart()
      .Help("Records taken and not yet acknowledged as results; at it, no more are taken.");
  section.Key("in_flight_bytes_max", &KafkaOptions::in_flight_bytes_max)
      .Bytes()
      .Range(1 << 20, std::int64_t{1} << 40)
      .NeedsRestart()
      .Help("Bytes of such records; above it, no more are taken.");
  section.Key("record_bytes_max", &KafkaOptions::record_bytes_max)
      .Bytes()
      .Range(1024, 64 << 20)
      .NeedsRestart()
      .Help("Key, value and headers of one record; a larger one is a dead letter.");
  section.Key("priority", &KafkaOptions::priority)
      .Names({{"interactive", KafkaPriority::kInteractive}, {"batch", KafkaPriority::kBatch}})
      .NeedsRestart()
      .Help("Lane of records whose header x-priority says nothing.");
}

void DeclareTimes(config::Section<KafkaOptions>& section) {
  const auto low = milliseconds(1);
  const auto high = milliseconds(hours(1));
  section.Key("retries_max", &KafkaOptions::retries_max)
      .Range(0, 1000)
      .NeedsRestart()
      .Help("New attempts after an internal error or a passed timeout, before the record is a dead letter.");
  section.Key("retry_first", &KafkaOptions::retry_first)
      .Range(low, high)
      .NeedsRestart()
      .Help("Longest wait before the first new attempt; it doubles with each, with full jitter.");
  section.Key("retry_ceiling", &KafkaOptions::retry_ceiling)
      .Range(low, high)
      .NeedsRestart()
      .Help("No wait before a new attempt is longer.");
  section.Key("timeout", &KafkaOptions::timeout)
      .Range(low, high)
      .NeedsRestart()
      .Help("Time of one attempt to understand a record.");
  section.Key("produce_timeout", &KafkaOptions::produce_timeout)
      .Range(milliseconds(1000), high)
      .NeedsRestart()
      .Help("A result that is not acknowledged for so long is sent anew.");
  section.Key("commit_interval", &KafkaOptions::commit_interval)
      .Range(milliseconds(10), milliseconds(60'000))
      .NeedsRestart()
      .Help("How often offsets are committed; what lies between is understood again after a crash.");
  section.Key("revoke_wait", &KafkaOptions::revoke_wait)
      .Range(milliseconds(0), milliseconds(60'000))
      .NeedsRestart()
      .Help(
          "How long records under way may take when their partition goes to another member; then they are left to it.");
}

}  // namespace

void Declare(config::Section<KafkaOptions>& section) {
  DeclareTopics(section);
  DeclareBounds(section);
  DeclareTimes(section);
  section.Key("properties", &KafkaOptions::properties)
      .NeedsRestart()
      .Help(
          "Properties of librdkafka by name, as security.protocol or compression.type; those that would break what is "
          "promised here are refused.");
  section.Key("secrets", &KafkaOptions::secrets)
      .Secret()
      .NeedsRestart()
      .Help("Properties that nobody should see, as sasl.password or ssl.key.password.");
  section.Check(CheckAll);
}

}  // namespace loquat::ingress
