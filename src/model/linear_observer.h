// Sees what the linear layers of a forward pass are given: how calibration learns which inputs matter. A workspace has
// none unless one is set (Workspace::Observe), and then asks nobody.

#pragma once

#include <cstddef>

#include "kernels/weight_type.h"

namespace loquat::model {

class LinearObserver {
 public:
  virtual ~LinearObserver() = default;

  // Before the layer computes, on the thread that called Forward. `weight` is the layer's matrix as the model holds it:
  // where it is RowOrder::kRows, its data are those of the model's Weights. x: [tokens, weight.cols], token t at
  // x + t * stride; valid during the call.
  virtual void BeforeLinear(const kernels::Matrix& weight, const float* x, std::size_t stride, std::size_t tokens) = 0;
};

}  // namespace loquat::model
