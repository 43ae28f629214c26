// Activations rounded to 8 bits, for weights that are multiplied as integers: under one scale for each 32
// (ActivationBlock), or under one scale and one zero point a token (TokenScale). To the nearest, ties to even; every
// tier gives the same bits. Included as simd.h says, by the tiers that multiply integers; pure functions on the
// caller's memory.

#pragma once

#include <immintrin.h>

#include "kernels/simd.h"
#include "kernels/transformer_kernels.h"

namespace loquat::kernels {
namespace {

// What is no number or none of 32 bits is the least.
LOQUAT_SIMD I32x16 ToNearest(F32x16 v) {
#if defined(__AVX512F__)
  return BitsAs<I32x16>(_mm512_cvtps_epi32(BitsAs<__m512>(v)));
#else
  I32x16 out;
  for (std::size_t half = 0; half < 2; ++half) {
    const auto part = LoadAs<__m256>(reinterpret_cast<const char*>(&v) + half * sizeof(__m256));
    const __m256i rounded = _mm256_cvtps_epi32(part);
    __builtin_memcpy(reinterpret_cast<char*>(&out) + half * sizeof rounded, &rounded, sizeof rounded);
  }
  return out;
#endif
}

// As bits: a NaN's are greater than those of any number.
LOQUAT_SIMD U32x16 Magnitudes(F32x16 v) {
  return BitsAs<U32x16>(v) & 0x7FFFFFFFU;
}

// One token's activations in blocks.
inline void RoundToInt8(const float* x, std::size_t cols, std::byte* out) {
  auto* block = reinterpret_cast<ActivationBlock*>(out);
  for (std::size_t c = 0; c < cols; c += kActivationBlock, ++block) {
    const F32x16 values[2] = {Load(x + c), Load(x + c + kVector)};
    const U32x16 magnitudes = __builtin_elementwise_max(Magnitudes(values[0]), Magnitudes(values[1]));
    const float greatest = BitsAs<float>(__builtin_reduce_max(magnitudes));
    const bool vanishes = greatest < 0x1p-100F;  // Its inverse would be no number.
    const float scale = vanishes ? 0.0F : greatest / 127.0F;
    const float inverse = vanishes ? 0.0F : 127.0F / greatest;
    int sums[2];
    for (std::size_t half = 0; half < 2; ++half) {
      const I32x16 rounded = ToNearest(values[half] * inverse);
      const I8x16 bytes = __builtin_convertvector(__builtin_elementwise_max(rounded, I32x16{} - 128), I8x16);
      __builtin_memcpy(block->quants + half * kVector, &bytes, sizeof bytes);
      sums[half] = __builtin_reduce_add(rounded);
    }
    // Without signs: of what is no number the sums are any, and wrap.
    const std::uint32_t sum = static_cast<std::uint32_t>(sums[0]) + static_cast<std::uint32_t>(sums[1]);
    block->scale = scale;
    block->sum = scale * static_cast<float>(static_cast<std::int32_t>(sum));
    block->half_sums[0] = scale * static_cast<float>(sums[0]);
    block->half_sums[1] = scale * static_cast<float>(sums[1]);
    block->less_8 = static_cast<std::int32_t>(0U - 8U * sum);
    block->less_128 = static_cast<std::int32_t>(0U - 128U * sum);
  }
}

// One token's activations: its TokenScale, and after kTokenHead bytes the numbers, zeros up to a multiple of four.
inline void RoundToInt8Token(const float* x, std::size_t cols, std::byte* out) {
  F32x16 least = {}, greatest = {};
  U32x16 magnitudes = {};
  ForVectors(
      cols, [&](std::size_t i, std::size_t n) __attribute__((always_inline)) {
        const F32x16 v = Load(x + i, n);
        least = v < least ? v : least;
        greatest = v > greatest ? v : greatest;
        magnitudes = __builtin_elementwise_max(magnitudes, Magnitudes(v));
      });
  const float low = -Max(-least);
  const float range = Max(greatest) - low;
  const bool sound = BitsAs<float>(__builtin_reduce_max(magnitudes)) < __builtin_inff() && range < __builtin_inff();
  const bool vanishes = range < 0x1p-100F;  // Its inverse would be no number.
  const float inverse = !sound || vanishes ? 0.0F : 255.0F / range;
  const I32x16 zero = ToNearest(Broadcast(-low * inverse));
  const TokenScale scale{.scale = !sound ? __builtin_nanf("") : (vanishes ? 0.0F : range / 255.0F),
                         .zero = sound && !vanishes ? zero[0] : 0};
  __builtin_memcpy(out, &scale, sizeof scale);
  out += kTokenHead;
  if (inverse == 0.0F) {
    __builtin_memset(out, 0, (cols + 3) / 4 * 4);
    return;
  }
  const std::uint32_t nothing = 0;
  __builtin_memcpy(out + (cols - 1) / 4 * 4, &nothing, sizeof nothing);  // What the last four may lack.
  ForVectors(
      cols, [&](std::size_t i, std::size_t n) __attribute__((always_inline)) {
        const I32x16 shifted = ToNearest(Load(x + i, n) * inverse) + zero;
        const I32x16 kept = __builtin_elementwise_min(__builtin_elementwise_max(shifted, I32x16{}), I32x16{} + 255);
        const U8x16 bytes = __builtin_convertvector(kept, U8x16);
        __builtin_memcpy(out + i, &bytes, n);
      });
}

}  // namespace
}  // namespace loquat::kernels
