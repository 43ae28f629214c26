// How the Kafka ingress is, for those who ask from other threads: written by its worker, read by health checks. A
// change is logged, once.
//
// Thread-safe.

#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>

#include "base/mutex.h"
#include "base/result.h"
#include "observe/log.h"
#include "pipeline/health.h"

namespace loquat::ingress::kafka {

class KafkaStatus {
 public:
  KafkaStatus(std::string brokers, observe::Logger& log) : brokers_(std::move(brokers)), log_(log) {}

  // A server without its brokers does everything else: it is degraded, and ready. Results that nobody takes make it
  // unready: somebody has to do something.
  pipeline::PartHealth health() const LOQUAT_EXCLUDES(mutex_);

  bool connected() const LOQUAT_EXCLUDES(mutex_);
  void SetBrokersUp(std::size_t count) LOQUAT_EXCLUDES(mutex_);
  // The topic takes nothing from us, or takes something again.
  void SetRefused(const std::string& topic, std::string why) LOQUAT_EXCLUDES(mutex_);
  void SetTaken(const std::string& topic) LOQUAT_EXCLUDES(mutex_);
  // None: it goes well again.
  void SetInputRefusal(std::optional<std::string> why) LOQUAT_EXCLUDES(mutex_);

 private:
  const std::string brokers_;
  observe::Logger& log_;
  mutable base::Mutex mutex_;
  std::optional<bool> connected_ LOQUAT_GUARDED_BY(mutex_);                // Empty: not heard of yet.
  std::map<std::string, std::string> refusals_ LOQUAT_GUARDED_BY(mutex_);  // Why, by topic.
  std::optional<std::string> input_refusal_ LOQUAT_GUARDED_BY(mutex_);
};

}  // namespace loquat::ingress::kafka
