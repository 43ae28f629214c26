// From a config and its tensors to a model that computes. Pure functions; any thread. What they return shares the
// weights and may be used by any thread (model/decoder.h, model/encoder.h).
//
// Errors are kInvalidArgument for a config that this code cannot compute, and kDataLoss for a tensor that is missing or
// has the wrong shape or type: they name the tensor and the shape wanted. The tensors of each architecture are listed
// in docs/architectures.md.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "kernels/isa.h"
#include "model/decoder.h"
#include "model/encoder.h"
#include "model/model_config.h"
#include "model/tensor/weights.h"

namespace loquat::model {

enum class LinearNumbers : std::uint8_t {
  kStored,   // As the file has them.
  kInPlace,  // And where it has them: in its own order, whatever the tier would take faster.
  kInt8,     // Plain floats under one scale a row, but for layers of few outputs: what says yes or no is not rounded.
};
// Called with bytes done and bytes in all while weights are copied into another order; on the caller's thread.
using LoadProgress = std::function<void(std::uint64_t done, std::uint64_t total)>;

// llama, qwen2, qwen3, chatglm. REQUIRES: this machine has `isa`; `numbers` is not kInt8.
base::Result<std::unique_ptr<const DecoderModel>> LoadDecoder(ModelConfig config,
                                                              std::shared_ptr<const Weights> weights, kernels::Isa isa,
                                                              KvType kv_type = KvType::kF16,
                                                              const LoadProgress& progress = {},
                                                              LinearNumbers numbers = LinearNumbers::kStored);

// bert. kInt8 is kInvalidArgument on a tier without integer products. REQUIRES: this machine has `isa`.
base::Result<std::unique_ptr<const EncoderModel>> LoadEncoder(ModelConfig config,
                                                              std::shared_ptr<const Weights> weights, kernels::Isa isa,
                                                              LinearNumbers numbers = LinearNumbers::kStored,
                                                              const LoadProgress& progress = {});

// The names of the tensors that linear layers multiply with: those of which a tier may want the rows in another order.
// Finds and checks all that loading finds and checks, of any architecture, and copies nothing.
base::Result<std::vector<std::string>> LinearTensors(const ModelConfig& config, const Weights& weights);

}  // namespace loquat::model
