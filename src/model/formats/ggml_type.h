// The tensor types that GGUF files may name: those Loquat computes with, and those it only knows by name and size, so
// that a file can be laid out and shown even if it cannot run. Numbers and sizes: ggml's enum ggml_type.
// Constants; any thread.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "kernels/weight_type.h"

namespace loquat::model {

struct GgmlType {
  std::uint32_t id;  // As files number it.
  std::string_view name;
  std::uint32_t block_weights;
  std::uint32_t block_bytes;
  std::optional<kernels::WeightType> type;  // Empty: known, not supported.
};

// Null: a number that no type has.
const GgmlType* FindGgmlType(std::uint32_t id);

const GgmlType& GgmlTypeOf(kernels::WeightType type);

// "f32, f16, …": those that Loquat computes with.
std::string SupportedWeightTypes();

}  // namespace loquat::model
