// Signatures of Standard Webhooks (https://www.standardwebhooks.com, specification 1.0.0, section "Webhook signature"):
// headers webhook-id, webhook-timestamp (Unix seconds) and webhook-signature, a list of "v1,<base64 of HMAC-SHA256 over
// id.timestamp.body>", one for each secret.
// Immutable; safe from any thread.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace loquat::response {

inline constexpr std::string_view kSecretPrefix = "whsec_";
// Of a secret, decoded.
inline constexpr std::size_t kSecretBytesMin = 24;
inline constexpr std::size_t kSecretBytesMax = 64;

class WebhookSigner {
 public:
  // Errors: invalid_argument that says which secret (counted from one) is wrong, never the secret itself.
  static base::Result<WebhookSigner> Create(const std::vector<std::string>& secrets);

  // The value of webhook-signature. Empty without secrets.
  std::string Sign(std::string_view id, std::int64_t unix_seconds, std::string_view body) const;

 private:
  std::vector<std::string> keys_;
};

}  // namespace loquat::response
