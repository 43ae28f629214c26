// The engine's numbers, a series for each model: handles taken once. Thread-safe; the registry outlives it.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/call_context.h"
#include "observe/metrics.h"

namespace loquat::engine {

std::string_view LaneName(base::Priority lane);

class EngineMetrics {
 public:
  EngineMetrics(observe::Registry& registry, std::string model);

  void OnRefused(std::string_view reason) { refusals_.With({model_, reason}).Increment(); }
  // How a request ended: "stop", "length", or why it failed.
  void OnEnd(std::string_view how) { ends_.With({model_, how}).Increment(); }
  // Tokens that were computed for nobody.
  void OnWasted(std::string_view reason, std::uint64_t tokens) {
    if (tokens > 0) wasted_.With({model_, reason}).Increment(tokens);
  }
  observe::Gauge& queue_depth(base::Priority lane) {
    return lane == base::Priority::kInteractive ? depth_interactive_ : depth_batch_;
  }
  observe::Histogram& queue_wait(base::Priority lane) {
    return lane == base::Priority::kInteractive ? wait_interactive_ : wait_batch_;
  }

 private:
  const std::string model_;
  observe::CounterFamily& refusals_;
  observe::CounterFamily& ends_;
  observe::CounterFamily& wasted_;
  observe::Gauge& depth_interactive_;
  observe::Gauge& depth_batch_;
  observe::Histogram& wait_interactive_;
  observe::Histogram& wait_batch_;

 public:
  observe::Histogram& step_seconds;
  observe::Histogram& batch_sequences;  // Sequences, or texts, of a step.
  observe::Histogram& batch_tokens;
};

// Tokens that an encoder computed.
observe::Counter& EncodeTokens(observe::Registry& registry, const std::string& model);

// Besides, of an engine that generates.
struct DecoderMetrics {
  DecoderMetrics(observe::Registry& registry, const std::string& model);

  observe::Counter& prefill_tokens;
  observe::Counter& decode_tokens;
  observe::Counter& prefix_hit_tokens;
  observe::Counter& drafted_tokens;
  observe::Counter& accepted_tokens;
  observe::Counter& preemptions;
  observe::Gauge& running;
  observe::Histogram& first_token_seconds;
  observe::Histogram& inter_token_seconds;
  observe::Histogram& generation_seconds;
  observe::Gauge& kv_pages_in_use;
  observe::Gauge& kv_pages_cached;
  observe::Gauge& kv_pages;
};

}  // namespace loquat::engine
