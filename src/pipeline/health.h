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
#include <vector>

#include "base/call_context.h"
#include "base/clock.h"
#include "base/result.h"
#include "pipeline/model_set.h"
#include "pipeline/understand.h"

namespace loquat::pipeline {

// How a part is that leans on another system: the session store, a consumer, a source of configuration.
struct PartHealth {
  base::Status status;  // An error: something is wrong.
  bool usable = true;   // This server is of use all the same.
};

struct HealthReport {
  base::Status ready;
  base::Status canary;
  base::Status part;  // Of the first part that is not well; alone it does not make the server unready.
  double canary_us = 0;
  std::string model;
};

class Health {
 public:
  Health(UnderstandPipeline& pipeline, const ModelSet& models, const base::Clock& clock)
      : pipeline_(pipeline), models_(models), clock_(clock) {}

  // REQUIRES: called before the first question. `health` may be asked on any thread.
  void Watch(std::function<PartHealth()> health) { parts_.push_back(std::move(health)); }
  // Once this server drains it is never ready again.
  void StartDraining() { draining_.store(true, std::memory_order_relaxed); }
  // Errors: unavailable "draining", "engine_stalled" with the name of the first model that does not answer; that of
  // a part which is not usable, as "session_store_away" where requests with a session are refused for it.
  base::Status Ready() const;
  // The canary has kCanaryTimeout, and no session.
  boost::asio::awaitable<HealthReport> Check(const base::CallContext& call);

  static constexpr std::chrono::milliseconds kCanaryTimeout{500};

 private:
  UnderstandPipeline& pipeline_;
  const ModelSet& models_;
  const base::Clock& clock_;
  std::vector<std::function<PartHealth()>> parts_;  // Constant while serving.
  // Relaxed: a flag that orders nothing else.
  std::atomic<bool> draining_{false};
};

}  // namespace loquat::pipeline
