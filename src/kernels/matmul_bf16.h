// Weights in bfloat16 times activations rounded to it, by dot products of pairs (AVX512-BF16: products and sums in
// floats, two columns a lane). A tile of rows and tokens keeps its sums in registers, with the lanes along the columns.
// Included as simd.h says, by the tier with AVX512-BF16; pure functions on the caller's memory.

#pragma once

#include <immintrin.h>

#include "kernels/simd.h"
#include "kernels/transformer_kernels.h"

namespace loquat::kernels {
namespace {

inline constexpr std::size_t kColumnsBF16 = 1024;  // Of a block, which many tokens meet from the first-level cache.
inline constexpr std::size_t kRowsBF16 = 16;
// A copy of the weights for many tokens: its rows, unlike those of a file, never share the cache's sets.
inline constexpr std::size_t kCopyStrideBF16 = kColumnsBF16 + 32;
inline constexpr std::size_t kCopyFromTokensBF16 = 8;
inline constexpr std::size_t kTileBF16 = 4;  // Rows, and tokens: sixteen sums and the operands fit the registers.
inline constexpr std::size_t kPairs = 32;    // Numbers of a vector.

inline void RoundToBF16(const float* x, std::size_t cols, std::byte* out) {
  ForVectors(
      cols, [&](std::size_t i, std::size_t count) __attribute__((always_inline)) {
        const U16x16 rounded = ToBF16(Load(x + i, count));
        __builtin_memcpy(out + 2 * i, &rounded, 2 * count);
      });
}

struct RowsBF16 {
  const std::byte* data;
  std::size_t stride;  // Bytes.
};

// The first block of columns sets the outputs, the others add to them.
template <std::size_t kRows, std::size_t kTokens>
LOQUAT_SIMD void TileBF16(RowsBF16 weights, RowsBF16 x, std::size_t columns, float* out, std::size_t out_stride,
                          bool first) {
  __m512 sums[kRows][kTokens] = {};
  const auto step = [&](std::size_t k, __mmask32 kept) __attribute__((always_inline)) {
    const auto load = [&](const RowsBF16& rows, std::size_t i) __attribute__((always_inline)) {
      return BitsAs<__m512bh>(_mm512_maskz_loadu_epi16(kept, rows.data + i * rows.stride + 2 * k));
    };
    __m512bh w[kRows];
#pragma clang loop unroll(full)
    for (std::size_t r = 0; r < kRows; ++r) w[r] = load(weights, r);
#pragma clang loop unroll(full)
    for (std::size_t t = 0; t < kTokens; ++t) {
      const __m512bh activation = load(x, t);
#pragma clang loop unroll(full)
      for (std::size_t r = 0; r < kRows; ++r) sums[r][t] = _mm512_dpbf16_ps(sums[r][t], w[r], activation);
    }
  };
  const std::size_t whole = columns / kPairs * kPairs;
  for (std::size_t k = 0; k < whole; k += kPairs) step(k, ~__mmask32{0});
  if (whole < columns) step(whole, (__mmask32{1} << (columns - whole)) - 1);
#pragma clang loop unroll(full)
  for (std::size_t r = 0; r < kRows; ++r) {
#pragma clang loop unroll(full)
    for (std::size_t t = 0; t < kTokens; ++t) {
      float& target = out[t * out_stride + r];
      const float sum = Sum(BitsAs<F32x16>(sums[r][t]));
      target = first ? sum : target + sum;
    }
  }
}

template <std::size_t kTokens>
inline void TileRowsBF16(RowsBF16 weights, std::size_t rows, RowsBF16 x, std::size_t columns, float* out,
                         std::size_t out_stride, bool first) {
  constexpr std::size_t kStep = kTokens == 1 ? 2 * kTileBF16 : kTileBF16;  // One token leaves registers for more rows.
  std::size_t r = 0;
  const auto from = [&] { return RowsBF16{weights.data + r * weights.stride, weights.stride}; };
  for (; r + kStep <= rows; r += kStep) {
    TileBF16<kStep, kTokens>(from(), x, columns, out + r, out_stride, first);
  }
  for (; r < rows; ++r) TileBF16<1, kTokens>(from(), x, columns, out + r, out_stride, first);
}

inline void MatmulBF16(const Matrix& weights, std::size_t row_begin, std::size_t row_end, const MatmulIo& io) {
  alignas(64) std::byte copy[2 * kRowsBF16 * kCopyStrideBF16];
  const std::size_t row_bytes = RowBytes(weights);
  for (std::size_t row = row_begin; row < row_end; row += kRowsBF16) {
    const std::size_t rows = row_end - row < kRowsBF16 ? row_end - row : kRowsBF16;
    for (std::size_t column = 0; column < weights.cols; column += kColumnsBF16) {
      const std::size_t columns = weights.cols - column < kColumnsBF16 ? weights.cols - column : kColumnsBF16;
      RowsBF16 block{weights.data + row * row_bytes + 2 * column, row_bytes};
      if (io.tokens >= kCopyFromTokensBF16) {
        for (std::size_t r = 0; r < rows; ++r) {
          __builtin_memcpy(copy + 2 * r * kCopyStrideBF16, block.data + r * block.stride, 2 * columns);
        }
        block = {copy, 2 * kCopyStrideBF16};
      }
      const auto x = [&](std::size_t t) {
        return RowsBF16{io.rounded + t * io.rounded_stride + 2 * column, io.rounded_stride};
      };
      std::size_t t = 0;
      float* const out = io.out + row;
      for (; t + kTileBF16 <= io.tokens; t += kTileBF16) {
        TileRowsBF16<kTileBF16>(block, rows, x(t), columns, out + t * io.out_stride, io.out_stride, column == 0);
      }
      for (; t < io.tokens; ++t) {
        TileRowsBF16<1>(block, rows, x(t), columns, out + t * io.out_stride, io.out_stride, column == 0);
      }
    }
  }
}

}  // namespace
}  // namespace loquat::kernels
