// Trains the intent half of a model: two layers on all the data, and the calibration and the out-of-scope verdict on
// predictions for examples that the predicting model did not see (five folds). Blocks until done.

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "understanding/dataset.h"
#include "understanding/intent_format.h"

namespace loquat::understanding {

struct IntentTrainOptions {
  unsigned threads = 0;  // Zero: one a core. The result does not depend on it.
  std::uint64_t seed = 1;
  std::size_t model_bytes_max = 48u << 20;  // The features that tell least are left out until the sections fit.
  double rejected_max = -1;                 // As TrainOptions.
  // Given: no cross-validation; the model is of use to judge others by, and has no metrics. Lives as long as the call.
  const IntentCalibration* calibration = nullptr;
  std::string force_isa;                 // As UnderstanderOptions; the result does not depend on it.
  std::function<bool(double)> progress;  // One call at a time, from any training thread; false: stop with kCancelled.
};

struct IntentTraining {
  std::vector<std::pair<std::string, std::vector<std::byte>>> sections;  // Name and bytes.
  std::vector<std::string> intents;
  IntentCalibration calibration;
  std::uint64_t features = 0;
  std::uint64_t out_of_scope_examples = 0;
  std::vector<std::pair<std::string, double>> metrics;  // "intent_accuracy", "intent_ece", "out_of_scope_recall", ...
  std::vector<std::string> warnings;
};

// kInvalidArgument: fewer than two intents, or too many classes for the memory; kCancelled: `progress` said so.
base::Result<IntentTraining> TrainIntents(const Dataset& dataset, const IntentTrainOptions& options = {});

}  // namespace loquat::understanding
