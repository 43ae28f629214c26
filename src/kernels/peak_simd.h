// The peak kernels of the tier that this is compiled for; included as simd.h says.

#pragma once

#include "kernels/peak_kernels.h"
#include "kernels/simd.h"

namespace loquat::kernels {
namespace {

// Sums that are kept side by side: enough for a latency of four at two a cycle, few enough for the registers.
#if defined(__AVX512F__)
inline constexpr std::size_t kPeakSums = 16;
#elif defined(__AVX2__)
inline constexpr std::size_t kPeakSums = 6;  // Of two registers.
#else
inline constexpr std::size_t kPeakSums = 3;  // Of four.
#endif

inline float PeakF32(std::size_t steps, float seed) {
  F32x16 sums[kPeakSums];
#pragma clang loop unroll(full)
  for (std::size_t i = 0; i < kPeakSums; ++i) sums[i] = Broadcast(seed + static_cast<float>(i));
  const F32x16 factor = Broadcast(seed);
  for (std::size_t step = 0; step < steps; ++step) {
#pragma clang loop unroll(full)
    for (std::size_t i = 0; i < kPeakSums; ++i) sums[i] = MultiplyAdd(sums[i], factor, factor);
  }
  F32x16 all = sums[0];
#pragma clang loop unroll(full)
  for (std::size_t i = 1; i < kPeakSums; ++i) all += sums[i];
  return Sum(all);
}

#if defined(__AVX512VNNI__) && defined(__AVX512BF16__)
inline float PeakBF16(std::size_t steps, float seed) {
  __m512 sums[kPeakSums];
#pragma clang loop unroll(full)
  for (std::size_t i = 0; i < kPeakSums; ++i) sums[i] = _mm512_set1_ps(seed + static_cast<float>(i));
  const __m512bh pairs = _mm512_cvtne2ps_pbh(_mm512_set1_ps(seed), _mm512_set1_ps(seed));
  for (std::size_t step = 0; step < steps; ++step) {
#pragma clang loop unroll(full)
    for (std::size_t i = 0; i < kPeakSums; ++i) sums[i] = _mm512_dpbf16_ps(sums[i], pairs, pairs);
  }
  __m512 all = sums[0];
#pragma clang loop unroll(full)
  for (std::size_t i = 1; i < kPeakSums; ++i) all = _mm512_add_ps(all, sums[i]);
  return Sum(BitsAs<F32x16>(all));
}

inline float PeakInt8(std::size_t steps, float seed) {
  __m512i sums[kPeakSums];
#pragma clang loop unroll(full)
  for (std::size_t i = 0; i < kPeakSums; ++i) sums[i] = _mm512_set1_epi32(static_cast<int>(i));
  const __m512i bytes = _mm512_set1_epi8(static_cast<char>(2.0F * seed));
  for (std::size_t step = 0; step < steps; ++step) {
#pragma clang loop unroll(full)
    for (std::size_t i = 0; i < kPeakSums; ++i) sums[i] = _mm512_dpbusd_epi32(sums[i], bytes, bytes);
  }
  __m512i all = sums[0];
#pragma clang loop unroll(full)
  for (std::size_t i = 1; i < kPeakSums; ++i) all = _mm512_add_epi32(all, sums[i]);
  return Sum(__builtin_convertvector(BitsAs<I32x16>(all), F32x16));
}
#endif

inline std::uint32_t PeakRead(const std::byte* from, std::size_t bytes) {
  constexpr std::size_t kSums = kPeakReadBytes / sizeof(U32x16);
  U32x16 sums[kSums] = {};
  for (std::size_t at = 0; at < bytes; at += kPeakReadBytes) {
#pragma clang loop unroll(full)
    for (std::size_t i = 0; i < kSums; ++i) sums[i] += LoadAs<U32x16>(from + at + i * sizeof(U32x16));
  }
  U32x16 all = sums[0];
#pragma clang loop unroll(full)
  for (std::size_t i = 1; i < kSums; ++i) all += sums[i];
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < kVector; ++i) sum += all[i];
  return sum;
}

inline constexpr PeakKernels kTierPeaks = {
    .f32 = {.operations_per_step = 2.0 * kVector * kPeakSums, .run = PeakF32},
#if defined(__AVX512VNNI__) && defined(__AVX512BF16__)
    .bf16 = {.operations_per_step = 2.0 * 2 * kVector * kPeakSums, .run = PeakBF16},
    .int8 = {.operations_per_step = 2.0 * 4 * kVector * kPeakSums, .run = PeakInt8},
#else
    .bf16 = {},
    .int8 = {},
#endif
    .read = PeakRead,
};

}  // namespace
}  // namespace loquat::kernels
