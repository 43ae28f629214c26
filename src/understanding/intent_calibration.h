// Fits what turns raw scores into probabilities and a verdict, on predictions for examples the predicting model did not
// see. Pure functions; the same input gives the same bits everywhere.

#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "understanding/intent_verdict.h"

namespace loquat::understanding {

// Predictions for held-out examples, one row each.
struct HeldOut {
  std::uint32_t intents = 0, class_width = 0;
  bool out_of_scope_class = false;
  std::vector<float> linear, hidden;      // [example, class_width]
  std::vector<FeatureCoverage> coverage;  // [example]
  std::vector<std::uint32_t> labels;      // [example]: below `intents`, or anything else for out of scope.

  std::size_t size() const { return labels.size(); }
  bool InScope(std::size_t i) const { return labels[i] < intents; }
  IntentScores Scores(std::size_t i) const {
    const std::size_t classes = intents + (out_of_scope_class ? 1U : 0U);
    return {.linear = std::span(linear).subspan(i * class_width, classes),
            .hidden = std::span(hidden).subspan(i * class_width, classes),
            .intents = intents};
  }
};

// `foreign`: predictions by models that never saw the example's intent; they stand for out-of-scope text. May be empty.
// `rejected_max`: the share of right answers that the verdict may take away; negative: a default that knows whether the
// out-of-scope text was real.
IntentCalibration FitCalibration(const HeldOut& held_out, const HeldOut& foreign, double rejected_max = -1);

// What the calibrated model reaches on the held-out examples.
std::vector<std::pair<std::string, double>> MeasureCalibration(const HeldOut& held_out,
                                                               const IntentCalibration& calibration);

}  // namespace loquat::understanding
