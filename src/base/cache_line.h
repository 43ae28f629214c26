// How far apart data of different writers stands, so that they do not share a cache line.

#pragma once

#include <cstddef>

namespace loquat::base {

// Two lines of 64 bytes: x86 fetches them in pairs. A constant, not std::hardware_destructive_interference_size, so
// that layouts do not depend on compiler flags.
inline constexpr std::size_t kCacheLineBytes = 128;

}  // namespace loquat::base
