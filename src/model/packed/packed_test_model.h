// For tests: a small model in memory to pack, with a tensor of every weight type. Values; one thread.

#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "kernels/weight_test_data.h"
#include "model/packed/packed_writer.h"
#include "model/tensor/mapped_weights.h"

namespace loquat::model {

class PackedTestModel {
 public:
  // A table of F32 that is no linear layer; a matrix of each type, [rows, 256] or, of plain floats, [rows, 253]; two
  // vectors between them.
  explicit PackedTestModel(std::size_t rows = 24) {
    base::Random random(20261122);
    std::vector<Tensor> tensors;
    matrices.push_back(kernels::RandomMatrix(random, kernels::WeightType::kF32, rows, 256, 0.1));
    tensors.push_back({.name = "table", .shape = {rows, 256}, .bytes = matrices.back().bytes});
    for (std::size_t i = 0; i < kernels::kWeightTypes; ++i) {
      const auto type = static_cast<kernels::WeightType>(i);
      const std::size_t cols = kernels::LayoutOf(type).block_weights == 1 ? 253 : 256;
      matrices.push_back(kernels::RandomMatrix(random, type, rows, cols, 0.1));
      const std::string name(kernels::LayoutOf(type).name);
      tensors.push_back({.name = name, .type = type, .shape = {rows, cols}, .bytes = matrices.back().bytes});
      linear.push_back(name);
      if (i != 4 && i != 7) continue;
      vectors.push_back(kernels::RandomMatrix(random, kernels::WeightType::kF32, 1, 9, 0.1));
      tensors.push_back({.name = name + ".bias", .shape = {9}, .bytes = vectors.back().bytes});
    }
    weights = std::make_unique<const MappedWeights>(std::vector<base::MappedFile>(), std::move(tensors));
    config.architecture = Architecture::kQwen3;
    config.name = "test";
    config.width = 256;
    config.rope_scaling = RopeScaling::kYarn;
    config.rope_factor = 2.5F;
    config.norm_epsilon = 1e-6F;
    config.labels = {"no", "yes"};
    config.eos_tokens = {7, 9};
  }

  PackSource source() const {
    return {.config = config,
            .metadata = {{"general.name", "string", "test"}, {"a", "uint32", "1"}},
            .chat_template = "{{ messages }}",
            .tokenizer = "tokenizer tables",
            .weights = *weights,
            .linear_tensors = linear};
  }

  std::vector<kernels::TestMatrix> matrices, vectors;  // A moved vector keeps its memory.
  std::vector<std::string> linear;
  std::unique_ptr<const Weights> weights;
  ModelConfig config;
};

}  // namespace loquat::model
