// From trained weights to the bytes of a model: weights as small integers, what rounds to nothing left out, and then,
// if the section would be too large, the smallest weights as well. Pure functions.

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "understanding/slot_corpus.h"
#include "understanding/slot_model.h"
#include "understanding/slot_optimizer.h"

namespace loquat::understanding {

// `temperature` and `synonyms` are left to the caller.
SlotModelData ExportSlotModel(const SlotCorpus& corpus, const SlotWeights& weights, std::size_t bytes_max);

}  // namespace loquat::understanding
