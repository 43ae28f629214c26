// Hexadecimal (base 16 of RFC 4648, in lower case). Pure; safe from any thread.

#pragma once

#include <span>
#include <string>
#include <string_view>

namespace loquat::base {

void AppendHex(std::span<const unsigned char> bytes, std::string& out);
std::string EncodeHex(std::span<const unsigned char> bytes);

// Fills `bytes` from exactly twice as many digits of either case; false, and bytes unspecified, for anything else.
bool DecodeHex(std::string_view digits, std::span<unsigned char> bytes);

}  // namespace loquat::base
