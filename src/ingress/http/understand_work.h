// The work behind a callback: a request as it is kept until it is answered, and the body that its answer is sent with:
//   {"type": "understand.completed", "id", "timestamp", "data": an answer of POST /v1/understand}
//   {"type": "understand.failed",    "id", "timestamp", "data": {"id": the request's, "error": {…}}}
//
// MakeBody runs on any loop. The references outlive it.

#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>

#include "base/clock.h"
#include "ingress/http/understand_body.h"
#include "observe/trace.h"
#include "pipeline/callbacks.h"
#include "pipeline/understand.h"

namespace loquat::ingress {

// A body of POST /v1/understand that means the same at any later time: "tomorrow" stays what it was.
std::string EncodeUnderstandWork(const pipeline::UnderstandRequest& request);

class UnderstandWork {
 public:
  UnderstandWork(pipeline::UnderstandPipeline& pipeline, const UnderstandBodyLimits& limits, const base::Clock& clock)
      : pipeline_(pipeline), limits_(limits), clock_(clock) {}

  // Answers within the policy's callback_timeout, from now on; what goes wrong is the answer.
  boost::asio::awaitable<std::string> MakeBody(const response::CallbackWork& work);

 private:
  boost::asio::awaitable<base::Status> Run(const response::CallbackWork& work, pipeline::UnderstandRequest& request,
                                           pipeline::UnderstandAnswer& answer);

  pipeline::UnderstandPipeline& pipeline_;
  const UnderstandBodyLimits limits_;
  const base::Clock& clock_;
  observe::IdGenerator ids_;
};

}  // namespace loquat::ingress
