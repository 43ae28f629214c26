// One question to an encoder on its way, so that the road goes on while it is answered.
//
// Belongs to the coroutine of its call, which waits once; the engine answers on a thread of its own. Dropping it
// cancels the question.

#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <memory>
#include <string>

#include "base/call_context.h"
#include "base/clock.h"
#include "base/result.h"
#include "engine/engine.h"
#include "pipeline/encode_answer.h"

namespace loquat::pipeline {

class EncodeCall {
 public:
  struct Limits {
    base::Deadline deadline;
    base::CancelToken stop;  // The server's.
  };

  // Asks at once; a refusal is the answer.
  EncodeCall(const boost::asio::any_io_executor& executor, const base::Clock& clock, const base::CallContext& call,
             const Limits& limits, engine::Engine& engine, engine::EncodeRequest request);
  ~EncodeCall();
  EncodeCall(const EncodeCall&) = delete;
  EncodeCall& operator=(const EncodeCall&) = delete;

  // Errors: the engine's; deadline_exceeded "model_late"; cancelled; unavailable "stopping".
  boost::asio::awaitable<base::Result<engine::EncodeResult>> Get();

 private:
  struct Watches;

  const std::shared_ptr<EncodeAnswer> answer_;
  std::unique_ptr<Watches> watches_;
};

}  // namespace loquat::pipeline
