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
static_assert(kInterleavedColumns == 2 * kBlock);

// Of the numbers of one block of sixteen rows.
constexpr std::size_t QuantBytes(WeightType type) {
  return kInterleavedRows * (LayoutOf(type).block_bytes - kScale);
}

constexpr std::size_t PairBytes(WeightType type) {
  return 2 * (kInterleavedRows * kScale + QuantBytes(type));
}

// q8_0 has signs, and the dot products take weights without.
constexpr std::uint32_t FlippedBits(WeightType type) {
  return type == WeightType::kQ8_0 ? 0x80808080U : 0U;
}

// The same block of sixteen rows, the first `rows` of which there are: what lies at `blocks`, and a row's bytes on.
void PutBlocks(WeightType type, const std::byte* blocks, std::size_t row_bytes, std::size_t rows, std::byte* scales,
               std::byte* quants) {
  for (std::size_t row = 0; row < rows; ++row) std::memcpy(scales + row * kScale, blocks + row * row_bytes, kScale);
  const std::uint32_t flip = FlippedBits(type);
  const std::size_t words = (LayoutOf(type).block_bytes - kScale) / kTogether;
  for (std::size_t i = 0; i < words; ++i) {
    std::byte* const out = quants + i * kInterleavedRows * kTogether;
    for (std::size_t row = 0; row < rows; ++row) {
      std::uint32_t word;
      std::memcpy(&word, blocks + row * row_bytes + kScale + i * kTogether, sizeof word);
      word ^= flip;
      std::memcpy(out + row * kTogether, &word, sizeof word);
    }
  }
}

}  // namespace

bool Interleaves(WeightType type) {
  return type == WeightType::kQ8_0 || type == WeightType::kQ4_0;
}

std::size_t PanelBytes(WeightType type, std::size_t cols) {
  return (cols + kInterleavedColumns - 1) / kInterleavedColumns * PairBytes(type);
}

std::size_t InterleavedBytes(const Matrix& weights) {
  return (weights.rows + kInterleavedRows - 1) / kInterleavedRows * PanelBytes(weights.type, weights.cols);
}

void InterleavePanels(const Matrix& from, std::size_t begin, std::size_t end, std::byte* to) {
  LOQUAT_CHECK(Interleaves(from.type) && from.order == RowOrder::kRows, "a matrix that cannot be interleaved");
  const std::size_t panel_bytes = PanelBytes(from.type, from.cols);
  for (std::size_t panel = begin; panel < end; ++panel) {
    std::byte* const out = to + panel * panel_bytes;
    const std::size_t first = panel * kInterleavedRows;
    const std::size_t rows = std::min(kInterleavedRows, from.rows - first);
    const std::size_t blocks = from.cols / kBlock;
    if (rows < kInterleavedRows || blocks % 2 != 0) std::memset(out, 0, panel_bytes);
    for (std::size_t block = 0; block < blocks; ++block) {
      std::byte* const pair = out + block / 2 * PairBytes(from.type);
      std::byte* const scales = pair + block % 2 * kInterleavedRows * kScale;
      std::byte* const quants = pair + 2 * kInterleavedRows * kScale + block % 2 * QuantBytes(from.type);
      PutBlocks(from.type, from.row(first) + block * LayoutOf(from.type).block_bytes, from.row_bytes(), rows, scales,
                quants);
    }
  }
}

void CopyInterleavedColumns(const Matrix& from, std::size_t row, std::size_t begin, std::size_t count, std::byte* to) {
  LOQUAT_CHECK(Interleaves(from.type) && from.order == RowOrder::kInterleaved, "a matrix that is not interleaved");
  const std::byte* const panel = from.data + row / kInterleavedRows * PanelBytes(from.type, from.cols);
  const std::size_t in_panel = row % kInterleavedRows;
  const std::uint32_t flip = FlippedBits(from.type);
  const std::size_t words = (LayoutOf(from.type).block_bytes - kScale) / kTogether;
  for (std::size_t block = begin / kBlock; block < (begin + count) / kBlock; ++block) {
    const std::byte* const pair = panel + block / 2 * PairBytes(from.type);
    std::memcpy(to, pair + (block % 2 * kInterleavedRows + in_panel) * kScale, kScale);
    to += kScale;
    const std::byte* const quants = pair + 2 * kInterleavedRows * kScale + block % 2 * QuantBytes(from.type);
    for (std::size_t i = 0; i < words; ++i, to += kTogether) {
      std::uint32_t word;
      std::memcpy(&word, quants + (i * kInterleavedRows + in_panel) * kTogether, sizeof word);
      word ^= flip;
      std::memcpy(to, &word, sizeof word);
    }
  }
}

void DeinterleavePanels(const Matrix& from, std::size_t begin, std::size_t end, std::byte* to) {
  const std::size_t last = std::min(from.rows, end * kInterleavedRows);
  for (std::size_t row = begin * kInterleavedRows; row < last; ++row) {
    CopyInterleavedColumns(from, row, 0, from.cols, to + row * from.row_bytes());
  }
}

Matrix InterleavedMatrix(const Matrix& from, const std::byte* data) {
  Matrix matrix = from;
  matrix.data = data;
  matrix.order = RowOrder::kInterleaved;
  return matrix;
}

}  // namespace loquat::kernels
