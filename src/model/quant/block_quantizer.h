// Rounds 32 weights to one block of few bits (docs/weight_types.md): q8_0 (INT8), q4_0 (INT4, symmetric) and q4_1
// (INT4 with a minimum). Pure functions; any thread; the same bits on every machine.
//
// The scale (and the minimum) is searched for: candidates are tried, each is refitted by least squares to the codes
// that it gives, rounded to binary16, and judged by the error that the stored block really has,
//     sum of importance[i] * (x[i] - stored[i])^2.
// The plain rounding of llama.cpp's reference (greatest magnitude by 127; by -8; the range by 15) is one of the
// candidates, so no block is worse than it. Weights that lie on the grid of some block come back as they are.

#pragma once

#include <cstddef>

#include "kernels/weight_type.h"

namespace loquat::model {

inline constexpr std::size_t kQuantBlock = 32;

// Whether QuantizeBlock makes this type.
bool IsBlockQuantizable(kernels::WeightType type);

// The greatest magnitude that a block of the type can hold: beyond it the scale leaves binary16.
float BlockWeightMax(kernels::WeightType type);

// `importance`: [32], finite and not negative; null: all alike. Where it is zero throughout, all alike as well.
// REQUIRES: IsBlockQuantizable(type); no magnitude of `x` is above BlockWeightMax(type), and none is NaN.
void QuantizeBlock(kernels::WeightType type, const float* x, const float* importance, std::byte* out);

}  // namespace loquat::model
