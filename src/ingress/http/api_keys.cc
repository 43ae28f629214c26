#include "ingress/http/api_keys.h"

#include <algorithm>

#include "base/digest.h"

namespace loquat::ingress {
namespace {

constexpr std::string_view kBearer = "bearer ";
constexpr std::string_view kSubprotocolKey = "loquat.key.";
constexpr std::size_t kSha256HexDigits = 64;

bool HasBearerScheme(std::string_view header) {
  return header.size() > kBearer.size() &&
         std::ranges::equal(header.substr(0, kBearer.size()), kBearer, {},
                            [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
}

// The KEY of "loquat.v1, loquat.key.KEY"; empty without one.
std::string_view SubprotocolKey(std::string_view list) {
  while (!list.empty()) {
    std::string_view item = list.substr(0, list.find(','));
    list.remove_prefix(std::min(list.size(), item.size() + 1));
    item.remove_prefix(std::min(item.size(), item.find_first_not_of(" \t")));
    item = item.substr(0, item.find_last_not_of(" \t") + 1);
    if (item.starts_with(kSubprotocolKey)) return item.substr(kSubprotocolKey.size());
  }
  return {};
}

base::Error Unauthenticated(std::string message, std::string reason) {
  return {.code = base::Code::kUnauthenticated, .message = std::move(message), .reason = std::move(reason)};
}

}  // namespace

void Declare(config::Section<ApiKeyOptions>& section) {
  section.Key("name", &ApiKeyOptions::name).Required().Help("Whose key it is; shown in logs and metrics.");
  section.Key("sha256", &ApiKeyOptions::sha256)
      .Required()
      .Match(
          [](std::string_view hex) {
            return hex.size() == kSha256HexDigits &&
                   std::ranges::all_of(hex, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
          },
          "64 lower-case hex digits (printf %s KEY | sha256sum)")
      .Help("SHA-256 of the key in hex: printf %s KEY | sha256sum");
}

base::Result<std::string_view> ApiKeys::Authenticate(const net::HttpRequest& request) const {
  std::string_view key = request.Header("x-api-key");
  if (key.empty()) key = SubprotocolKey(request.Header("sec-websocket-protocol"));
  return Authenticate(request.Header("authorization"), key);
}

base::Result<std::string_view> ApiKeys::Authenticate(std::string_view authorization, std::string_view x_api_key) const {
  if (keys_.empty()) return std::string_view("anonymous");
  const std::string_view key = HasBearerScheme(authorization) ? authorization.substr(kBearer.size()) : x_api_key;
  if (key.empty()) {
    return Unauthenticated("this server asks for an API key: send Authorization: Bearer KEY", "api_key_missing");
  }
  const std::string digest = base::Sha256Hex(key);
  const ApiKeyOptions* match = nullptr;
  for (const ApiKeyOptions& known : keys_) {
    if (base::EqualInConstantTime(digest, known.sha256)) match = &known;
  }
  if (match == nullptr) return Unauthenticated("the API key is not known here", "api_key_unknown");
  return std::string_view(match->name);
}

}  // namespace loquat::ingress
