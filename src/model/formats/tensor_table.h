// Which tensors each architecture has, under which names and of which shapes: GGUF's names, onto which those of
// Hugging Face's checkpoints are mapped (docs/model_files.md lists both). Pure functions; any thread.
//
// Matrices are [outputs, inputs]. Query and key rows lie as ModelConfig::rope_pairs_adjacent says. In chatglm, attn_qkv
// holds the rows of all query heads, then of the key heads, then of the value heads; ffn_up holds the gate's rows, then
// those of what it gates. rope_freqs divides the frequency of each pair of dimensions (Llama 3.1 in GGUF). Of a BERT
// head, cls is the dense layer (tanh; ReLU where token_types is 0, DistilBERT), cls.output gives the labels.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/model_config.h"
#include "model/tensor/weights.h"

namespace loquat::model {

struct ExpectedTensor {
  std::string name;
  std::vector<std::uint64_t> shape;  // Zero: any length.
  bool required = true;
};

// REQUIRES: CheckConfig(config). In the order of a forward pass.
std::vector<ExpectedTensor> ExpectedTensors(const ModelConfig& config);

// That every tensor the architecture needs is there and of the right shape, and that there is none besides it: what
// would be left out of the computation would make its results wrong. kDataLoss names the tensor; `file` is what errors
// call the model.
base::Status CheckTensors(const ModelConfig& config, const Weights& weights, std::string_view file);

}  // namespace loquat::model
