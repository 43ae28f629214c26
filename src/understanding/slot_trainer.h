// Trains the slot tagger (slot_tagger.h): a linear-chain conditional random field over tokens.
// Runs its own threads and returns when they are done. The same data, options and seed give the same bytes on every
// x86-64 machine and with any number of threads.
//
// Lafferty, McCallum, Pereira, "Conditional random fields", ICML 2001. Steps by AdaGrad with one rate a feature row:
// Duchi, Hazan, Singer, "Adaptive subgradient methods", JMLR 12, 2011. Confidence by temperature on held-out examples:
// Guo, Pleiss, Sun, Weinberger, "On calibration of modern neural networks", ICML 2017.

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "understanding/dataset.h"

namespace loquat::understanding {

struct SlotTrainOptions {
  unsigned threads = 0;  // Zero: one a core.
  std::uint64_t seed = 1;
  std::size_t model_bytes_max = 3u << 20;  // The weakest features are dropped until the section fits.
  std::uint32_t epochs = 0;                // Zero: from the amount of data.
  // Called from the calling thread with the part done, in [0, 1]. Returning false stops with kCancelled.
  std::function<bool(double)> progress;
};

struct SlotTraining {
  std::vector<std::byte> section;       // For SlotTagger::Load.
  std::vector<std::string> slot_names;  // "city", "city:from": distinct, sorted.
  std::uint64_t features = 0;           // That were kept.
  std::vector<std::pair<std::string, double>>
      metrics;                        // On held-out examples: "slot_f1", "slot_ece", "slot_temperature".
  std::vector<std::string> warnings;  // Annotations that had to be widened to whole tokens, bad regexes.
};

// kInvalidArgument: no example has an entity, or a bound is passed; kCancelled: `progress` said so.
base::Result<SlotTraining> TrainSlots(const Dataset& dataset, const SlotTrainOptions& options = {});

}  // namespace loquat::understanding
