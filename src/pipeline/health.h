// Whether this server can take work, and whether the road works: a canary utterance goes where requests go, and the
// engine of every model says whether its own loop still turns. A process that answers while an engine of it hangs is
// not ready (vLLM #39863).
//
// Thread-safe. References outlive it.

#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <functional>
#include <string>
#include <utility>

#include "base/call_context.h"
#include "base/clock.h"
#include "base/result.h"
#include "pipeline/model_set.h"
#include "pipeline/understand.h"

namespace loquat::pipeline {

struct HealthReport {
  base::Status ready;
  base::Status canary;
  // An error of these alone does not make the server unready.
  base::Status sessions;
  base::Status configuration;
  double canary_us = 0;
  std::string model;
};

class Health {
 public:
  // `sessions` may be null: a store that is always well.
  Health(UnderstandPipeline& pipeline, const ModelSet& models, const base::Clock& clock,
         const context::SessionStore* sessions = nullptr)
      : pipeline_(pipeline), models_(models), clock_(clock), sessions_(sessions) {}

  // Says whether the configuration in force is the one that is wanted. Before requests come, once.
  void WatchConfiguration(std::function<base::Status()> status) { configuration_ = std::move(status); }
  // Once this server drains it is never ready again.
  void StartDraining() { draining_.store(true, std::memory_order_relaxed); }
  // Errors: unavailable "draining", "engine_stalled" with the name of the first model that does not answer, or
  // "session_store_away" where requests with a session are refused for it.
  base::Status Ready() const;
  // The canary has kCanaryTimeout, and no session.
  boost::asio::awaitable<HealthReport> Check(const base::CallContext& call);

  static constexpr std::chrono::milliseconds kCanaryTimeout{500};

 private:
  UnderstandPipeline& pipeline_;
  const ModelSet& models_;
  const base::Clock& clock_;
  const context::SessionStore* const sessions_;
  std::function<base::Status()> configuration_;  // Empty: always well. Thread-safe.
  // Relaxed: a flag that orders nothing else.
  std::atomic<bool> draining_{false};
};

}  // namespace loquat::pipeline
