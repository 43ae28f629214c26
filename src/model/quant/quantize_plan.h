// Which type each tensor of a model gets when it is quantized: a table of reasons, and rules of the user's own before
// it. A pure function; any thread.

#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "kernels/weight_type.h"
#include "model/tensor/weights.h"

namespace loquat::model {

inline constexpr std::size_t kKeepRulesMax = 256;
inline constexpr std::size_t kKeepPatternBytesMax = 256;

// Tensors whose whole name matches get the type. In a pattern, * is any run of characters and ? any one.
struct KeepRule {
  std::string pattern;
  kernels::WeightType type = kernels::WeightType::kF16;
};

struct QuantizePlanOptions {
  kernels::WeightType type = kernels::WeightType::kQ8_0;  // Of the matrices: q8_0, q4_0 or q4_1.
  std::vector<KeepRule> keep;                             // The first that matches decides.
};

struct PlannedTensor {
  const Tensor* tensor = nullptr;
  kernels::WeightType to = kernels::WeightType::kF32;
  std::string_view reason;  // Why it is not of the plan's type; empty where it is.
};

// "q4_0" and the like, for QuantizePlanOptions::type; kInvalidArgument lists the known ones.
base::Result<kernels::WeightType> ReadQuantizedType(std::string_view name);
// "PATTERN=TYPE", where the type may also be f32, f16 or bf16.
base::Result<KeepRule> ReadKeepRule(std::string_view text);

// One for each tensor, in their order. The views live as long as `tensors`. kInvalidArgument: a rule that matches no
// tensor, or asks for blocks of rows that are no whole number of them.
base::Result<std::vector<PlannedTensor>> PlanQuantization(std::span<const Tensor> tensors,
                                                          const QuantizePlanOptions& options);

// Whether the type has blocks, that is, fewer bits than a float.
bool IsQuantized(kernels::WeightType type);
double BitsOf(kernels::WeightType type);  // A weight.

}  // namespace loquat::model
