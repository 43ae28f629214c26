// POST /v1/completions.
//
// Serve runs on any I/O thread. The references outlive the endpoint.

#pragma once

#include "base/clock.h"
#include "ingress/http/router.h"
#include "ingress/openai/error_form.h"
#include "pipeline/generate.h"

namespace loquat::ingress::openai {

class CompletionsEndpoint final : public Endpoint {
 public:
  CompletionsEndpoint(pipeline::GenerateUseCase& generate, const base::Clock& clock);

  boost::asio::awaitable<void> Serve(HttpCall& call) override;
  HttpCall::WriteErrorBody error_body() const override { return &ErrorBody; }

 private:
  pipeline::GenerateUseCase& generate_;
  const base::Clock& clock_;
};

}  // namespace loquat::ingress::openai
