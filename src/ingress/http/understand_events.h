// POST /v1/understand with Accept: text/event-stream: one utterance's answer as events (WHATWG HTML, section 9.2), the
// same ones as on /v1/stream: `frame` as soon as the text is understood, `reply_delta` for each piece of a reply that a
// model makes, `reply` if one was asked for, and `turn_end`; `error` before the end where something failed. `reply` is
// the whole of it, and what counts: where a model failed in the middle, its text is not what the deltas said.

#pragma once

#include <boost/asio/awaitable.hpp>
#include <string_view>

#include "ingress/http/http_call.h"
#include "ingress/stream/event_stream.h"

namespace loquat::ingress {

// What a client's EventSource sends when it comes back.
inline constexpr std::string_view kLastEventIdHeader = "last-event-id";

// Everything referred to outlives the coroutine. What fails before the first event is an ordinary error answer. With
// `resume`, the answer goes on without its client, who may come back for the rest: a request of the same tenant and
// session with Last-Event-ID gets what came after that event, and says nothing anew; not_found "stream_gone" where it
// is not kept any more.
boost::asio::awaitable<void> ServeEvents(EventStreams& streams, HttpCall& call, pipeline::UnderstandRequest request,
                                         bool resume);

}  // namespace loquat::ingress
