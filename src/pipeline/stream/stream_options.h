// The bounds of a stream. Plain values; a stream keeps those that it began with.

#pragma once

#include <chrono>
#include <cstddef>

#include "config/section.h"

namespace loquat::pipeline {

inline constexpr std::size_t kUtteranceIdBytesMax = 128;
// Names of utterances that have ended, kept so that a late update is told so and begins nothing.
inline constexpr std::size_t kEndedUtterancesKept = 8;

struct StreamOptions {
  std::size_t turns_waiting_max = 8;  // Said and not yet answered, of one stream; more are refused.
};

// Keys of the section `stream`.
void Declare(config::Section<StreamOptions>& section);

}  // namespace loquat::pipeline
