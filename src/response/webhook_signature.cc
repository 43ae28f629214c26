#include "response/webhook_signature.h"

#include <fmt/format.h>

#include <utility>

#include "base/base64.h"
#include "base/digest.h"
#include "response/callback_options.h"

namespace loquat::response {

base::Result<WebhookSigner> WebhookSigner::Create(const std::vector<std::string>& secrets) {
  if (secrets.size() > kSecretsMax) {
    return base::InvalidArgument(fmt::format("{} secrets; at most {} sign at a time", secrets.size(), kSecretsMax));
  }
  WebhookSigner signer;
  for (const std::string& secret : secrets) {
    std::optional<std::string> key;
    if (secret.starts_with(kSecretPrefix)) {
      key = base::DecodeBase64(std::string_view(secret).substr(kSecretPrefix.size()));
    }
    if (!key || key->size() < kSecretBytesMin || key->size() > kSecretBytesMax) {
      return base::InvalidArgument(fmt::format("secret {} is not \"{}\" and base64 of {} to {} bytes",
                                               signer.keys_.size() + 1, kSecretPrefix, kSecretBytesMin,
                                               kSecretBytesMax));
    }
    signer.keys_.push_back(std::move(*key));
  }
  return signer;
}

std::string WebhookSigner::Sign(std::string_view id, std::int64_t unix_seconds, std::string_view body) const {
  const std::string signed_text = fmt::format("{}.{}.{}", id, unix_seconds, body);
  std::string out;
  for (const std::string& key : keys_) {
    const base::Sha256Digest code = base::HmacSha256(key, signed_text);
    if (!out.empty()) out += ' ';
    out += "v1,";
    out += base::EncodeBase64({reinterpret_cast<const char*>(code.data()), code.size()});
  }
  return out;
}

}  // namespace loquat::response
