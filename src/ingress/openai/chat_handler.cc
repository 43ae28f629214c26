#include "ingress/openai/chat_handler.h"

#include "ingress/openai/body_parser.h"
#include "ingress/openai/chat_body.h"
#include "ingress/openai/generation_answer.h"

namespace loquat::ingress::openai {

ChatEndpoint::ChatEndpoint(pipeline::GenerateUseCase& generate, const base::Clock& clock)
    : generate_(generate), clock_(clock) {}

boost::asio::awaitable<void> ChatEndpoint::Serve(HttpCall& call) {
  auto body = ParseBody(call.request().body, ParseChatBody);
  if (body.has_value()) {
    co_await ServeGeneration(generate_, call, *body, AnswerForm::kChat, clock_);
  } else {
    call.Fail(body.error());
  }
}

}  // namespace loquat::ingress::openai
