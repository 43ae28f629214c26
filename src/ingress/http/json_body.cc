#include "ingress/http/json_body.h"

#include <utility>

namespace loquat::ingress {

base::Result<base::JsonValue> ParseJsonBody(std::string_view body, base::JsonParser& parser) {
  auto root = parser.Parse(body);
  if (root.has_value() || root.error().code != base::Code::kResourceExhausted) return root;
  base::Error error = std::move(root).error();
  if (error.reason == "too_large") {
    error.reason = "body_too_large";
  } else if (error.reason == "too_deep") {
    error.code = base::Code::kInvalidArgument;  // Waiting would not help.
  } else {
    error.code = base::Code::kUnavailable;
    error.retry_after = std::chrono::seconds(1);
  }
  return error;
}

}  // namespace loquat::ingress
