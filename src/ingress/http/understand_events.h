// POST /v1/understand with Accept: text/event-stream: the same answer as events (WHATWG HTML, section 9.2):
// `frame` as soon as the text is understood, `reply_delta` for each piece of a reply that a model makes, `reply` if one
// was asked for, and `turn_end`; `error` in place of what failed. `reply` is the whole of it, and what counts: where a
// model failed in the middle, its text is not what the deltas said.

#pragma once

#include <boost/asio/awaitable.hpp>

#include "ingress/http/http_call.h"
#include "pipeline/understand.h"

namespace loquat::ingress {

// Everything referred to outlives the coroutine. What fails before the first event is an ordinary error answer. All
// that is there at once goes out in one piece; only a model's reply is waited for after the frame.
boost::asio::awaitable<void> ServeEvents(pipeline::UnderstandPipeline& pipeline, HttpCall& call,
                                         const pipeline::UnderstandRequest& request,
                                         pipeline::UnderstandAnswer& answer);

}  // namespace loquat::ingress
