#include "ingress/kafka/kafka_status.h"

#include <fmt/format.h>

#include <utility>

namespace loquat::ingress::kafka {
namespace {

constexpr std::chrono::milliseconds kRetryAfter{1000};

base::Error Away(std::string message, std::string reason) {
  return {.code = base::Code::kUnavailable,
          .message = std::move(message),
          .reason = std::move(reason),
          .retry_after = kRetryAfter};
}

}  // namespace

pipeline::PartHealth KafkaStatus::health() const {
  const base::MutexLock lock(mutex_);
  if (!refusals_.empty()) {
    const auto& [topic, why] = *refusals_.begin();
    return {.status = Away(fmt::format("Kafka takes nothing for the topic {}: {}; records wait", topic, why),
                           "kafka_output_refused"),
            .usable = false};
  }
  if (!connected_.value_or(false)) {
    return {.status = Away(fmt::format("no Kafka broker of {} is connected", brokers_), "kafka_away")};
  }
  if (input_refusal_) {
    return {.status = Away(fmt::format("Kafka gives no records: {}", *input_refusal_), "kafka_input_refused")};
  }
  return {};
}

bool KafkaStatus::connected() const {
  const base::MutexLock lock(mutex_);
  return connected_.value_or(false);
}

void KafkaStatus::SetBrokersUp(std::size_t count) {
  const base::MutexLock lock(mutex_);
  const bool connected = count > 0;
  if (connected_ == connected) return;
  connected_ = connected;
  if (connected) {
    log_.Info("Kafka is connected", {{"brokers", brokers_}});
  } else {
    log_.Warn("no Kafka broker can be reached; it is tried again and again", {{"brokers", brokers_}});
  }
}

void KafkaStatus::SetRefused(const std::string& topic, std::string why) {
  const base::MutexLock lock(mutex_);
  const auto [refusal, is_new] = refusals_.insert_or_assign(topic, std::move(why));
  if (is_new) {
    log_.Error("Kafka refuses results; records wait until it takes them",
               {{"topic", topic}, {"error", refusal->second}});
  }
}

void KafkaStatus::SetTaken(const std::string& topic) {
  const base::MutexLock lock(mutex_);
  if (refusals_.erase(topic) > 0) log_.Info("Kafka takes results again", {{"topic", topic}});
}

void KafkaStatus::SetInputRefusal(std::optional<std::string> why) {
  const base::MutexLock lock(mutex_);
  if (input_refusal_ == why) return;
  if (why) {
    log_.Error("Kafka gives no records", {{"error", *why}});
  } else {
    log_.Info("Kafka gives records again");
  }
  input_refusal_ = std::move(why);
}

}  // namespace loquat::ingress::kafka
