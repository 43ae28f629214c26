#include "ingress/http/deliveries_handler.h"

#include <array>
#include <optional>
#include <string>
#include <utility>

#include "base/json_writer.h"
#include "net/url.h"

namespace loquat::ingress {
namespace {

using boost::asio::awaitable;
using response::DeliveryAttempt;
using response::DeliveryState;
using response::DeliveryView;

constexpr std::array kStates = {DeliveryState::kQueued, DeliveryState::kWorking, DeliveryState::kDelivering,
                                DeliveryState::kDelivered, DeliveryState::kDead};

void TimeIfAny(std::string_view key, std::int64_t ms, base::JsonWriter& json) {
  if (ms == 0) return;
  json.Key(key);
  json.Int(ms);
}

void WriteAttempt(const DeliveryAttempt& attempt, base::JsonWriter& json) {
  json.BeginObject();
  json.Key("number");
  json.Uint(attempt.number);
  json.Key("at_ms");
  json.Int(attempt.at_ms);
  json.Key("duration_ms");
  json.Int(attempt.duration_ms);
  if (attempt.status != 0) {
    json.Key("status");
    json.Int(attempt.status);
  }
  json.Key("outcome");
  json.String(attempt.outcome);
  json.Key("detail");
  json.String(attempt.detail);
  json.EndObject();
}

void WriteDelivery(const DeliveryView& view, base::JsonWriter& json) {
  json.BeginObject();
  json.Key("id");
  json.String(view.id);
  json.Key("request_id");
  json.String(view.request_id);
  json.Key("state");
  json.String(response::DeliveryStateName(view.state));
  if (!view.reason.empty()) {
    json.Key("reason");
    json.String(view.reason);
  }
  json.Key("target");
  json.String(view.target);
  TimeIfAny("accepted_at_ms", view.accepted_ms, json);
  TimeIfAny("finished_at_ms", view.finished_ms, json);
  TimeIfAny("next_attempt_at_ms", view.next_attempt_ms, json);
  json.Key("attempts_made");
  json.Uint(view.attempts_made);
  json.Key("attempts");
  json.BeginArray();
  for (const DeliveryAttempt& attempt : view.attempts) WriteAttempt(attempt, json);
  json.EndArray();
  json.EndObject();
}

// Empty: every state.
base::Result<std::optional<DeliveryState>> StateOf(std::string_view query) {
  const auto word = net::QueryParameter(query, "state");
  if (!word) return std::optional<DeliveryState>();
  for (const DeliveryState state : kStates) {
    if (response::DeliveryStateName(state) == *word) return std::optional(state);
  }
  return base::InvalidArgument("state is one of queued, working, delivering, delivered, dead", "state");
}

}  // namespace

awaitable<void> GetDeliveryEndpoint::Serve(HttpCall& call) {
  const auto view = callbacks_.Find(call.context(), call.path_part());
  if (!view.has_value()) {
    call.Fail(view.error());
    co_return;
  }
  std::string out;
  base::JsonWriter json(out);
  WriteDelivery(*view, json);
  out += '\n';
  call.Respond(200, kJson, std::move(out));
}

awaitable<void> ListDeliveriesEndpoint::Serve(HttpCall& call) {
  const auto state = StateOf(call.request().query);
  if (!state.has_value()) {
    call.Fail(state.error());
    co_return;
  }
  std::string out;
  base::JsonWriter json(out);
  json.BeginObject();
  json.Key("deliveries");
  json.BeginArray();
  for (const DeliveryView& view : callbacks_.List(call.context(), *state)) WriteDelivery(view, json);
  json.EndArray();
  json.EndObject();
  out += '\n';
  call.Respond(200, kJson, std::move(out));
}

}  // namespace loquat::ingress
