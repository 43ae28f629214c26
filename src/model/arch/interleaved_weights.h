// Copies of a model's linear layers in the order that the kernels of a tier stream fastest (kernels/interleave.h), made
// once when the model is loaded. Types that the tier takes in rows alone stay in their file.
// Not thread-safe while taking; constant afterwards, then any thread.

#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "kernels/thread_team.h"
#include "kernels/transformer_kernels.h"
#include "model/arch/tensor_reader.h"
#include "model/tensor/weights.h"

namespace loquat::model {

class InterleavedWeights {
 public:
  // Points each layer's matrix at its copy, where the tier takes one, and lets the file's pages go. The layers' weights
  // lie in `weights`; the copies live as long as this.
  void Take(std::span<Linear* const> layers, const kernels::TransformerKernels& kernels, const Weights& weights,
            kernels::ThreadTeam& team);

  std::size_t bytes() const { return bytes_; }

 private:
  struct Free {
    void operator()(std::byte* p) const;
  };
  using Memory = std::unique_ptr<std::byte, Free>;
  static Memory Allocate(std::size_t bytes);

  std::vector<Memory> memory_;
  std::size_t bytes_ = 0;
};

}  // namespace loquat::model
