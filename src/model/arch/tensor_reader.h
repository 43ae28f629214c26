// Takes a model's tensors by name and shape. Not thread-safe; does not own the weights, which outlive it and what it
// returns.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "kernels/weight_type.h"
#include "model/tensor/weights.h"

namespace loquat::model {

// y = weight x + bias.
struct Linear {
  kernels::Matrix weight;   // [outputs, inputs], in the file.
  std::vector<float> bias;  // [outputs], or empty: none.
};

enum class Presence : std::uint8_t { kRequired, kOptional, kAbsent };

class TensorReader {
 public:
  explicit TensorReader(const Weights& weights) : weights_(weights) {}

  // kDataLoss: not there, or not of this shape, or its bytes are not what its shape and type say. `rows` zero: any.
  base::Result<kernels::Matrix> ReadMatrix(const std::string& name, std::uint64_t rows, std::uint64_t cols) const;

  // As floats. Its type is a plain one (F32, F16, BF16). Empty if it is optional and not there, or to be absent.
  base::Result<std::vector<float>> ReadVector(const std::string& name, std::uint64_t length,
                                              Presence presence = Presence::kRequired) const;

  // `name`.weight, and `name`.bias by `bias`.
  base::Result<Linear> ReadLinear(const std::string& name, std::uint64_t rows, std::uint64_t cols, Presence bias) const;

  bool Has(std::string_view name) const { return weights_.Find(name) != nullptr; }

 private:
  const Weights& weights_;
};

}  // namespace loquat::model
