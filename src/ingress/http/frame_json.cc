#include "ingress/http/frame_json.h"

namespace loquat::ingress {
namespace {

constexpr int kConfidenceDigits = 4;
constexpr int kMicrosecondDigits = 1;
constexpr int kEmbeddingDigits = 7;  // Of numbers between -1 and 1: what a float holds.

void Pair(std::string_view key, std::uint32_t begin, std::uint32_t end, base::JsonWriter& json) {
  json.Key(key);
  json.BeginArray();
  json.Uint(begin);
  json.Uint(end);
  json.EndArray();
}

void Text(std::string_view key, std::string_view value, base::JsonWriter& json) {
  json.Key(key);
  json.String(value);
}

void TextIfAny(std::string_view key, std::string_view value, base::JsonWriter& json) {
  if (!value.empty()) Text(key, value, json);
}

void WriteScore(const domain::IntentScore& score, base::JsonWriter& json) {
  json.BeginObject();
  Text("name", score.name, json);
  json.Key("confidence");
  json.Fixed(score.confidence, kConfidenceDigits);
  json.EndObject();
}

void WriteSlot(const domain::Slot& slot, base::JsonWriter& json) {
  json.BeginObject();
  Text("name", slot.name(), json);
  Text("entity", slot.entity, json);
  TextIfAny("role", slot.role, json);
  TextIfAny("group", slot.group, json);
  Text("value", slot.value, json);
  TextIfAny("normalized", slot.normalized, json);
  TextIfAny("kind", slot.kind, json);
  json.Key("confidence");
  json.Fixed(slot.confidence, kConfidenceDigits);
  json.Key("span");
  json.BeginObject();
  Pair("byte", slot.span.byte_begin, slot.span.byte_end, json);
  Pair("codepoint", slot.span.codepoint_begin, slot.span.codepoint_end, json);
  Pair("utf16", slot.span.utf16_begin, slot.span.utf16_end, json);
  json.EndObject();
  json.EndObject();
}

void WriteEmbedding(const std::vector<float>& embedding, base::JsonWriter& json) {
  json.Key("embedding");
  json.BeginArray();
  for (const float value : embedding) json.Fixed(value, kEmbeddingDigits);
  json.EndArray();
}

void WriteFault(const base::Error& error, base::JsonWriter& json) {
  Text("code", base::CodeName(error.code), json);
  TextIfAny("reason", error.reason, json);
  Text("message", error.message, json);
}

void WriteNotes(const std::vector<domain::FrameNote>& notes, base::JsonWriter& json) {
  json.Key("notes");
  json.BeginArray();
  for (const domain::FrameNote& note : notes) {
    json.BeginObject();
    Text("feature", note.feature, json);
    Text("model", note.model, json);
    WriteFault(note.error, json);
    json.EndObject();
  }
  json.EndArray();
}

void WriteAction(const domain::ReplyAction& action, base::JsonWriter& json) {
  json.Key("action");
  json.BeginObject();
  TextIfAny("saga", action.saga, json);
  Text("state", action.state, json);
  if (action.failed) {
    json.Key("failed");
    json.BeginObject();
    WriteFault(*action.failed, json);
    json.EndObject();
  }
  json.EndObject();
}

void WriteState(const domain::DialogueState& state, base::JsonWriter& json) {
  json.Key("active_intent");
  if (state.active_intent.empty()) {
    json.Null();
  } else {
    json.String(state.active_intent);
  }
  json.Key("filled");
  json.BeginObject();
  for (const auto& [name, slot] : state.filled) {
    json.Key(name);
    json.BeginObject();
    Text("value", slot.value, json);
    TextIfAny("normalized", slot.normalized, json);
    json.Key("turn");
    json.Uint(slot.turn);
    json.EndObject();
  }
  json.EndObject();
  json.Key("missing");
  json.BeginArray();
  for (const std::string& name : state.missing) json.String(name);
  json.EndArray();
}

}  // namespace

void WriteFrame(const pipeline::UnderstandRequest& request, const domain::Frame& frame, base::JsonWriter& json) {
  Text("text", request.utterance.text, json);
  Text("locale", domain::LocaleName(frame.locale), json);
  if (request.want_intent) {
    json.Key("intent");
    if (frame.intent_ranking.empty()) {
      json.Null();
    } else {
      WriteScore(frame.intent_ranking.front(), json);
    }
    json.Key("intent_ranking");
    json.BeginArray();
    for (const domain::IntentScore& score : frame.intent_ranking) WriteScore(score, json);
    json.EndArray();
    json.Key("out_of_scope");
    json.Bool(frame.out_of_scope);
  }
  if (request.want_slots) {
    json.Key("slots");
    json.BeginArray();
    for (const domain::Slot& slot : frame.slots) WriteSlot(slot, json);
    json.EndArray();
  }
  if (frame.truncated_tokens > 0) {
    json.Key("truncated_tokens");
    json.Uint(frame.truncated_tokens);
  }
  if (!frame.embedding.empty()) WriteEmbedding(frame.embedding, json);
  if (!frame.notes.empty()) WriteNotes(frame.notes, json);
}

void WriteTimings(const domain::StageTimings& timings, base::JsonWriter& json) {
  json.BeginObject();
  const auto stage = [&](std::string_view name, float microseconds) {
    if (microseconds <= 0) return;
    json.Key(name);
    json.Fixed(microseconds, kMicrosecondDigits);
  };
  stage("queue", timings.queue);
  stage("tokenize", timings.tokenize);
  stage("intent", timings.intent);
  stage("slots", timings.slots);
  stage("embedding", timings.embedding);
  stage("context", timings.context);
  stage("response", timings.response);
  stage("total", timings.total);
  json.EndObject();
}

void WriteReplyFields(const domain::Reply& reply, base::JsonWriter& json) {
  Text("text", reply.text, json);
  Text("source", domain::ReplySourceName(reply.source), json);
  if (reply.generation) {
    const domain::ReplyGeneration& generation = *reply.generation;
    Text("model", generation.model, json);
    Text("reason", generation.reason, json);
    if (generation.failed) {
      json.Key("failed");
      json.BeginObject();
      WriteFault(*generation.failed, json);
      json.EndObject();
    }
    if (generation.cut) {
      json.Key("cut");
      json.Bool(true);
    }
    if (generation.turns_left_out > 0) {
      json.Key("turns_left_out");
      json.Uint(generation.turns_left_out);
    }
  }
  if (reply.action) WriteAction(*reply.action, json);
}

void WriteReply(const domain::Reply& reply, base::JsonWriter& json) {
  json.BeginObject();
  WriteReplyFields(reply, json);
  json.EndObject();
}

void WriteDeliveryFields(const domain::Delivery& delivery, base::JsonWriter& json) {
  Text("mode", domain::DeliveryModeName(delivery.mode), json);
  Text("reason", delivery.reason, json);
}

void WriteDelivery(const domain::Delivery& delivery, base::JsonWriter& json) {
  json.BeginObject();
  WriteDeliveryFields(delivery, json);
  json.EndObject();
}

void WriteAnswer(std::string_view id, const pipeline::UnderstandRequest& request,
                 const pipeline::UnderstandAnswer& answer, base::JsonWriter& json) {
  Text("id", id, json);
  WriteFrame(request, answer.frame, json);
  if (answer.session != nullptr) {
    json.Key("session");
    WriteSessionState(*answer.session, json);
  }
  if (answer.reply) {
    json.Key("reply");
    WriteReply(*answer.reply, json);
  }
  json.Key("delivery");
  WriteDelivery(answer.delivery, json);
  json.Key("timings_us");
  WriteTimings(answer.frame.timings, json);
}

void WriteSessionState(const domain::Session& session, base::JsonWriter& json) {
  json.BeginObject();
  Text("id", session.id, json);
  json.Key("turn");
  json.Uint(session.turn_count);
  WriteState(session.state, json);
  json.EndObject();
}

void WriteSession(const domain::Session& session, base::JsonWriter& json) {
  json.BeginObject();
  Text("id", session.id, json);
  json.Key("version");
  json.Uint(session.version);
  json.Key("turn");
  json.Uint(session.turn_count);
  WriteState(session.state, json);
  json.Key("turns");
  json.BeginArray();
  for (const domain::Turn& turn : session.turns) {
    json.BeginObject();
    json.Key("number");
    json.Uint(turn.number);
    Text("text", turn.text, json);
    TextIfAny("intent", turn.intent, json);
    json.Key("confidence");
    json.Fixed(turn.confidence, kConfidenceDigits);
    TextIfAny("reply", turn.reply, json);
    json.EndObject();
  }
  json.EndArray();
  json.EndObject();
}

}  // namespace loquat::ingress
