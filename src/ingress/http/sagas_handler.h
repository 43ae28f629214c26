// GET /v1/sagas/{id}: how far an action is, step by step. A caller sees those of its own API key. The use case outlives
// the endpoint.

#pragma once

#include "ingress/http/router.h"
#include "pipeline/actions.h"

namespace loquat::ingress {

class GetSagaEndpoint final : public Endpoint {
 public:
  explicit GetSagaEndpoint(pipeline::Actions& actions) : actions_(actions) {}
  boost::asio::awaitable<void> Serve(HttpCall& call) override;

 private:
  pipeline::Actions& actions_;
};

}  // namespace loquat::ingress
