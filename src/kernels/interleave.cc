#include "kernels/interleave.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "base/check.h"

namespace loquat::kernels {
namespace {

constexpr std::size_t kBlock = 32;    // Columns under one scale.
constexpr std::size_t kScale = 2;     // Bytes of it.
constexpr std::size_t kTogether = 4;  // Columns of one row that lie together.
constexpr std::size_t kPairColumns = 2 * kBlock;

// Of the numbers of one block of sixteen rows.
constexpr std::size_t QuantBytes(WeightType type) {
  return kInterleavedRows * (LayoutOf(type).block_bytes - kScale);
}

constexpr std::size_t PairBytes(WeightType type) {
  return 2 * (kInterleavedRows * kScale + QuantBytes(type));
}

// One row's block of 32: `scales` and `quants` are those of its panel's block.
void PutBlock(WeightType type, const std::byte* block, std::size_t row, std::byte* scales, std::byte* quants) {
  std::memcpy(scales + row * kScale, block, kScale);
  const std::byte* const numbers = block + kScale;
  const std::size_t count = LayoutOf(type).block_bytes - kScale;
  // q8_0 has signs, and the dot products take weights without.
  const auto flip = type == WeightType::kQ8_0 ? std::byte{0x80} : std::byte{0};
  for (std::size_t i = 0; i < count; ++i) {
    quants[(i / kTogether * kInterleavedRows + row) * kTogether + i % kTogether] = numbers[i] ^ flip;
  }
}

}  // namespace

bool Interleaves(WeightType type) {
  return type == WeightType::kQ8_0 || type == WeightType::kQ4_0;
}

std::size_t PanelBytes(WeightType type, std::size_t cols) {
  return (cols + kPairColumns - 1) / kPairColumns * PairBytes(type);
}

std::size_t InterleavedBytes(const Matrix& weights) {
  return (weights.rows + kInterleavedRows - 1) / kInterleavedRows * PanelBytes(weights.type, weights.cols);
}

void InterleavePanels(const Matrix& from, std::size_t begin, std::size_t end, std::byte* to) {
  LOQUAT_CHECK(Interleaves(from.type) && from.order == RowOrder::kRows, "a matrix that cannot be interleaved");
  const std::size_t panel_bytes = PanelBytes(from.type, from.cols);
  for (std::size_t panel = begin; panel < end; ++panel) {
    std::byte* const out = to + panel * panel_bytes;
    std::memset(out, 0, panel_bytes);
    const std::size_t first = panel * kInterleavedRows;
    const std::size_t rows = std::min(kInterleavedRows, from.rows - first);
    for (std::size_t row = 0; row < rows; ++row) {
      const std::byte* const blocks = from.row(first + row);
      for (std::size_t block = 0; block < from.cols / kBlock; ++block) {
        std::byte* const pair = out + block / 2 * PairBytes(from.type);
        std::byte* const scales = pair + block % 2 * kInterleavedRows * kScale;
        std::byte* const quants = pair + 2 * kInterleavedRows * kScale + block % 2 * QuantBytes(from.type);
        PutBlock(from.type, blocks + block * LayoutOf(from.type).block_bytes, row, scales, quants);
      }
    }
  }
}

Matrix InterleavedMatrix(const Matrix& from, const std::byte* data) {
  Matrix matrix = from;
  matrix.data = data;
  matrix.order = RowOrder::kInterleaved;
  return matrix;
}

}  // namespace loquat::kernels
