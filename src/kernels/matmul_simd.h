// Weights times activations; included as simd.h says. Columns are taken in blocks that stay in the first-level cache;
// stored types are decoded once for a few rows and then used for every token. A tile of rows and tokens keeps its sums
// in registers, with the lanes along the columns.

#pragma once

#include "kernels/decode_simd.h"
#include "kernels/simd.h"
#include "kernels/transformer_kernels.h"
#include "kernels/weight_type.h"

namespace loquat::kernels {
namespace {

inline constexpr std::size_t kColumnBlock = 1024;  // A multiple of every type's block.
inline constexpr std::size_t kRowBlock = 16;       // Rows decoded at once for several tokens;
inline constexpr std::size_t kRowBlockOne = 8;     // for one.
inline constexpr std::size_t kCopyFromTokens = 16;

// Sums of a tile and the operands of a step fit the registers: 32 of 16 lanes, 16 of 8, 16 of 4.
#if defined(__AVX512F__)
inline constexpr std::size_t kTileRows = 4, kTileTokens = 4;
#elif defined(__AVX2__)
inline constexpr std::size_t kTileRows = 2, kTileTokens = 3;
#else
inline constexpr std::size_t kTileRows = 1, kTileTokens = 2;
#endif

struct Rows {
  const float* data;
  std::size_t stride;  // Floats from one row to the next.
};

// A block of columns of `kRows` rows and `kTokens` tokens. The first block sets the outputs, the others add to them.
template <std::size_t kRows, std::size_t kTokens>
LOQUAT_SIMD void Tile(Rows weights, Rows x, std::size_t columns, float* out, std::size_t out_stride, bool first) {
  F32x16 sums[kRows][kTokens] = {};
  ForVectors(
      columns, [&](std::size_t k, std::size_t count) __attribute__((always_inline)) {
        F32x16 w[kRows];
#pragma clang loop unroll(full)
        for (std::size_t r = 0; r < kRows; ++r) w[r] = Load(weights.data + r * weights.stride + k, count);
#pragma clang loop unroll(full)
        for (std::size_t t = 0; t < kTokens; ++t) {
          const F32x16 activation = Load(x.data + t * x.stride + k, count);
#pragma clang loop unroll(full)
          for (std::size_t r = 0; r < kRows; ++r) sums[r][t] = MultiplyAdd(w[r], activation, sums[r][t]);
        }
      });
#pragma clang loop unroll(full)
  for (std::size_t r = 0; r < kRows; ++r) {
#pragma clang loop unroll(full)
    for (std::size_t t = 0; t < kTokens; ++t) {
      float& target = out[t * out_stride + r];
      const float sum = Sum(sums[r][t]);
      target = first ? sum : target + sum;
    }
  }
}

template <std::size_t kTokens>
inline void TileRows(Rows weights, std::size_t rows, Rows x, std::size_t columns, float* out, std::size_t out_stride,
                     bool first) {
  constexpr std::size_t kStep = kTokens == 1 ? 2 * kTileRows : kTileRows;  // One token leaves registers for more rows.
  std::size_t r = 0;
  for (; r + kStep <= rows; r += kStep) {
    Tile<kStep, kTokens>({weights.data + r * weights.stride, weights.stride}, x, columns, out + r, out_stride, first);
  }
  for (; r < rows; ++r) {
    Tile<1, kTokens>({weights.data + r * weights.stride, weights.stride}, x, columns, out + r, out_stride, first);
  }
}

// All tokens for one block of columns of a few rows.
inline void TileTokens(Rows weights, std::size_t rows, const MatmulIo& io, std::size_t column, std::size_t columns,
                       float* out, bool first) {
  std::size_t t = 0;
  const auto x = [&](std::size_t token) { return Rows{io.x + token * io.x_stride + column, io.x_stride}; };
  for (; t + kTileTokens <= io.tokens; t += kTileTokens) {
    TileRows<kTileTokens>(weights, rows, x(t), columns, out + t * io.out_stride, io.out_stride, first);
  }
  for (; t < io.tokens; ++t) {
    TileRows<1>(weights, rows, x(t), columns, out + t * io.out_stride, io.out_stride, first);
  }
}

inline void Matmul(const Matrix& weights, std::size_t row_begin, std::size_t row_end, const MatmulIo& io) {
  alignas(64) float decoded[kRowBlock * kColumnBlock];
  const std::size_t row_bytes = RowBytes(weights);
  const std::size_t step = io.tokens == 1 ? kRowBlockOne : kRowBlock;
  // Floats in place where the file left them aligned; for many tokens a copy, whose rows do not share cache sets.
  const bool in_place = weights.type == WeightType::kF32 && io.tokens < kCopyFromTokens &&
                        reinterpret_cast<std::uintptr_t>(weights.data) % 4 == 0;
  for (std::size_t row = row_begin; row < row_end; row += step) {
    const std::size_t rows = row_end - row < step ? row_end - row : step;
    const std::byte* data = weights.data + row * row_bytes;
    for (std::size_t column = 0; column < weights.cols; column += kColumnBlock) {
      const std::size_t columns = weights.cols - column < kColumnBlock ? weights.cols - column : kColumnBlock;
      Rows block{decoded, kColumnBlock};
      if (in_place) {
        block = {reinterpret_cast<const float*>(data) + column, weights.cols};
      } else {
        for (std::size_t r = 0; r < rows; ++r) {
          DecodeColumns(weights.type, data + r * row_bytes, column, columns, decoded + r * kColumnBlock);
        }
      }
      TileTokens(block, rows, io, column, columns, io.out + row, column == 0);
    }
  }
}

inline void DecodeRow(const Matrix& weights, std::size_t row, float* out) {
  DecodeColumns(weights.type, weights.data + row * RowBytes(weights), 0, weights.cols, out);
}

}  // namespace
}  // namespace loquat::kernels
