// Trains an intent classifier with its calibration and out-of-scope verdict, and a slot tagger, and writes a model
// folder. Train runs its own threads and returns when they are done. The same data, options and seed give the same
// bytes on every x86-64 machine and with any number of threads.

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "understanding/dataset.h"

namespace loquat::understanding {

struct TrainProgress {
  std::string_view stage;  // "intents", "slots", "stability", "writing".
  double fraction = 0;     // Of the whole training, in [0, 1]; never goes back.
};

struct TrainOptions {
  unsigned threads = 0;  // Zero: one a core.
  std::uint64_t seed = 1;
  bool intents = true;
  bool slots = true;      // Only where examples have entities.
  bool stability = true;  // What is stable while text arrives; only where intents are trained.
  // What the intent half may take in the model; the features that tell least are left out until it fits.
  std::size_t intent_bytes_max = 48u << 20;
  std::size_t slot_bytes_max = 3u << 20;  // The same of the slot half.
  // The share of right answers that the out-of-scope verdict may take away, in [0, 1): more catches more foreign text.
  // Negative: 0.006 with out-of-scope examples, 0.001 without.
  double rejected_max = -1;
  // Called from the training threads, one call at a time. Returning false stops the training with kCancelled.
  std::function<bool(const TrainProgress&)> progress;
};

struct TrainSummary {
  std::uint64_t examples = 0, out_of_scope_examples = 0;
  std::uint64_t intents = 0, intent_features = 0, slot_names = 0;
  std::uint64_t model_bytes = 0;
  double seconds = 0;
  std::vector<std::pair<std::string, double>> metrics;  // As in the manifest, from cross-validation.
  std::vector<std::string> warnings;                    // Sentences; the dataset's own come first.
};

// kInvalidArgument: nothing to learn from (fewer than two intents and no entity). Others: as ModelFolderWriter::Write.
base::Result<TrainSummary> Train(const Dataset& dataset, const std::string& out_dir, const TrainOptions& options = {});

}  // namespace loquat::understanding
