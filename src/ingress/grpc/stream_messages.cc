#include "ingress/grpc/stream_messages.h"

#include <fmt/format.h>

#include <string>
#include <utility>

#include "ingress/grpc/understand_messages.h"
#include "pipeline/stream/stream_options.h"

namespace loquat::ingress::grpc {
namespace {

namespace v1 = loquat::v1;

v1::TurnEndReason ReasonOf(pipeline::TurnEndReason reason) {
  switch (reason) {
    case pipeline::TurnEndReason::kFinal:
      return v1::TURN_END_REASON_FINAL;
    case pipeline::TurnEndReason::kComplete:
      return v1::TURN_END_REASON_COMPLETE;
    case pipeline::TurnEndReason::kPause:
      return v1::TURN_END_REASON_PAUSE;
    case pipeline::TurnEndReason::kCancelled:
      return v1::TURN_END_REASON_CANCELLED;
    case pipeline::TurnEndReason::kFailed:
      return v1::TURN_END_REASON_FAILED;
  }
  return v1::TURN_END_REASON_UNSPECIFIED;
}

}  // namespace

base::Result<pipeline::StreamOpen> ReadOpen(const v1::StreamOpen& message, std::size_t text_bytes_max) {
  pipeline::StreamOpen open;
  if (!message.request().text().empty()) {
    return base::InvalidArgument("open has no text; send it by partial or final", "/open/request/text");
  }
  // The epoch stands for "the moment of the utterance".
  base::Status read = ReadRequest(message.request(), base::WallTime{}, text_bytes_max, open.request);
  if (!read.has_value()) {
    read.error().param.insert(0, "/open/request");
    return std::move(read).error();
  }
  switch (message.turn_ending()) {
    case v1::TURN_ENDING_UNSPECIFIED:
    case v1::TURN_ENDING_CLIENT:
      break;
    case v1::TURN_ENDING_SERVER:
      open.ending = pipeline::TurnEnding::kServer;
      break;
    default:
      return base::InvalidArgument(
          fmt::format("turn_ending {} is no TurnEnding", static_cast<int>(message.turn_ending())), "/open/turn_ending");
  }
  if (message.turn_timeout_ms() > kTurnTimeoutMsMax) {
    return base::InvalidArgument(
        fmt::format("turn_timeout_ms is {}; it is at most {}", message.turn_timeout_ms(), kTurnTimeoutMsMax),
        "/open/turn_timeout_ms");
  }
  open.turn_timeout = std::chrono::milliseconds(message.turn_timeout_ms());
  return open;
}

base::Status CheckUtterance(const std::string& utterance, std::string_view param) {
  if (utterance.size() <= pipeline::kUtteranceIdBytesMax) return {};
  return base::InvalidArgument(fmt::format("the utterance's name has {} bytes; at most {} are allowed",
                                           utterance.size(), pipeline::kUtteranceIdBytesMax),
                               std::string(param));
}

void WriteEvent(std::string_view call_id, const pipeline::StreamFrame& frame, v1::StreamResponse& message) {
  message.Clear();
  v1::StreamFrame& out = *message.mutable_frame();
  out.mutable_utterance()->assign(frame.utterance);
  out.set_id(fmt::format("{}-{}", call_id, frame.utterance));
  out.set_revision(frame.revision);
  out.set_final(frame.final);
  WriteFrame(frame.request.utterance.text, frame.request, frame.frame, *out.mutable_frame());
  v1::Stability& stability = *out.mutable_stability();
  stability.set_intent(frame.stability.intent);
  stability.set_out_of_scope(frame.stability.out_of_scope);
  stability.set_locale(frame.stability.locale);
  if (frame.request.want_slots) {
    for (const bool stable : frame.stability.slots) stability.add_slots(stable);
  }
  stability.set_intent_risk(frame.stability.intent_risk);
  out.set_turn_end_probability(frame.turn_end.probability);
  out.set_turn_end_likely(frame.turn_end.likely);
  WriteTimings(frame.frame.timings, *out.mutable_timings_us());
}

void WriteEvent(std::string_view call_id, const pipeline::StreamTurnEnd& end, v1::StreamResponse& message) {
  message.Clear();
  v1::TurnEnd& out = *message.mutable_turn_end();
  out.mutable_utterance()->assign(end.utterance);
  out.set_id(fmt::format("{}-{}", call_id, end.utterance));
  out.set_reason(ReasonOf(end.reason));
  if (end.answer == nullptr) return;
  if (end.answer->session != nullptr) WriteSession(*end.answer->session, *out.mutable_session());
  WriteDelivery(end.answer->delivery, *out.mutable_delivery());
  WriteTimings(end.answer->frame.timings, *out.mutable_timings_us());
}

void WriteEvent(std::string_view utterance, const base::Error& error, v1::StreamResponse& message) {
  message.Clear();
  message.mutable_error()->mutable_utterance()->assign(utterance);
  WriteFault(error, *message.mutable_error()->mutable_error());
}

}  // namespace loquat::ingress::grpc
