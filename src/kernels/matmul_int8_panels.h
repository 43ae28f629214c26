// Weights rounded under one scale a row (kernels/int8_panels.h) times activations rounded under one scale a token, by
// integer dot products (VNNI): sums of whole rows are exact and meet their two scales once. Included as simd.h says, by
// the tier with AVX512-VNNI; pure functions on the caller's memory.

#pragma once

#include <immintrin.h>

#include "kernels/simd.h"
#include "kernels/transformer_kernels.h"

namespace loquat::kernels {
namespace {

inline constexpr std::size_t kInt8TileTokens = 12;  // Of two panels: 24 sums and the operands fit the registers.
inline constexpr std::size_t kInt8PanelHead = kVector * (sizeof(float) + sizeof(std::int32_t));

// One token's activations: its TokenScale, then cols bytes, zeros up to a multiple of four.
inline void RoundToInt8Token(const float* x, std::size_t cols, std::byte* out) {
  F32x16 least = {}, greatest = {};
  // As bits: a NaN's are greater than those of any number.
  __m512i magnitude = _mm512_setzero_si512();
  ForVectors(
      cols, [&](std::size_t i, std::size_t n) __attribute__((always_inline)) {
        const F32x16 v = Load(x + i, n);
        least = v < least ? v : least;
        greatest = v > greatest ? v : greatest;
        magnitude = _mm512_max_epu32(magnitude, _mm512_and_si512(BitsAs<__m512i>(v), _mm512_set1_epi32(0x7FFFFFFF)));
      });
  const float low = -Max(-least);
  const float range = Max(greatest) - low;
  const bool sound = BitsAs<float>(_mm512_reduce_max_epu32(magnitude)) < __builtin_inff() && range < __builtin_inff();
  const bool vanishes = range < 0x1p-100F;  // Its inverse would be no number.
  const float inverse = !sound || vanishes ? 0.0F : 255.0F / range;
  const __m512i zero = _mm512_cvtps_epi32(_mm512_set1_ps(-low * inverse));
  const TokenScale scale{.scale = !sound ? __builtin_nanf("") : (vanishes ? 0.0F : range / 255.0F),
                         .zero = sound && !vanishes ? _mm_cvtsi128_si32(_mm512_castsi512_si128(zero)) : 0};
  __builtin_memcpy(out, &scale, sizeof scale);
  out += sizeof scale;
  if (inverse == 0.0F) {
    __builtin_memset(out, 0, (cols + 3) / 4 * 4);
    return;
  }
  const std::uint32_t nothing = 0;
  __builtin_memcpy(out + (cols - 1) / 4 * 4, &nothing, sizeof nothing);  // What the last four may lack.
  ForVectors(
      cols, [&](std::size_t i, std::size_t n) __attribute__((always_inline)) {
        const __m512i q = _mm512_cvtps_epi32(BitsAs<__m512>(Load(x + i, n) * inverse));
        const __m512i shifted = _mm512_max_epi32(_mm512_add_epi32(q, zero), _mm512_setzero_si512());
        const __m128i bytes = _mm512_cvtusepi32_epi8(shifted);
        _mm_mask_storeu_epi8(out + i, static_cast<__mmask16>((1U << n) - 1), bytes);
      });
}

struct Int8Tile {
  const std::byte* x;  // [token, RoundedBytes]
  std::size_t x_stride;
  float* out;
  std::size_t out_stride;

