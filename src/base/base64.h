// Base64 with padding (RFC 4648, section 4). Pure; safe from any thread.

#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace loquat::base {

std::string EncodeBase64(std::string_view bytes);

// Strict: padding in full, no white space, no stray bits after the last byte. Nothing for any other text.
std::optional<std::string> DecodeBase64(std::string_view text);

}  // namespace loquat::base
