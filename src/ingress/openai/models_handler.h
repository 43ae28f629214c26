// GET /v1/models and GET /v1/models/{id}.
//
// Serve runs on any I/O thread. The reference outlives the endpoints.

#pragma once

#include "ingress/http/router.h"
#include "ingress/openai/error_form.h"
#include "pipeline/model_set.h"

namespace loquat::ingress::openai {

class ModelsEndpoint final : public Endpoint {
 public:
  explicit ModelsEndpoint(const pipeline::ModelSet& models) : models_(models) {}

  boost::asio::awaitable<void> Serve(HttpCall& call) override;
  HttpCall::WriteErrorBody error_body() const override { return &ErrorBody; }

 private:
  const pipeline::ModelSet& models_;
};

class ModelEndpoint final : public Endpoint {
 public:
  explicit ModelEndpoint(const pipeline::ModelSet& models) : models_(models) {}

  boost::asio::awaitable<void> Serve(HttpCall& call) override;
  HttpCall::WriteErrorBody error_body() const override { return &ErrorBody; }

 private:
  const pipeline::ModelSet& models_;
};

}  // namespace loquat::ingress::openai
