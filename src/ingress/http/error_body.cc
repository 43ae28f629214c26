#include "ingress/http/error_body.h"

namespace loquat::ingress {

void WriteError(const base::Error& error, std::string_view request_id, base::JsonWriter& json) {
  json.BeginObject();
  json.Key("code");
  json.String(base::CodeName(error.code));
  json.Key("message");
  json.String(error.message);
  if (!error.reason.empty()) {
    json.Key("reason");
    json.String(error.reason);
  }
  if (error.retry_after.count() > 0) {
    json.Key("retry_after_ms");
    json.Int(error.retry_after.count());
  }
  if (!error.param.empty()) {
    json.Key("param");
    json.String(error.param);
  }
  if (!request_id.empty()) {
    json.Key("request_id");
    json.String(request_id);
  }
  json.EndObject();
}

std::string ErrorBody(const base::Error& error, std::string_view request_id) {
  std::string body;
  base::JsonWriter json(body);
  json.BeginObject();
  json.Key("error");
  WriteError(error, request_id, json);
  json.EndObject();
  body += '\n';
  return body;
}

}  // namespace loquat::ingress
