// POST /v1/embeddings.
//
// Serve runs on any I/O thread. The reference outlives the endpoint.

#pragma once

#include "ingress/http/router.h"
#include "ingress/openai/error_form.h"
#include "pipeline/embed.h"

namespace loquat::ingress::openai {

class EmbeddingsEndpoint final : public Endpoint {
 public:
  explicit EmbeddingsEndpoint(pipeline::EmbedUseCase& embed) : embed_(embed) {}

  boost::asio::awaitable<void> Serve(HttpCall& call) override;
  HttpCall::WriteErrorBody error_body() const override { return &ErrorBody; }

 private:
  pipeline::EmbedUseCase& embed_;
};

}  // namespace loquat::ingress::openai
