// Whether and how far the next tokens of an answer are guessed (drafter.h), and the configuration's keys for it. Plain
// values.

#pragma once

#include <cstdint>

#include "config/section.h"

namespace loquat::engine {

inline constexpr std::uint32_t kDraftTokensMax = 64;

enum class SpeculationMode : std::uint8_t { kOff, kAuto };

struct SpeculationOptions {
  SpeculationMode mode = SpeculationMode::kAuto;
  std::uint32_t draft_tokens = 12;  // Of one sequence in one step, at most; 1 to kDraftTokensMax.
};
void Declare(config::Section<SpeculationOptions>& section);

}  // namespace loquat::engine
