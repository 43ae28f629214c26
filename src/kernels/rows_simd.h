// The row kernels in vectors; included as simd.h says. Products are rounded before they are added, here as in
// rows_scalar.cc: nothing is fused.

#pragma once

#include "kernels/rows.h"
#include "kernels/simd.h"

namespace loquat::kernels {
namespace {

static_assert(kLanes == kVector);

// Columns whose sums stay in registers: eight of sixteen, or twelve of thirty-two.
#if defined(__AVX512F__)
inline constexpr std::size_t kTileVectors = 12;
#else
inline constexpr std::size_t kTileVectors = 4;
#endif
inline constexpr std::size_t kPrefetchRows = 6;  // Rows ahead.

inline void Axpy(float a, const float* x, float* y, std::size_t n) {
  for (std::size_t i = 0; i < n; i += kVector) Store(y + i, Load(y + i) + Load(x + i) * a);
}

inline float Dot(const float* x, const float* y, std::size_t n) {
  F32x16 sums = {};
  for (std::size_t i = 0; i < n; i += kVector) sums += Load(x + i) * Load(y + i);
  return Sum(sums);
}

template <std::size_t kVectors>
LOQUAT_SIMD void AccumulateTile(const std::int8_t* rows, const std::uint32_t* ids, const float* coefficients,
                                std::size_t count, float* y, std::size_t n) {
  F32x16 sums[kVectors];
#pragma clang loop unroll(full)
  for (std::size_t k = 0; k < kVectors; ++k) sums[k] = Load(y + k * kVector);
  for (std::size_t r = 0; r < count; ++r) {
    if (r + kPrefetchRows < count) __builtin_prefetch(rows + ids[r + kPrefetchRows] * n);
    const std::int8_t* row = rows + ids[r] * n;
    const F32x16 factor = Broadcast(coefficients[r]);
#pragma clang loop unroll(full)
    for (std::size_t k = 0; k < kVectors; ++k) {
      sums[k] += factor * FromInt8(row + k * kVector);
    }
  }
#pragma clang loop unroll(full)
  for (std::size_t k = 0; k < kVectors; ++k) Store(y + k * kVector, sums[k]);
}

inline void AccumulateInt8(const std::int8_t* rows, const std::uint32_t* ids, const float* coefficients,
                           std::size_t count, float* y, std::size_t n) {
  constexpr std::size_t kTile = kTileVectors * kVector;
  std::size_t i = 0;
  for (; i + kTile <= n; i += kTile) AccumulateTile<kTileVectors>(rows + i, ids, coefficients, count, y + i, n);
  for (; i < n; i += kVector) AccumulateTile<1>(rows + i, ids, coefficients, count, y + i, n);
}

inline void AdaGrad(float a, const float* gradient, float* weights, float* squares, std::size_t n,
                    const AdaGradStep& step) {
  for (std::size_t i = 0; i < n; i += kVector) {
    const F32x16 g = Load(gradient + i) * a;
    const F32x16 square = Load(squares + i) + g * g;
    Store(squares + i, square);
    Store(weights + i, Load(weights + i) - g * step.rate / __builtin_elementwise_sqrt(square + step.epsilon));
  }
}

inline constexpr RowKernels kTierRows = {
    .axpy = Axpy, .dot = Dot, .accumulate_int8 = AccumulateInt8, .adagrad = AdaGrad};

}  // namespace
}  // namespace loquat::kernels
