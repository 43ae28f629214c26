#include "response/delivery_policy.h"

#include <fmt/format.h>

#include <algorithm>

namespace loquat::response {
namespace {

using domain::Delivery;
using domain::DeliveryMode;

base::Result<Delivery> ByCallback(const DeliveryPolicy& policy, const DeliveryRequest& request, std::string why) {
  if (request.has_callback_url && !policy.callbacks.journal.empty()) {
    return Delivery{DeliveryMode::kCallback, std::move(why)};
  }
  if (!request.has_callback_url) {
    return base::Error{
        .code = base::Code::kFailedPrecondition,
        .message =
            fmt::format("{}, and the request names no callback_url; give one, or ask for \"delivery\": \"sync\"", why),
        .reason = "callback_url_missing",
        .param = "/callback_url"};
  }
  // Without a journal a promise would not outlive the process.
  return base::Error{
      .code = base::Code::kUnimplemented,
      .message = fmt::format("{}, and this server delivers nothing by callback "
                             "(delivery.callbacks.journal); ask for \"delivery\": \"sync\" or \"stream\"",
                             why),
      .reason = "callback_unavailable",
      .param = "/delivery"};
}

base::Result<Delivery> DecideAuto(const DeliveryPolicy& policy, const DeliveryRequest& request) {
  if (request.partial) return Delivery{DeliveryMode::kStream, "partial text"};
  if (request.generated) return Delivery{DeliveryMode::kStream, "generated text"};
  if (request.wants_events) return Delivery{DeliveryMode::kStream, "the client reads a stream of events"};
  if (!request.out_of_scope &&
      std::ranges::find(policy.callback_intents, request.intent) != policy.callback_intents.end()) {
    return ByCallback(policy, request, fmt::format("the policy answers \"{}\" by callback", request.intent));
  }
  if (request.out_of_scope) return Delivery{DeliveryMode::kSync, "out of scope"};
  const bool sure = request.confidence >= policy.sync_confidence_min;
  return Delivery{DeliveryMode::kSync,
                  fmt::format("confidence {:.2f} {} {:.2f}{}", request.confidence, sure ? ">=" : "<",
                              policy.sync_confidence_min, sure ? "" : "; no slower way is configured")};
}

}  // namespace

void Declare(config::Section<DeliveryPolicy>& section) {
  using std::chrono::milliseconds;
  section.Key("sync_confidence_min", &DeliveryPolicy::sync_confidence_min)
      .Range(0.0, 1.0)
      .Help("At this confidence an answer is final without a second opinion.");
  section.Key("sync_timeout", &DeliveryPolicy::sync_timeout)
      .Range(milliseconds(1), milliseconds(60'000))
      .Help("Longest time to an answer at once, from the arrival of the request.");
  section.Key("callback_timeout", &DeliveryPolicy::callback_timeout)
      .Range(milliseconds(1), milliseconds(600'000))
      .Help("Longest time to an answer by callback.");
  section.Key("callback_intents", &DeliveryPolicy::callback_intents)
      .Help("Intents whose action has to call out; they are answered by callback.");
  section.Sub("callbacks", &DeliveryPolicy::callbacks)
      .Help("How answers by callback are sent, and what is kept of them.");
}

base::Result<Delivery> Decide(const DeliveryPolicy& policy, const DeliveryRequest& request) {
  if (request.accepted) return Delivery{DeliveryMode::kCallback, "accepted for a callback"};
  if (!request.asked) return DecideAuto(policy, request);
  switch (*request.asked) {
    case DeliveryMode::kSync:
      return Delivery{DeliveryMode::kSync, "asked for by the request"};
    case DeliveryMode::kStream:
      if (!request.wants_events) {
        return base::InvalidArgument("\"delivery\": \"stream\" needs the header Accept: text/event-stream",
                                     "/delivery");
      }
      return Delivery{DeliveryMode::kStream, "asked for by the request"};
    case DeliveryMode::kCallback:
      return ByCallback(policy, request, "asked for by the request");
  }
  return base::Internal("a delivery mode that nobody knows");
}

std::chrono::milliseconds TimeoutOf(const DeliveryPolicy& policy, DeliveryMode mode) {
  switch (mode) {
    case DeliveryMode::kSync:
      return policy.sync_timeout;
    case DeliveryMode::kCallback:
      return policy.callback_timeout;
    case DeliveryMode::kStream:
      return {};
  }
  return {};
}

}  // namespace loquat::response
