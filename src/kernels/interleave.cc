#include "kernels/interleave.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "base/check.h"

namespace loquat::kernels {
namespace {

constexpr std::size_t kHalf = 2;  // Bytes of one number in binary16.
constexpr std::size_t kWord = 4;  // Bytes of one row that lie together; of plain floats one in f32, two in bf16.

bool IsPlain(WeightType type) {
  return LayoutOf(type).block_weights == 1;
}

// Columns of a row that lie together.
std::size_t PlainColumns(WeightType type) {
  return type == WeightType::kBF16 ? kWord / sizeof(std::uint16_t) : 1;
}

// Blocks in a panel: words of sixteen rows after each other, as they come in the file; before them the half numbers
// that some types have besides, of as many blocks as make the whole a number of lines, or nearly.
struct BlockPanel {
  WeightType type;
  std::size_t half_at = 0;   // Where in the block it is, and
  std::size_t halves = 0;    // whether it is there: 0 or 1.
  std::size_t together = 1;  // Blocks.

  std::size_t block_bytes() const { return LayoutOf(type).block_bytes; }
  std::size_t words() const { return (block_bytes() - halves * kHalf) / kWord; }
  std::size_t head_bytes() const {
    const std::size_t bytes = halves * together * kInterleavedRows * kHalf;
    return (bytes + kInterleavedAlignment - 1) / kInterleavedAlignment * kInterleavedAlignment;
  }
  std::size_t words_bytes() const { return words() * kInterleavedRows * kWord; }  // Of one block.
  std::size_t group_bytes() const { return head_bytes() + together * words_bytes(); }
  std::size_t group_columns() const { return together * LayoutOf(type).block_weights; }
  std::size_t groups(std::size_t cols) const { return (cols + group_columns() - 1) / group_columns(); }
  // In the panel, of block `block`.
  std::size_t HalvesAt(std::size_t block) const {
    return block / together * group_bytes() + block % together * kInterleavedRows * kHalf;
  }
  std::size_t WordsAt(std::size_t block) const {
    return block / together * group_bytes() + head_bytes() + block % together * words_bytes();
  }
  // Where word i is in the file's block.
  std::size_t FromWord(std::size_t i) const { return i * kWord + (half_at <= i * kWord ? halves * kHalf : 0); }
};

BlockPanel PanelOf(WeightType type) {
  switch (type) {
    case WeightType::kQ8_0:
    case WeightType::kQ4_0:
    case WeightType::kQ5_0:
      return {.type = type, .half_at = 0, .halves = 1, .together = 2};
    case WeightType::kQ6_K:
      return {.type = type, .half_at = LayoutOf(type).block_bytes - kHalf, .halves = 1};
    default:
      return {.type = type};
  }
}

// q8_0 has signs, and the dot products take weights without.
constexpr std::uint32_t FlippedBits(WeightType type) {
  return type == WeightType::kQ8_0 ? 0x80808080U : 0U;
}

// One block of a row, to or from its place among sixteen.
void PutBlock(const BlockPanel& layout, const std::byte* block, std::byte* halves, std::byte* words) {
  std::memcpy(halves, block + layout.half_at, layout.halves * kHalf);
  const std::uint32_t flip = FlippedBits(layout.type);
  for (std::size_t i = 0; i < layout.words(); ++i) {
    std::uint32_t word;
    std::memcpy(&word, block + layout.FromWord(i), sizeof word);
    word ^= flip;
    std::memcpy(words + i * kInterleavedRows * kWord, &word, sizeof word);
  }
}
void TakeBlock(const BlockPanel& layout, const std::byte* halves, const std::byte* words, std::byte* block) {
  std::memcpy(block + layout.half_at, halves, layout.halves * kHalf);
  const std::uint32_t flip = FlippedBits(layout.type);
  for (std::size_t i = 0; i < layout.words(); ++i) {
    std::uint32_t word;
    std::memcpy(&word, words + i * kInterleavedRows * kWord, sizeof word);
    word ^= flip;
    std::memcpy(block + layout.FromWord(i), &word, sizeof word);
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
  const BlockPanel layout = PanelOf(from.type);
  for (std::size_t block = 0; block < from.cols / LayoutOf(from.type).block_weights; ++block) {
    std::byte* const halves = out + layout.HalvesAt(block);
    std::byte* const words = out + layout.WordsAt(block);
    for (std::size_t row = 0; row < rows; ++row) {
      PutBlock(layout, from.row(first + row) + block * layout.block_bytes(), halves + row * kHalf, words + row * kWord);
    }
  }
}

}  // namespace

std::size_t PanelBytes(WeightType type, std::size_t cols) {
  if (IsPlain(type)) {
    const std::size_t together = PlainColumns(type);
    const std::size_t bytes =
        (cols + together - 1) / together * together * LayoutOf(type).block_bytes * kInterleavedRows;
    return (bytes + kInterleavedAlignment - 1) / kInterleavedAlignment * kInterleavedAlignment;
  }
  const BlockPanel layout = PanelOf(type);
  return layout.groups(cols) * layout.group_bytes();
}

std::size_t InterleavedBytes(const Matrix& weights) {
  return (weights.rows + kInterleavedRows - 1) / kInterleavedRows * PanelBytes(weights.type, weights.cols);
}

void InterleavePanels(const Matrix& from, std::size_t begin, std::size_t end, std::byte* to) {
  LOQUAT_CHECK(from.order == RowOrder::kRows, "a matrix that is in rows");
  const std::size_t panel_bytes = PanelBytes(from.type, from.cols);
  for (std::size_t panel = begin; panel < end; ++panel) {
    std::byte* const out = to + panel * panel_bytes;
    const std::size_t first = panel * kInterleavedRows;
    const std::size_t rows = std::min(kInterleavedRows, from.rows - first);
    const bool full = rows == kInterleavedRows && panel_bytes == kInterleavedRows * from.row_bytes();
    if (!full) std::memset(out, 0, panel_bytes);
    if (IsPlain(from.type)) {
      PutPlain(from, first, rows, out);
    } else {
      PutBlockPanel(from, first, rows, out);
    }
  }
}

void CopyInterleavedColumns(const Matrix& from, std::size_t row, std::size_t begin, std::size_t count, std::byte* to) {
  LOQUAT_CHECK(from.order == RowOrder::kInterleaved, "a matrix that is interleaved");
  const std::byte* const panel = from.data + row / kInterleavedRows * PanelBytes(from.type, from.cols);
  const std::size_t in_panel = row % kInterleavedRows;
  if (IsPlain(from.type)) return CopyPlainColumns(from.type, panel, in_panel, begin, count, to);
  const BlockPanel layout = PanelOf(from.type);
  const std::size_t block_weights = LayoutOf(from.type).block_weights;
  for (std::size_t block = begin / block_weights; block < (begin + count) / block_weights; ++block) {
    TakeBlock(layout, panel + layout.HalvesAt(block) + in_panel * kHalf,
              panel + layout.WordsAt(block) + in_panel * kWord, to);
    to += layout.block_bytes();
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
