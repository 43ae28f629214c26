// From a config and its tensors to a model that computes. Pure functions; any thread. What they return shares the
// weights and may be used by any thread (model/decoder.h, model/encoder.h).
//
// Errors are kInvalidArgument for a config that this code cannot compute, and kDataLoss for a tensor that is missing or
// has the wrong shape or type: they name the tensor and the shape wanted. The tensors of each architecture are listed
// in docs/architectures.md.

#pragma once

#include <memory>

#include "base/result.h"
#include "kernels/isa.h"
#include "model/arch/interleaved_weights.h"
#include "model/decoder.h"
#include "model/encoder.h"
#include "model/model_config.h"
#include "model/tensor/weights.h"

namespace loquat::model {

// llama, qwen2, qwen3, chatglm. REQUIRES: this machine has `isa`.
base::Result<std::unique_ptr<const DecoderModel>> LoadDecoder(ModelConfig config,
                                                              std::shared_ptr<const Weights> weights, kernels::Isa isa,
                                                              KvType kv_type = KvType::kF16);

// bert. kInt8 is kInvalidArgument on a tier without integer dot products. REQUIRES: this machine has `isa`.
base::Result<std::unique_ptr<const EncoderModel>> LoadEncoder(ModelConfig config,
                                                              std::shared_ptr<const Weights> weights, kernels::Isa isa,
                                                              LinearNumbers numbers = LinearNumbers::kStored);

}  // namespace loquat::model
