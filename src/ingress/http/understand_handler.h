// POST /v1/understand: one utterance, a batch, or one utterance as a stream of events. What is to be answered by
// callback, or is out of time and may be, is promised: 202 with the id of the delivery, in a batch in its place.
//
// Serve runs on any I/O thread. The references outlive the endpoint.

#pragma once

#include "base/clock.h"
#include "base/object_pool.h"
#include "ingress/http/router.h"
#include "ingress/http/understand_body.h"
#include "ingress/stream/event_stream.h"
#include "pipeline/callbacks.h"
#include "pipeline/understand.h"

namespace loquat::ingress {

// A batch lets other requests of its thread in between after so many inputs.
inline constexpr std::size_t kBatchSlice = 8;

// What answers come from; all of it outlives the endpoint.
struct UnderstandParts {
  pipeline::UnderstandPipeline& pipeline;
  EventStreams& streams;
  pipeline::Callbacks& callbacks;
  const base::Clock& clock;
};

class UnderstandEndpoint final : public Endpoint {
 public:
  UnderstandEndpoint(const UnderstandParts& parts, const UnderstandBodyLimits& limits);
  ~UnderstandEndpoint() override;

  boost::asio::awaitable<void> Serve(HttpCall& call) override;

 private:
  // What a request needs and gives back: kept from request to request.
  struct Memory;

  boost::asio::awaitable<void> ServeOne(HttpCall& call, const pipeline::UnderstandRequest& request, Memory& memory);
  boost::asio::awaitable<void> ServeBatch(HttpCall& call, const UnderstandBody& body, Memory& memory);

  const UnderstandParts parts_;
  const UnderstandBodyLimits limits_;
  base::SharedObjectPool<Memory> memories_;
};

}  // namespace loquat::ingress
