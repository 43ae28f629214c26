#include "kernels/int8_panels.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "base/check.h"
#include "kernels/interleave.h"

namespace loquat::kernels {
namespace {

constexpr std::size_t kTogether = 4;  // Columns of one row that lie together.
constexpr std::size_t kHead = kInterleavedRows * (sizeof(float) + sizeof(std::int32_t));
constexpr float kGreatest = 127;

// Row `index` of a panel.
void RoundRow(const std::vector<float>& row, std::size_t index, std::byte* panel) {
  float greatest = 0;
  bool sound = true;
  for (const float value : row) {
    sound = sound && std::isfinite(value);
    greatest = std::max(greatest, std::abs(value));
  }
  const bool vanishes = greatest < std::numeric_limits<float>::min();  // Its inverse would be no number.
  const float scale = !sound ? std::numeric_limits<float>::quiet_NaN() : (vanishes ? 0.0F : greatest / kGreatest);
  std::int32_t sum = 0;
  for (std::size_t c = 0; c < row.size() && sound && !vanishes; ++c) {
    const auto number = static_cast<std::int8_t>(std::lrint(row[c] * (kGreatest / greatest)));
    sum += number;
    std::memcpy(panel + kHead + c / kTogether * kInterleavedRows * kTogether + index * kTogether + c % kTogether,
                &number, sizeof number);
  }
  std::memcpy(panel + index * sizeof scale, &scale, sizeof scale);
  std::memcpy(panel + kInterleavedRows * sizeof scale + index * sizeof sum, &sum, sizeof sum);
}

}  // namespace

bool RoundsToInt8(const Matrix& matrix) {
  return LayoutOf(matrix.type).block_weights == 1 && matrix.order != RowOrder::kInt8Panels &&
         matrix.cols >= kInt8ColumnsMin && matrix.cols <= kInt8ColumnsMax;
}

std::size_t Int8PanelBytes(std::size_t cols) {
  return kHead + (cols + kTogether - 1) / kTogether * kTogether * kInterleavedRows;
}

std::size_t Int8Bytes(const Matrix& matrix) {
  return (matrix.rows + kInterleavedRows - 1) / kInterleavedRows * Int8PanelBytes(matrix.cols);
}

void RoundPanels(const TransformerKernels& kernels, const Matrix& from, std::size_t begin, std::size_t end,
                 std::byte* to) {
  LOQUAT_CHECK(RoundsToInt8(from), "a matrix that cannot be rounded");
  std::vector<float> row(from.cols);
  std::vector<std::byte> gathered(from.order == RowOrder::kInterleaved ? kInterleavedRows * from.row_bytes() : 0);
  for (std::size_t panel = begin; panel < end; ++panel) {
    std::byte* const out = to + panel * Int8PanelBytes(from.cols);
    std::memset(out, 0, Int8PanelBytes(from.cols));
    const std::size_t first = panel * kInterleavedRows;
    Matrix rows = from;  // Of this panel.
    rows.rows = std::min(kInterleavedRows, from.rows - first);
    if (from.order == RowOrder::kInterleaved) {
      rows.data = from.data + panel * PanelBytes(from.type, from.cols);
      DeinterleavePanels(rows, 0, 1, gathered.data());
      rows.data = gathered.data();
      rows.order = RowOrder::kRows;
    } else {
      rows.data = from.row(first);
    }
    for (std::size_t r = 0; r < rows.rows; ++r) {
      kernels.decode_row(rows, r, row.data());
      RoundRow(row, r, out);
    }
  }
}

Matrix Int8Matrix(const Matrix& from, const std::byte* data) {
  Matrix matrix = from;
  matrix.data = data;
  matrix.order = RowOrder::kInt8Panels;
  return matrix;
}

}  // namespace loquat::kernels
