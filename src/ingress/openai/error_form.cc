#include "ingress/openai/error_form.h"

#include <algorithm>

#include "base/strings.h"

namespace loquat::ingress::openai {
namespace {

using base::Code;

std::string_view TypeOf(Code code) {
  switch (code) {
    case Code::kUnauthenticated:
      return "authentication_error";
    case Code::kPermissionDenied:
      return "permission_error";
    case Code::kResourceExhausted:
      return "rate_limit_error";
    case Code::kInvalidArgument:
    case Code::kNotFound:
    case Code::kAlreadyExists:
    case Code::kFailedPrecondition:
    case Code::kAborted:
    case Code::kOutOfRange:
    case Code::kUnimplemented:
      return "invalid_request_error";
    case Code::kOk:
    case Code::kCancelled:
    case Code::kUnknown:
    case Code::kDeadlineExceeded:
    case Code::kInternal:
    case Code::kUnavailable:
    case Code::kDataLoss:
      return "server_error";
  }
  return "server_error";
}

bool IsIndex(std::string_view segment) {
  return !segment.empty() && std::ranges::all_of(segment, [](char c) { return c >= '0' && c <= '9'; });
}

// RFC 6901, section 4: ~1 is a slash, ~0 a tilde.
std::string Unescape(std::string_view segment) {
  std::string key;
  for (std::size_t i = 0; i < segment.size(); ++i) {
    const bool escape = segment[i] == '~' && i + 1 < segment.size();
    if (escape && segment[i + 1] == '1') {
      key += '/';
      ++i;
    } else if (escape && segment[i + 1] == '0') {
      key += '~';
      ++i;
    } else {
      key += segment[i];
    }
  }
  return key;
}

// Clients show the message alone, so it has to name what it speaks of.
std::string MessageOf(const base::Error& error) {
  const std::string param = ParamOfPointer(error.param);
  const std::size_t key = param.find_last_of(".[") + 1;  // Its last part; npos + 1 is the whole.
  const std::string_view name = std::string_view(param).substr(key, param.find(']', key) - key);
  return error.message.contains(name) ? error.message : param + ": " + error.message;
}

}  // namespace

std::string ParamOfPointer(std::string_view pointer) {
  if (!pointer.starts_with('/')) return std::string(pointer);
  std::string param;
  for (const std::string_view segment : base::Split(pointer.substr(1), '/')) {
    if (IsIndex(segment) && !param.empty()) {
      param.append("[").append(segment).append("]");
    } else {
      if (!param.empty()) param += '.';
      param += Unescape(segment);
    }
  }
  return param;
}

void WriteErrorObject(const base::Error& error, base::JsonWriter& json) {
  json.BeginObject();
  json.Key("message");
  json.String(MessageOf(error));
  json.Key("type");
  json.String(TypeOf(error.code));
  json.Key("param");
  if (error.param.empty()) {
    json.Null();
  } else {
    json.String(ParamOfPointer(error.param));
  }
  json.Key("code");
  json.String(error.reason.empty() ? base::CodeName(error.code) : std::string_view(error.reason));
  json.EndObject();
}

std::string ErrorBody(const base::Error& error, std::string_view) {
  std::string body;
  base::JsonWriter json(body);
  json.BeginObject();
  json.Key("error");
  WriteErrorObject(error, json);
  json.EndObject();
  body += '\n';
  return body;
}

}  // namespace loquat::ingress::openai
