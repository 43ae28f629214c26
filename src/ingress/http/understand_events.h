// POST /v1/understand with Accept: text/event-stream: the same answer as events (WHATWG HTML, section 9.2):
// `frame` as soon as the text is understood, `reply` if one was asked for, and `turn_end`; `error` in place of what
// failed.

#pragma once

#include <boost/asio/awaitable.hpp>

#include "ingress/http/http_call.h"
#include "pipeline/understand.h"

namespace loquat::ingress {

// Everything referred to outlives the coroutine. What fails before the first event is an ordinary error answer.
boost::asio::awaitable<void> ServeEvents(pipeline::UnderstandPipeline& pipeline, HttpCall& call,
                                         const pipeline::UnderstandRequest& request,
                                         pipeline::UnderstandAnswer& answer);

}  // namespace loquat::ingress
