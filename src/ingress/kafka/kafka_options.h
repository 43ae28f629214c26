// What the Kafka ingress may be told, with its defaults. Plain values, read-only once the server runs.

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "config/section.h"

namespace loquat::ingress {

enum class KafkaPriority : std::uint8_t { kInteractive, kBatch };

struct KafkaOptions {
  std::string brokers;  // "host:port,host:port". Empty: no Kafka.
  std::string group = "loquat";
  std::string input;
  std::string output;
  std::string dead_letter;
  std::size_t threads = 1;  // That understand; they share nothing with those of the listeners.
  std::size_t in_flight_max = 1000;
  std::size_t in_flight_bytes_max = std::size_t{64} << 20;
  std::size_t record_bytes_max = std::size_t{1} << 20;  // Key, value and headers of one record of the input.
  std::uint32_t retries_max = 3;                        // After the first attempt, of what may pass by itself.
  std::chrono::milliseconds retry_first{200};
  std::chrono::milliseconds retry_ceiling{30'000};
  std::chrono::milliseconds timeout{10'000};          // Of one attempt.
  std::chrono::milliseconds produce_timeout{30'000};  // Until a result that nobody acknowledges is sent anew.
  std::chrono::milliseconds commit_interval{500};
  std::chrono::milliseconds revoke_wait{2000};  // For what is under way in partitions that another member takes.
  KafkaPriority priority = KafkaPriority::kBatch;
  std::map<std::string, std::string> properties;  // Of librdkafka.
  std::map<std::string, std::string> secrets;     // Of librdkafka too, and never shown.
};

void Declare(config::Section<KafkaOptions>& section);

}  // namespace loquat::ingress
