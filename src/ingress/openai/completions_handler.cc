#include "ingress/openai/completions_handler.h"

#include "ingress/openai/body_parser.h"
#include "ingress/openai/completion_body.h"
#include "ingress/openai/generation_answer.h"

namespace loquat::ingress::openai {

CompletionsEndpoint::CompletionsEndpoint(pipeline::GenerateUseCase& generate, const base::Clock& clock)
    : generate_(generate), clock_(clock) {}

boost::asio::awaitable<void> CompletionsEndpoint::Serve(HttpCall& call) {
  auto body = ParseBody(call.request().body, ParseCompletionBody);
  if (body.has_value()) {
    co_await ServeGeneration(generate_, call, *body, AnswerForm::kCompletion, clock_);
  } else {
    call.Fail(body.error());
  }
}

}  // namespace loquat::ingress::openai
