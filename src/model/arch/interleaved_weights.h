// Copies of a model's linear layers in the order that the kernels of a tier take, or stream fastest
// (kernels/interleave.h), made once when the model is loaded, rounded to 8 bits where that is asked for
// (kernels/int8_panels.h). What lies in that order already, as in a packed file made
// for the tier, stays where it is, and so do types that the tier takes in rows alone.
// Constant once made; any thread.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "kernels/transformer_kernels.h"
#include "model/arch/load.h"
#include "model/arch/tensor_reader.h"
#include "model/tensor/weights.h"

namespace loquat::model {

inline constexpr std::size_t kInt8RowsMin = 64;  // Of what LinearNumbers::kInt8 rounds.

class InterleavedWeights {
 public:
  // Points each layer's matrix at its copy, where the tier takes another order than the file has, and lets the file's
  // pages go. The layers' weights lie in `weights`; the copies live as long as this. Computes on all cores.
  // REQUIRES: of kInt8, kernels.panels.
  InterleavedWeights(std::span<Linear* const> layers, const kernels::TransformerKernels& kernels,
                     const Weights& weights, LinearNumbers numbers = LinearNumbers::kStored,
                     const LoadProgress& progress = {});

 private:
  struct Free {
    void operator()(std::byte* p) const;
  };
  std::unique_ptr<std::byte, Free> memory_;  // Null: nothing was copied.
};

}  // namespace loquat::model
