// One row of a weight matrix as floats, in whatever order its rows lie: the embedding of a token from a table that is
// the output layer's as well. Pure; any thread; does not allocate.

#pragma once

#include <cstddef>

#include "kernels/transformer_kernels.h"

namespace loquat::model {

// out[matrix.cols]
void DecodeRow(const kernels::TransformerKernels& kernels, const kernels::Matrix& matrix, std::size_t row, float* out);

}  // namespace loquat::model