  LOQUAT_SIMD Int8Tile From(std::size_t t) const {
    return {x + t * x_stride, x_stride, out + t * out_stride, out_stride};
  }
};

// What a tile brings nearer while it computes: lines of the panels that come next.
struct Int8Ahead {
  const std::byte* at;
  std::size_t bytes;
};

// kVectors panels that follow each other, panel_bytes apart, and kTokens tokens. Rows that `kept` leaves out are not
// touched.
template <std::size_t kVectors, std::size_t kTokens>
LOQUAT_SIMD void TileInt8Panels(const std::byte* panel, std::size_t panel_bytes, const Int8Tile& tile,
                                const __mmask16* kept, const Int8Ahead& ahead) {
  __m512i dots[kVectors][kTokens] = {};
  const std::byte* const numbers = panel + kInt8PanelHead;
  const std::byte* const x = tile.x + sizeof(TokenScale);
  for (std::size_t at = 0; at < panel_bytes - kInt8PanelHead; at += sizeof(__m512i)) {
    if (at < ahead.bytes) _mm_prefetch(ahead.at + at, _MM_HINT_T1);
    __m512i weights[kVectors];
#pragma clang loop unroll(full)
    for (std::size_t v = 0; v < kVectors; ++v) weights[v] = _mm512_loadu_si512(numbers + v * panel_bytes + at);
#pragma clang loop unroll(full)
    for (std::size_t t = 0; t < kTokens; ++t) {
      const __m512i columns = _mm512_set1_epi32(LoadAs<std::int32_t>(x + t * tile.x_stride + at / kVector));
#pragma clang loop unroll(full)
      for (std::size_t v = 0; v < kVectors; ++v) dots[v][t] = _mm512_dpbusd_epi32(dots[v][t], columns, weights[v]);
    }
  }
#pragma clang loop unroll(full)
  for (std::size_t v = 0; v < kVectors; ++v) {
    const __m512 scales = LoadAs<__m512>(panel + v * panel_bytes);
    const __m512i sums = LoadAs<__m512i>(panel + v * panel_bytes + kVector * sizeof(float));
#pragma clang loop unroll(full)
    for (std::size_t t = 0; t < kTokens; ++t) {
      const auto token = LoadAs<TokenScale>(tile.x + t * tile.x_stride);
      const __m512i exact = _mm512_sub_epi32(dots[v][t], _mm512_mullo_epi32(sums, _mm512_set1_epi32(token.zero)));
      const __m512 both = _mm512_mul_ps(scales, _mm512_set1_ps(token.scale));
      _mm512_mask_storeu_ps(tile.out + t * tile.out_stride + v * kVector, kept[v],
                            _mm512_mul_ps(_mm512_cvtepi32_ps(exact), both));
    }
  }
}

// As many tokens as there are, in tiles of at most kTokens.
template <std::size_t kVectors, std::size_t kTokens>
inline void TokensOfInt8Panels(const std::byte* panel, std::size_t panel_bytes, const Int8Tile& tile,
                               std::size_t tokens, const __mmask16* kept, Int8Ahead ahead, std::size_t piece) {
  std::size_t t = 0;
  for (; t + kTokens <= tokens; t += kTokens) {
    TileInt8Panels<kVectors, kTokens>(panel, panel_bytes, tile.From(t), kept,
                                      {ahead.at, ahead.bytes < piece ? ahead.bytes : piece});
    ahead = ahead.bytes < piece ? Int8Ahead{ahead.at, 0} : Int8Ahead{ahead.at + piece, ahead.bytes - piece};
  }
  if constexpr (kTokens > 1) {
    if (t < tokens) {
      TokensOfInt8Panels<kVectors, kTokens - 1>(panel, panel_bytes, tile.From(t), tokens - t, kept, ahead, piece);
    }
  }
}

inline void MatmulInt8Panels(const Matrix& weights, std::size_t row_begin, std::size_t row_end, const MatmulIo& io) {
  const std::size_t panel_bytes = kInt8PanelHead + (weights.cols + 3) / 4 * 4 * kVector;
  // The rows of a panel that are asked for.
  const auto kept_of = [&](std::size_t panel) {
    const std::size_t from = row_begin > panel * kVector ? row_begin - panel * kVector : 0;
    const std::size_t to = row_end < (panel + 1) * kVector ? row_end - panel * kVector : kVector;
    return static_cast<__mmask16>((1U << to) - (1U << from));
  };
  const std::size_t last = (row_end + kVector - 1) / kVector;
  const std::size_t tiles = (io.tokens + kInt8TileTokens - 1) / kInt8TileTokens;
  const std::size_t piece = (2 * panel_bytes / tiles + 63) / 64 * 64;
  for (std::size_t panel = row_begin / kVector; panel < last; panel += 2) {
    const std::byte* const at = weights.data + panel * panel_bytes;
    const Int8Tile tile{
        .x = io.rounded, .x_stride = io.rounded_stride, .out = io.out + panel * kVector, .out_stride = io.out_stride};
    const std::size_t after = last - panel > 2 ? (last - panel < 4 ? last - panel - 2 : 2) : 0;
    const Int8Ahead ahead{at + 2 * panel_bytes, after * panel_bytes};
    if (panel + 1 < last) {
      const __mmask16 kept[2] = {kept_of(panel), kept_of(panel + 1)};
      TokensOfInt8Panels<2, kInt8TileTokens>(at, panel_bytes, tile, io.tokens, kept, ahead, piece);
    } else {
      const __mmask16 kept[1] = {kept_of(panel)};
      TokensOfInt8Panels<1, kInt8TileTokens>(at, panel_bytes, tile, io.tokens, kept, ahead, piece);
    }
  }
}

}  // namespace
}  // namespace loquat::kernels
