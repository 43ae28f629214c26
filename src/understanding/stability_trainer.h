// Learns how much of a frame still changes while text arrives. A model trained without a fifth of the examples reads
// each of those character by character; how often a field that looked settled was taken back is counted on them, and
// the odds that words end an utterance are learnt. Blocks until done; the same input gives the same bytes.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "understanding/dataset.h"
#include "understanding/understander.h"

namespace loquat::understanding {

inline constexpr std::size_t kHeldOutUtterancesMax = 6000;   // Read character by character; evenly chosen.
inline constexpr std::size_t kHeldOutCharactersMax = 200;    // Of one utterance; longer ones are not read.
inline constexpr std::size_t kPrefixBytesMax = 256u << 10;   // Of the table of beginnings; rarer ones are left out.
inline constexpr std::size_t kWordEndBytesMax = 128u << 10;  // Of the table of words.

// [example]: whether it is held out. Runs of neighbours, intent by intent: neighbours in a file are often paraphrases.
// An intent's first example is never held out.
std::vector<bool> HoldOut(const Dataset& dataset);

// The dataset without the examples held out.
Dataset Kept(const Dataset& dataset, const std::vector<bool>& held_out);

struct StabilityTraining {
  std::vector<std::pair<std::string, std::vector<std::byte>>> sections;  // Name and bytes.
  std::vector<std::pair<std::string, double>> metrics;                   // On the utterances held out.
};

// `reader` was trained on Kept(dataset, held_out) and knows the intents of the whole. `threads`: zero: one a core.
StabilityTraining TrainStability(const Dataset& dataset, const std::vector<bool>& held_out, const Understander& reader,
                                 unsigned threads);

}  // namespace loquat::understanding
