#include "ingress/http/sagas_handler.h"

#include <string>
#include <utility>

#include "base/json_writer.h"

namespace loquat::ingress {
namespace {

using boost::asio::awaitable;
using response::CallView;
using response::SagaView;
using response::StepView;

void Text(std::string_view key, std::string_view value, base::JsonWriter& json) {
  json.Key(key);
  json.String(value);
}

void WriteCall(std::string_view action, const CallView& view, base::JsonWriter& json) {
  Text("action", action, json);
  Text("key", view.key, json);
  json.Key("attempts");
  json.Uint(view.attempts);
  if (view.outcome.empty()) return;
  json.Key("at_ms");
  json.Int(view.at_ms);
  if (view.status != 0) {
    json.Key("status");
    json.Int(view.status);
  }
  Text("outcome", view.outcome, json);
  if (!view.detail.empty()) Text("detail", view.detail, json);
}

void WriteStep(const StepView& step, base::JsonWriter& json) {
  json.BeginObject();
  Text("name", step.name, json);
  Text("state", response::StepStateName(step.state), json);
  WriteCall(step.action, step.call, json);
  if (!step.undo_action.empty()) {
    json.Key("undo");
    json.BeginObject();
    WriteCall(step.undo_action, step.undo, json);
    json.EndObject();
  }
  json.EndObject();
}

void WriteSaga(const SagaView& view, base::JsonWriter& json) {
  json.BeginObject();
  Text("id", view.id, json);
  Text("request_id", view.request_id, json);
  Text("intent", view.intent, json);
  Text("state", response::SagaStateName(view.state), json);
  json.Key("accepted_at_ms");
  json.Int(view.accepted_ms);
  if (view.ended_ms != 0) {
    json.Key("ended_at_ms");
    json.Int(view.ended_ms);
  }
  if (!view.failed_step.empty()) Text("failed_step", view.failed_step, json);
  json.Key("steps");
  json.BeginArray();
  for (const StepView& step : view.steps) WriteStep(step, json);
  json.EndArray();
  json.EndObject();
}

}  // namespace

awaitable<void> GetSagaEndpoint::Serve(HttpCall& call) {
  const auto view = actions_.Find(call.context(), call.path_part());
  if (!view.has_value()) {
    call.Fail(view.error());
    co_return;
  }
  std::string out;
  base::JsonWriter json(out);
  WriteSaga(*view, json);
  out += '\n';
  call.Respond(200, kJson, std::move(out));
}

}  // namespace loquat::ingress
