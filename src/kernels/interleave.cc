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
constexpr std::size_t kWord =
    4;  // Bytes of one row that lie together, of plain floats: one in f32, two columns in bf16.

bool IsPlain(WeightType type) {
  return LayoutOf(type).block_weights == 1;
}

// Columns of a row that lie together.
std::size_t PlainColumns(WeightType type) {
  return type == WeightType::kBF16 ? kWord / sizeof(std::uint16_t) : 1;
}

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

// A panel of plain floats of the first `rows` rows at `from`: kBytes of each row in turn.
template <std::size_t kBytes>
void PutPlain(const std::byte* from, std::size_t row_bytes, std::size_t rows, std::byte* out) {
  for (std::size_t at = 0; at < row_bytes; at += kBytes, out += kInterleavedRows * kBytes) {
    const std::size_t bytes = std::min(kBytes, row_bytes - at);  // Less at the end of an odd row of bf16.
    for (std::size_t row = 0; row < rows; ++row) {
      const std::byte* const number = from + row * row_bytes + at;
      if (bytes == kBytes) {
        std::memcpy(out + row * kBytes, number, kBytes);
      } else {
        std::memcpy(out + row * kBytes, number, bytes);
      }
    }
  }
}

void PutPlain(const Matrix& from, std::size_t first, std::size_t rows, std::byte* out) {
  if (from.type == WeightType::kF16) {
    PutPlain<sizeof(std::uint16_t)>(from.row(first), from.row_bytes(), rows, out);
  } else {
    PutPlain<kWord>(from.row(first), from.row_bytes(), rows, out);
  }
}

// Columns [begin, begin + count) of a row of a panel. REQUIRES: begin is where columns begin that lie together.
void CopyPlainColumns(WeightType type, const std::byte* panel, std::size_t row, std::size_t begin, std::size_t count,
                      std::byte* to) {
  const std::size_t number = LayoutOf(type).block_bytes;
  const std::size_t together = PlainColumns(type);
  for (std::size_t c = begin; c < begin + count; c += together) {
    const std::size_t bytes = std::min(together, begin + count - c) * number;
    std::memcpy(to, panel + (c / together * kInterleavedRows + row) * together * number, bytes);
    to += bytes;
  }
}

void PutBlockPanel(const Matrix& from, std::size_t first, std::size_t rows, std::byte* out) {
  for (std::size_t block = 0; block < from.cols / kBlock; ++block) {
    std::byte* const pair = out + block / 2 * PairBytes(from.type);
    std::byte* const scales = pair + block % 2 * kInterleavedRows * kScale;
    std::byte* const quants = pair + 2 * kInterleavedRows * kScale + block % 2 * QuantBytes(from.type);
    PutBlocks(from.type, from.row(first) + block * LayoutOf(from.type).block_bytes, from.row_bytes(), rows, scales,
              quants);
  }
}

// Columns that a panel has room for.
std::size_t PanelColumns(const Matrix& from) {
  if (!IsPlain(from.type)) return (from.cols + kInterleavedColumns - 1) / kInterleavedColumns * kInterleavedColumns;
  return PanelBytes(from.type, from.cols) / kInterleavedRows / LayoutOf(from.type).block_bytes;
}

}  // namespace

bool Interleaves(WeightType type) {
  return IsPlain(type) || type == WeightType::kQ8_0 || type == WeightType::kQ4_0;
}

std::size_t PanelBytes(WeightType type, std::size_t cols) {
  if (IsPlain(type)) {
    const std::size_t together = PlainColumns(type);
    const std::size_t bytes =
        (cols + together - 1) / together * together * LayoutOf(type).block_bytes * kInterleavedRows;
    return (bytes + kInterleavedAlignment - 1) / kInterleavedAlignment * kInterleavedAlignment;
  }
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
    if (rows < kInterleavedRows || PanelColumns(from) != from.cols) std::memset(out, 0, panel_bytes);
    if (IsPlain(from.type)) {
      PutPlain(from, first, rows, out);
    } else {
      PutBlockPanel(from, first, rows, out);
    }
  }
}

void CopyInterleavedColumns(const Matrix& from, std::size_t row, std::size_t begin, std::size_t count, std::byte* to) {
  LOQUAT_CHECK(Interleaves(from.type) && from.order == RowOrder::kInterleaved, "a matrix that is not interleaved");
  const std::byte* const panel = from.data + row / kInterleavedRows * PanelBytes(from.type, from.cols);
  const std::size_t in_panel = row % kInterleavedRows;
  if (IsPlain(from.type)) return CopyPlainColumns(from.type, panel, in_panel, begin, count, to);
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
