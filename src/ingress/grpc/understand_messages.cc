#include "ingress/grpc/understand_messages.h"

#include <fmt/format.h>

#include <chrono>
#include <optional>
#include <string>

#include "ingress/http/understand_body.h"
#include "net/url.h"
#include "pipeline/sessions.h"

namespace loquat::ingress::grpc {
namespace {

namespace v1 = loquat::v1;

base::Status ReadLocale(v1::Locale locale, domain::Utterance& utterance) {
  switch (locale) {
    case v1::LOCALE_UNSPECIFIED:
      utterance.locale = domain::Locale::kAuto;
      return {};
    case v1::LOCALE_ZH:
      utterance.locale = domain::Locale::kChinese;
      return {};
    case v1::LOCALE_EN:
      utterance.locale = domain::Locale::kEnglish;
      return {};
    default:
      return base::InvalidArgument(
          fmt::format("locale {} is none of LOCALE_UNSPECIFIED, LOCALE_ZH and LOCALE_EN", static_cast<int>(locale)),
          "/locale");
  }
}

base::Status ReadFeatures(const v1::UnderstandRequest& message, pipeline::UnderstandRequest& request) {
  if (message.features_size() > kFeaturesMax) {
    return base::InvalidArgument(
        fmt::format("features lists {}; at most {} are allowed", message.features_size(), kFeaturesMax), "/features");
  }
  const bool listed = message.features_size() > 0;
  request.want_intent = request.want_slots = !listed;
  request.want_embedding = false;
  for (int i = 0; i < message.features_size(); ++i) {
    switch (message.features(i)) {
      case v1::FEATURE_INTENT:
        request.want_intent = true;
        break;
      case v1::FEATURE_SLOTS:
        request.want_slots = true;
        break;
      case v1::FEATURE_EMBEDDING:
        request.want_embedding = true;
        break;
      default:
        return base::InvalidArgument(fmt::format("feature {} is none of FEATURE_INTENT, FEATURE_SLOTS and "
                                                 "FEATURE_EMBEDDING",
                                                 static_cast<int>(message.features(i))),
                                     fmt::format("/features/{}", i));
    }
  }
  return {};
}

base::Status ReadDelivery(const v1::UnderstandRequest& message, pipeline::UnderstandRequest& request) {
  switch (message.delivery()) {
    case v1::DELIVERY_MODE_UNSPECIFIED:
      request.delivery.reset();
      break;
    case v1::DELIVERY_MODE_SYNC:
      request.delivery = domain::DeliveryMode::kSync;
      break;
    case v1::DELIVERY_MODE_CALLBACK:
      request.delivery = domain::DeliveryMode::kCallback;
      break;
    case v1::DELIVERY_MODE_STREAM:
      request.delivery = domain::DeliveryMode::kStream;
      break;
    default:
      return base::InvalidArgument(fmt::format("delivery {} is no DeliveryMode", static_cast<int>(message.delivery())),
                                   "/delivery");
  }
  request.callback_url.assign(message.callback_url());
  if (request.callback_url.empty()) return {};
  if (request.callback_url.size() > kCallbackUrlBytesMax) {
    return base::InvalidArgument(fmt::format("callback_url has {} bytes; at most {} are allowed",
                                             request.callback_url.size(), kCallbackUrlBytesMax),
                                 "/callback_url");
  }
  if (const auto parsed = net::ParseHttpUrl(request.callback_url); !parsed.has_value()) {
    return base::InvalidArgument(fmt::format("callback_url must be an http or https URL: {}", parsed.error().message),
                                 "/callback_url");
  }
  return {};
}

base::Status ReadTimeBase(const v1::UnderstandRequest& message, base::WallTime now,
                          pipeline::UnderstandRequest& request) {
  request.reference_time = now;
  if (message.has_reference_time_ms()) {
    const std::int64_t ms = message.reference_time_ms();
    if (ms < 0 || ms > kReferenceTimeMsMax) {
      return base::InvalidArgument(fmt::format("reference_time_ms is {}; it is 0 to {}", ms, kReferenceTimeMsMax),
                                   "/reference_time_ms");
    }
    request.reference_time = base::WallTime(std::chrono::milliseconds(ms));
  }
  request.utc_offset_minutes = message.utc_offset_minutes();
  if (request.utc_offset_minutes < -kUtcOffsetMinutesMax || request.utc_offset_minutes > kUtcOffsetMinutesMax) {
    return base::InvalidArgument(fmt::format("utc_offset_minutes is {}; it is {} to {}", request.utc_offset_minutes,
                                             -kUtcOffsetMinutesMax, kUtcOffsetMinutesMax),
                                 "/utc_offset_minutes");
  }
  return {};
}

v1::Locale LocaleOf(domain::Locale locale) {
  if (locale == domain::Locale::kChinese) return v1::LOCALE_ZH;
  return locale == domain::Locale::kEnglish ? v1::LOCALE_EN : v1::LOCALE_UNSPECIFIED;
}

v1::DeliveryMode ModeOf(domain::DeliveryMode mode) {
  if (mode == domain::DeliveryMode::kSync) return v1::DELIVERY_MODE_SYNC;
  return mode == domain::DeliveryMode::kCallback ? v1::DELIVERY_MODE_CALLBACK : v1::DELIVERY_MODE_STREAM;
}

void WriteSlot(const domain::Slot& slot, v1::Slot& message) {
  message.set_name(slot.name());
  message.set_entity(slot.entity);
  message.set_role(slot.role);
  message.set_group(slot.group);
  message.set_value(slot.value);
  message.set_normalized(slot.normalized);
  message.set_kind(slot.kind);
  message.set_confidence(slot.confidence);
  v1::Span& span = *message.mutable_span();
  span.set_byte_begin(slot.span.byte_begin);
  span.set_byte_end(slot.span.byte_end);
  span.set_codepoint_begin(slot.span.codepoint_begin);
  span.set_codepoint_end(slot.span.codepoint_end);
  span.set_utf16_begin(slot.span.utf16_begin);
  span.set_utf16_end(slot.span.utf16_end);
}

}  // namespace

base::Status ReadRequest(const v1::UnderstandRequest& message, base::WallTime now, std::size_t text_bytes_max,
                         pipeline::UnderstandRequest& request) {
  request.utterance.text.assign(message.text());
  request.utterance.session.assign(message.session());
  request.utterance.final = true;
  request.want_reply = message.reply();
  request.wants_events = false;
  LOQUAT_TRY(ReadLocale(message.locale(), request.utterance));
  if (!message.session().empty()) LOQUAT_TRY(pipeline::CheckSessionId(message.session(), "/session"));
  LOQUAT_TRY(ReadFeatures(message, request));
  LOQUAT_TRY(ReadDelivery(message, request));
  LOQUAT_TRY(ReadTimeBase(message, now, request));
  return pipeline::CheckTextBytes(message.text().size(), text_bytes_max, "/text");
}

void WriteFault(const base::Error& error, v1::Fault& message) {
  message.set_code(std::string(base::CodeName(error.code)));
  message.set_reason(error.reason);
  message.set_message(error.message);
  message.set_param(error.param);
  message.set_retry_after_ms(error.retry_after.count());
}

void WriteFrame(std::string_view text, const pipeline::UnderstandRequest& request, const domain::Frame& frame,
                v1::Frame& message) {
  message.mutable_text()->assign(text);
  message.set_locale(LocaleOf(frame.locale));
  if (request.want_intent) {
    for (const domain::IntentScore& score : frame.intent_ranking) {
      v1::IntentScore& out = *message.add_intent_ranking();
      out.set_name(score.name);
      out.set_confidence(score.confidence);
    }
    message.set_out_of_scope(frame.out_of_scope);
  }
  if (request.want_slots) {
    for (const domain::Slot& slot : frame.slots) WriteSlot(slot, *message.add_slots());
  }
  message.set_truncated_tokens(frame.truncated_tokens);
  message.mutable_embedding()->Add(frame.embedding.begin(), frame.embedding.end());
  for (const domain::FrameNote& note : frame.notes) {
    v1::Note& out = *message.add_notes();
    out.set_feature(note.feature);
    out.set_model(note.model);
    WriteFault(note.error, *out.mutable_fault());
  }
}

void WriteReply(const domain::Reply& reply, v1::Reply& message) {
  message.set_text(reply.text);
  message.set_source(std::string(domain::ReplySourceName(reply.source)));
  if (reply.action) {
    v1::Action& action = *message.mutable_action();
    action.set_saga(reply.action->saga);
    action.set_state(reply.action->state);
    if (reply.action->failed) WriteFault(*reply.action->failed, *action.mutable_failed());
  }
  if (!reply.generation) return;
  message.set_model(reply.generation->model);
  message.set_reason(reply.generation->reason);
  if (reply.generation->failed) WriteFault(*reply.generation->failed, *message.mutable_failed());
  message.set_cut(reply.generation->cut);
  message.set_turns_left_out(reply.generation->turns_left_out);
}

void WriteSession(const domain::Session& session, v1::SessionState& message) {
  message.set_id(session.id);
  message.set_turn(session.turn_count);
  message.set_active_intent(session.state.active_intent);
  for (const auto& [name, slot] : session.state.filled) {
    v1::FilledSlot& filled = (*message.mutable_filled())[name];
    filled.set_value(slot.value);
    filled.set_normalized(slot.normalized);
    filled.set_turn(slot.turn);
  }
  for (const std::string& name : session.state.missing) message.add_missing(name);
}

void WriteDelivery(const domain::Delivery& delivery, v1::Delivery& message) {
  message.set_mode(ModeOf(delivery.mode));
  message.set_reason(delivery.reason);
}

void WriteTimings(const domain::StageTimings& timings, v1::Timings& message) {
  message.set_queue(timings.queue);
  message.set_tokenize(timings.tokenize);
  message.set_intent(timings.intent);
  message.set_slots(timings.slots);
  message.set_embedding(timings.embedding);
  message.set_context(timings.context);
  message.set_response(timings.response);
  message.set_total(timings.total);
}

void WriteResponse(std::string_view id, const pipeline::UnderstandRequest& request,
                   const pipeline::UnderstandAnswer& answer, v1::UnderstandResponse& message) {
  message.mutable_id()->assign(id);
  WriteFrame(request.utterance.text, request, answer.frame, *message.mutable_frame());
  if (answer.session != nullptr) WriteSession(*answer.session, *message.mutable_session());
  if (answer.reply) WriteReply(*answer.reply, *message.mutable_reply());
  WriteDelivery(answer.delivery, *message.mutable_delivery());
  WriteTimings(answer.frame.timings, *message.mutable_timings_us());
}

}  // namespace loquat::ingress::grpc
