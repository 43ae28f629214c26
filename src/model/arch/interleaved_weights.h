// Copies of a model's linear layers in the order that the kernels of a tier stream fastest (kernels/interleave.h), made
// once when the model is loaded, rounded to 8 bits where that is asked for (kernels/int8_panels.h). Types that the tier
// takes in rows alone stay in their file.
// Constant once made; any thread.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "kernels/transformer_kernels.h"
#include "model/arch/tensor_reader.h"
#include "model/tensor/weights.h"

namespace loquat::model {

enum class LinearNumbers : std::uint8_t {
  kStored,  // As the file has them.
  kInt8,    // Plain floats under one scale a row, but for layers of few outputs: what says yes or no is not rounded.
};
inline constexpr std::size_t kInt8RowsMin = 64;

class InterleavedWeights {
 public:
  // Points each layer's matrix at its copy, where the tier takes one, and lets the file's pages go. The layers' weights
  // lie in `weights`; the copies live as long as this. Computes on all cores. REQUIRES: of kInt8, kernels.int8_panels.
  InterleavedWeights(std::span<Linear* const> layers, const kernels::TransformerKernels& kernels,
                     const Weights& weights, LinearNumbers numbers = LinearNumbers::kStored);

 private:
  struct Free {
    void operator()(std::byte* p) const;
  };
  std::unique_ptr<std::byte, Free> memory_;  // Null: nothing was copied.
};

}  // namespace loquat::model
