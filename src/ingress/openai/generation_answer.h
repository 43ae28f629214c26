// Carries a generation to its client: whole, or as server-sent events (WHATWG HTML, section 9.2) that end with
// "[DONE]". What fails before the first event is an ordinary error answer; later it is an event of its own.

#pragma once

#include <boost/asio/awaitable.hpp>

#include "base/clock.h"
#include "ingress/http/http_call.h"
#include "ingress/openai/answer_json.h"
#include "ingress/openai/generation_body.h"
#include "pipeline/generate.h"

namespace loquat::ingress::openai {

// Everything referred to outlives the coroutine.
boost::asio::awaitable<void> ServeGeneration(pipeline::GenerateUseCase& generate, HttpCall& call,
                                             const GenerationBody& body, AnswerForm form, const base::Clock& clock);

}  // namespace loquat::ingress::openai
