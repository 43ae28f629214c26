#include "model/arch/row_decoder.h"

#include <algorithm>

#include "kernels/interleave.h"

namespace loquat::model {
namespace {

constexpr std::size_t kColumns = 1024;  // Of a row that are gathered at a time; whole blocks of every type.

// The most bytes that so many columns take, of any type.
constexpr std::size_t GatheredBytesMax() {
  std::size_t most = 0;
  for (const kernels::WeightLayout& layout : kernels::kWeightLayouts) {
    most = std::max<std::size_t>(most, kColumns / layout.block_weights * layout.block_bytes);
  }
  return most;
}

}  // namespace

void DecodeRow(const kernels::TransformerKernels& kernels, const kernels::Matrix& matrix, std::size_t row, float* out) {
  if (matrix.order == kernels::RowOrder::kRows) return kernels.decode_row(matrix, row, out);
  std::byte gathered[GatheredBytesMax()];
  for (std::size_t begin = 0; begin < matrix.cols; begin += kColumns) {
    const std::size_t count = std::min(kColumns, matrix.cols - begin);
    kernels::CopyInterleavedColumns(matrix, row, begin, count, gathered);
    const kernels::Matrix part{.data = gathered, .rows = 1, .cols = count, .type = matrix.type};
    kernels.decode_row(part, 0, out + begin);
  }
}

}  // namespace loquat::model
