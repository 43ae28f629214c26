// How one input of POST /v1/understand ends: answered now, or promised for later, or refused. Coroutines and functions
// without state.

#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <string>
#include <string_view>

#include "base/call_context.h"
#include "base/json_writer.h"
#include "base/result.h"
#include "pipeline/callbacks.h"
#include "pipeline/understand.h"

namespace loquat::ingress {

struct UnderstandOutcome {
  base::Status status;
  std::string delivery_id = {};  // Empty: it is answered now.
  std::string reason = {};       // Why by callback.
};

bool AsksForCallback(const pipeline::UnderstandRequest& request);

// Nothing is understood before a callback that was asked for is promised; the policy has to see the intent first.
// What is out of time is promised too, where the request names a URL and leaves the choice to us. `id` names the input.
boost::asio::awaitable<UnderstandOutcome> AnswerOrPromise(pipeline::UnderstandPipeline& pipeline,
                                                          pipeline::Callbacks& callbacks, const base::CallContext& call,
                                                          const std::string& id,
                                                          const pipeline::UnderstandRequest& request,
                                                          pipeline::UnderstandAnswer& answer);

// An error points into the one input that it is about; in a batch that input lies below /inputs.
base::Error InBatch(base::Error error, std::size_t index);

// The members of an answer that comes later, without the braces.
void WriteTicket(std::string_view id, const UnderstandOutcome& outcome, base::JsonWriter& json);

}  // namespace loquat::ingress
