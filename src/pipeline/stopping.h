// What a call that waits for a model is told when the server ends. A pure function; any thread.

#pragma once

#include <chrono>

#include "base/result.h"

namespace loquat::pipeline {

inline base::Error ServerStopping() {
  return {.code = base::Code::kUnavailable,
          .message = "the server is stopping; send the request again",
          .reason = "stopping",
          .retry_after = std::chrono::seconds(1)};
}

}  // namespace loquat::pipeline
