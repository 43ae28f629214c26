// Who may call: API keys, of which only the SHA-256 is known here, so that a configuration that leaks gives no key
// away. A key is a long random word (at least 16 bytes), so that a plain hash of it cannot be searched for.
//
// Immutable after construction; safe from any thread.

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/section.h"
#include "net/http.h"

namespace loquat::ingress {

struct ApiKeyOptions {
  std::string name;    // Of the tenant; in logs and metrics.
  std::string sha256;  // 64 hex digits.
};

void Declare(config::Section<ApiKeyOptions>& section);

class ApiKeys {
 public:
  explicit ApiKeys(std::vector<ApiKeyOptions> keys) : keys_(std::move(keys)) {}

  // The tenant whose key the request carries ("Authorization: Bearer KEY", "X-Api-Key: KEY", or for a page, which can
  // set neither on a WebSocket, the subprotocol "loquat.key.KEY"); "anonymous" where no key is configured.
  // unauthenticated otherwise. Compares with every key in constant time.
  base::Result<std::string_view> Authenticate(const net::HttpRequest& request) const;
  // The same from the two values, wherever they were carried; empty: it was not there.
  base::Result<std::string_view> Authenticate(std::string_view authorization, std::string_view x_api_key) const;

 private:
  const std::vector<ApiKeyOptions> keys_;
};

}  // namespace loquat::ingress
