// From raw scores to calibrated probabilities and the out-of-scope verdict; the same code in training and in serving.
// Pure functions; any thread.

#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "understanding/intent_features.h"
#include "understanding/intent_format.h"

namespace loquat::understanding {

// How much of an utterance the features cover, by group.
struct FeatureCoverage {
  std::array<std::uint32_t, kFeatureGroups> total = {};
  std::array<std::uint32_t, kFeatureGroups> known = {};
};

struct IntentScores {
  std::span<const float> linear;  // [classes]
  std::span<const float> hidden;  // [classes]
  std::uint32_t intents = 0;      // The first ones; a class beyond them is the out-of-scope class.
};

using VerdictInputs = std::array<float, kVerdictInputs>;

// Fills probabilities[0 .. intents), which sum to one, and the verdict's inputs. REQUIRES: intents > 0.
void CalibrateScores(const IntentScores& scores, const FeatureCoverage& coverage, const IntentCalibration& calibration,
                     std::span<float> probabilities, VerdictInputs& inputs);

// Probability that the utterance is out of scope.
float OutOfScopeProbability(const VerdictInputs& inputs, const IntentCalibration& calibration);

}  // namespace loquat::understanding
