// How the numbers of a weight matrix are stored: plain floats, and GGML's block types (one scale for 32 weights, or a
// tree of scales for 256). Layouts: ggml's documentation of block_q4_0 … block_q6_K; drawn in docs/weight_types.md.
// A row is a whole number of blocks; blocks follow each other without padding. Constants; any thread.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace loquat::kernels {

enum class WeightType : std::uint8_t { kF32, kF16, kBF16, kQ8_0, kQ4_0, kQ4_1, kQ5_0, kQ5_1, kQ4_K, kQ5_K, kQ6_K };
inline constexpr std::size_t kWeightTypes = 11;

struct WeightLayout {
  std::string_view name;        // As users write it: "q4_0".
  std::uint32_t block_weights;  // Weights in one block.
  std::uint32_t block_bytes;    // Bytes of one block.
};

inline constexpr std::array<WeightLayout, kWeightTypes> kWeightLayouts = {{
    {"f32", 1, 4},
    {"f16", 1, 2},
    {"bf16", 1, 2},
    {"q8_0", 32, 34},
    {"q4_0", 32, 18},
    {"q4_1", 32, 20},
    {"q5_0", 32, 22},
    {"q5_1", 32, 24},
    {"q4_k", 256, 144},
    {"q5_k", 256, 176},
    {"q6_k", 256, 210},
}};

constexpr const WeightLayout& LayoutOf(WeightType type) {
  return kWeightLayouts[static_cast<std::size_t>(type)];
}

enum class RowOrder : std::uint8_t {
  kRows,         // One after the other, as in files.
  kInterleaved,  // In panels of sixteen: kernels/interleave.h.
  kInt8Panels,   // In panels of sixteen, rounded to 8 bits whatever the type says: kernels/int8_panels.h.
};

// Output i is the dot product of row i and the input. Does not own; the bytes need no alignment beyond that of the
// type's floats (2 bytes for halves and blocks, 4 for kF32), and read fastest where interleaved ones have 64.
struct Matrix {
  const std::byte* data = nullptr;  // [rows, cols] in blocks.
  std::size_t rows = 0;             // Outputs.
  std::size_t cols = 0;             // Inputs; a multiple of LayoutOf(type).block_weights.
  WeightType type = WeightType::kF32;
  RowOrder order = RowOrder::kRows;

  constexpr std::size_t row_bytes() const { return cols / LayoutOf(type).block_weights * LayoutOf(type).block_bytes; }
  // REQUIRES: kRows.
  constexpr const std::byte* row(std::size_t i) const { return data + i * row_bytes(); }
};

}  // namespace loquat::kernels
