// What BERT and its kin compute with, by their part in the computation. Constant after loading; any thread. Matrices
// lie in the model's Weights, which outlive this.

#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/result.h"
#include "model/arch/tensor_reader.h"
#include "model/model_config.h"

namespace loquat::model {

struct LayerNorm {
  std::vector<float> weight, bias;  // [width]
};

struct EncoderLayer {
  std::vector<Linear> qkv;  // Outputs side by side: query, key, value: [3 * width, width].
  Linear attention_output;  // [width, width]
  LayerNorm attention_norm;
  Linear ffn_up;    // [ffn_width, width]
  Linear ffn_down;  // [width, ffn_width]
  LayerNorm output_norm;
};

struct EncoderWeights {
  kernels::Matrix token_embedding;            // [vocabulary, width]
  kernels::Matrix position_embedding;         // [at least position_offset + context, width]
  std::optional<kernels::Matrix> token_type;  // [token_types, width]
  LayerNorm embedding_norm;
  std::vector<EncoderLayer> layers;
  std::optional<Linear> head_dense;   // [width, width], of classification heads that have one.
  std::optional<Linear> head_output;  // [labels, width], of models with a head.
};

// Every linear layer, for who changes where its numbers lie.
std::vector<Linear*> LinearsOf(EncoderWeights& weights);

base::Result<EncoderWeights> ReadEncoderWeights(const ModelConfig& config, const Weights& weights);

}  // namespace loquat::model
