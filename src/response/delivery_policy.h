// How an answer goes out, and why: at once (sync), later by a callback, or bit by bit (stream). Decided per request
// from the policy in force, which is configuration and may change between two requests.
//
// Decide is a pure function; safe from any thread.

#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/section.h"
#include "domain/reply.h"
#include "response/callback_options.h"

namespace loquat::response {

struct DeliveryPolicy {
  double sync_confidence_min = 0.92;            // At this confidence an answer is final without a second opinion.
  std::chrono::milliseconds sync_timeout{800};  // From the arrival of the request.
  std::chrono::milliseconds callback_timeout{5000};
  std::vector<std::string> callback_intents;  // Whose action has to call out; answered by callback.
  CallbackOptions callbacks;
};

// Keys of the section `delivery`.
void Declare(config::Section<DeliveryPolicy>& section);

struct DeliveryRequest {
  std::optional<domain::DeliveryMode> asked;  // Empty: auto.
  bool has_callback_url = false;
  bool accepted = false;      // A callback was promised already, and this is the work for it.
  bool wants_events = false;  // The client reads a stream of events.
  bool partial = false;       // Text is still arriving.
  bool generated = false;     // The reply comes token by token.
  std::string_view intent;    // Empty: none.
  double confidence = 0;
  bool out_of_scope = false;
};

// Errors: failed_precondition "callback_url_missing"; unimplemented "callback_unavailable" where no journal is
// configured (the param is the field).
base::Result<domain::Delivery> Decide(const DeliveryPolicy& policy, const DeliveryRequest& request);

// The longest that an answer of this mode may take; zero: no limit.
std::chrono::milliseconds TimeoutOf(const DeliveryPolicy& policy, domain::DeliveryMode mode);

}  // namespace loquat::response
