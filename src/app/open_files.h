// How many files the process may have open; each connection is one.
//
// Called once at start, before connections come.

#pragma once

#include <cstddef>

namespace loquat::app {

// Besides connections: listeners, event loops, the model, logs, the watched configuration.
inline constexpr std::size_t kOtherFilesMax = 128;

// Raises the soft limit (RLIMIT_NOFILE), which many systems set to 1024, to `wanted` or as near as the hard limit
// allows. Never lowers it. Gives the limit in force.
std::size_t RaiseOpenFilesLimit(std::size_t wanted);

}  // namespace loquat::app
