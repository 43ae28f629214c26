// The one error body: {"error": {"code", "message", "reason", "retry_after_ms", "param", "request_id"}}. Pure
// functions.

#pragma once

#include <string>
#include <string_view>

#include "base/json_writer.h"
#include "base/result.h"

namespace loquat::ingress {

// The object inside "error"; fields without a value are left out.
void WriteError(const base::Error& error, std::string_view request_id, base::JsonWriter& json);

std::string ErrorBody(const base::Error& error, std::string_view request_id);

}  // namespace loquat::ingress
