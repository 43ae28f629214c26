// Parses the JSON body of a request; what the parser's limits refuse is said as HTTP says it. One thread at a time uses
// a parser; the value lives as base/json_value.h tells.

#pragma once

#include <cstddef>
#include <string_view>

#include "base/json_value.h"
#include "base/result.h"

namespace loquat::ingress {

inline constexpr std::size_t kJsonDepthMax = 16;  // Of bodies and events of our own API.

// Errors: invalid_argument for what is no JSON or nested too deep ("too_deep"), resource_exhausted "body_too_large",
// unavailable where memory is short.
base::Result<base::JsonValue> ParseJsonBody(std::string_view body, base::JsonParser& parser);

}  // namespace loquat::ingress
