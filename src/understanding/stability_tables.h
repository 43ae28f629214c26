// The tables of a model's stability part as training makes them: beginnings of utterances with their intents, and words
// with the odds that they end one. Plain values; the same dataset gives the same bytes.

#pragma once

#include <string>
#include <vector>

#include "understanding/dataset.h"
#include "understanding/stability_format.h"

namespace loquat::understanding {

struct StabilityTables {
  std::vector<PrefixCell> prefixes;
  std::vector<WordEndCell> words;
};

// `intents`: names by class. The most frequent beginnings and words that fit into so many bytes.
StabilityTables BuildStabilityTables(const Dataset& dataset, const std::vector<std::string>& intents,
                                     std::size_t prefix_bytes_max, std::size_t word_bytes_max);

}  // namespace loquat::understanding
