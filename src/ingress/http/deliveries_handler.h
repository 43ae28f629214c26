// GET /v1/deliveries/{id} and GET /v1/deliveries[?state=…]: what became of answers by callback. A caller sees those of
// its own API key. The use case outlives the endpoints.

#pragma once

#include "ingress/http/router.h"
#include "pipeline/callbacks.h"

namespace loquat::ingress {

class GetDeliveryEndpoint final : public Endpoint {
 public:
  explicit GetDeliveryEndpoint(pipeline::Callbacks& callbacks) : callbacks_(callbacks) {}
  boost::asio::awaitable<void> Serve(HttpCall& call) override;

 private:
  pipeline::Callbacks& callbacks_;
};

class ListDeliveriesEndpoint final : public Endpoint {
 public:
  explicit ListDeliveriesEndpoint(pipeline::Callbacks& callbacks) : callbacks_(callbacks) {}
  boost::asio::awaitable<void> Serve(HttpCall& call) override;

 private:
  pipeline::Callbacks& callbacks_;
};

}  // namespace loquat::ingress
