// CRC-32C (Castagnoli's polynomial, RFC 3720 appendix B.4): finds damage in what was written to disk. No protection
// against a forger. Pure; safe from any thread.

#pragma once

#include <cstdint>
#include <string_view>

namespace loquat::base {

// Of `bytes`; `before` is the checksum of what stands before them, so that pieces may be summed one by one.
std::uint32_t Crc32c(std::string_view bytes, std::uint32_t before = 0);

}  // namespace loquat::base
