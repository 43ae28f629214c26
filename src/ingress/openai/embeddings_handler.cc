#include "ingress/openai/embeddings_handler.h"

#include <bit>
#include <string>

#include "base/base64.h"
#include "base/json_writer.h"
#include "ingress/openai/body_parser.h"
#include "ingress/openai/embeddings_body.h"

namespace loquat::ingress::openai {
namespace {

void WriteVector(const std::vector<float>& row, bool base64, base::JsonWriter& json) {
  static_assert(std::endian::native == std::endian::little, "the base64 form is little-endian");
  if (base64) {
    json.String(base::EncodeBase64({reinterpret_cast<const char*>(row.data()), row.size() * sizeof(float)}));
    return;
  }
  json.BeginArray();
  for (const float value : row) json.Float(value);
  json.EndArray();
}

std::string AnswerJson(const EmbeddingsBody& body, const pipeline::EmbedAnswer& answer) {
  std::string out;
  base::JsonWriter json(out);
  json.BeginObject();
  json.Key("object");
  json.String("list");
  json.Key("data");
  json.BeginArray();
  for (std::size_t i = 0; i < answer.rows.size(); ++i) {
    json.BeginObject();
    json.Key("object");
    json.String("embedding");
    json.Key("index");
    json.Uint(i);
    json.Key("embedding");
    WriteVector(answer.rows[i], body.base64, json);
    if (answer.cut[i] > 0) {
      json.Key("truncated_tokens");
      json.Uint(answer.cut[i]);
    }
    json.EndObject();
  }
  json.EndArray();
  json.Key("model");
  json.String(body.input.model);
  json.Key("usage");
  json.BeginObject();
  json.Key("prompt_tokens");
  json.Uint(answer.tokens);
  json.Key("total_tokens");
  json.Uint(answer.tokens);
  json.EndObject();
  json.EndObject();
  out += '\n';
  return out;
}

}  // namespace

boost::asio::awaitable<void> EmbeddingsEndpoint::Serve(HttpCall& call) {
  const auto body = ParseBody(call.request().body, ParseEmbeddingsBody);
  if (!body.has_value()) {
    call.Fail(body.error());
    co_return;
  }
  call.context().cancel = call.exchange().WatchDisconnect();
  const auto answer = co_await embed_.Run(call.context(), body->input);
  if (answer.has_value()) {
    call.Respond(200, kJson, AnswerJson(*body, *answer));
  } else {
    call.Fail(answer.error());
  }
}

}  // namespace loquat::ingress::openai
