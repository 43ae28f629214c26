// Writes what was understood as the JSON of openapi/loquat.yaml. Pure functions.

#pragma once

#include <string_view>

#include "base/json_writer.h"
#include "domain/frame.h"
#include "domain/reply.h"
#include "domain/session.h"
#include "pipeline/understand.h"

namespace loquat::ingress {

// The members of the answer to POST /v1/understand, without the braces: id, text, locale, intent, slots, session,
// reply, delivery, timings. What was not asked for is left out.
void WriteAnswer(std::string_view id, const pipeline::UnderstandRequest& request,
                 const pipeline::UnderstandAnswer& answer, base::JsonWriter& json);

// The members of a frame alone: text, locale, intent, intent_ranking, out_of_scope, slots, embedding, notes.
void WriteFrame(const pipeline::UnderstandRequest& request, const domain::Frame& frame, base::JsonWriter& json);
// A reply's text and where it came from; what a model had to do with it: the members alone, and as an object.
void WriteReplyFields(const domain::Reply& reply, base::JsonWriter& json);
void WriteReply(const domain::Reply& reply, base::JsonWriter& json);
// How it was answered: the members alone, and as an object.
void WriteDeliveryFields(const domain::Delivery& delivery, base::JsonWriter& json);
void WriteDelivery(const domain::Delivery& delivery, base::JsonWriter& json);
void WriteTimings(const domain::StageTimings& timings, base::JsonWriter& json);

// A session as an answer carries it (id, turn, state), and as GET /v1/sessions/{id} shows it (its turns besides).
void WriteSessionState(const domain::Session& session, base::JsonWriter& json);
void WriteSession(const domain::Session& session, base::JsonWriter& json);

}  // namespace loquat::ingress
