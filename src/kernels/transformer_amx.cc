#include "kernels/attention_tiles.h"
#include "kernels/matmul_tiles.h"
#include "kernels/transformer_kernels.h"

namespace loquat::kernels {

void MatmulAmx(const Matrix& weights, std::size_t row_begin, std::size_t row_end, const MatmulIo& io) {
  constexpr std::size_t kInt8FromTokens = 8;  // Fewer are met faster by vectors, with the same bits.
  if (weights.order == RowOrder::kInterleaved && weights.type == WeightType::kBF16) {
    return MatmulByTiles<BF16Tiles>(weights, row_begin, row_end, io);
  }
  if (weights.order == RowOrder::kInt8Panels && io.tokens >= kInt8FromTokens) {
    return MatmulByTiles<Int8Tiles>(weights, row_begin, row_end, io);
  }
  kTransformerKernelsAvx512Vnni.matmul(weights, row_begin, row_end, io);
}

void AttendRowsAmx(const AttentionQueries& queries, const RowKeys& keys) {
  AttendRowsByTiles(queries, keys);
}

}  // namespace loquat::kernels
