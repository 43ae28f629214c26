#include "ingress/openai/models_handler.h"

#include <string>
#include <utility>

#include "base/json_writer.h"
#include "net/url.h"

namespace loquat::ingress::openai {
namespace {

// OpenAI's four members, and then what a client of a server of one's own wants to know.
void WriteModel(const pipeline::ServedModel& model, base::JsonWriter& json) {
  const engine::ModelInfo& info = model.info();
  json.BeginObject();
  json.Key("id");
  json.String(info.name);
  json.Key("object");
  json.String("model");
  json.Key("created");
  json.Int(model.created);
  json.Key("owned_by");
  json.String("loquat");
  json.Key("context_length");
  json.Uint(info.context);
  json.Key("capabilities");
  json.BeginObject();
  json.Key("completion");
  json.Bool(info.can_generate);
  json.Key("chat");
  json.Bool(info.can_generate && model.text->has_chat_template());
  json.Key("embedding");
  json.Bool(info.can_embed);
  json.Key("classification");
  json.Bool(info.can_classify || info.can_label_tokens);
  json.EndObject();
  if (info.can_embed) {
    json.Key("dimensions");
    json.Uint(info.width);
  }
  json.EndObject();
}

}  // namespace

boost::asio::awaitable<void> ModelsEndpoint::Serve(HttpCall& call) {
  std::string out;
  base::JsonWriter json(out);
  json.BeginObject();
  json.Key("object");
  json.String("list");
  json.Key("data");
  json.BeginArray();
  for (const pipeline::ServedModel& model : models_.all()) WriteModel(model, json);
  json.EndArray();
  json.EndObject();
  out += '\n';
  call.Respond(200, kJson, std::move(out));
  co_return;
}

boost::asio::awaitable<void> ModelEndpoint::Serve(HttpCall& call) {
  const auto name = net::PercentDecode(call.path_part());
  if (!name.has_value()) {
    call.Fail(name.error());
    co_return;
  }
  const auto model = models_.Find(*name);
  if (!model.has_value()) {
    call.Fail(model.error());
    co_return;
  }
  std::string out;
  base::JsonWriter json(out);
  WriteModel(**model, json);
  out += '\n';
  call.Respond(200, kJson, std::move(out));
}

}  // namespace loquat::ingress::openai
