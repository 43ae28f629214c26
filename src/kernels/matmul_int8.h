// Block weights times activations rounded to 8 bits, by integer dot products (VNNI). Weights of a few rows are turned
// into a panel once and meet every token; a tile of rows and tokens keeps its sums in registers, with the lanes along
// the rows. Included as simd.h says, by the tier with AVX512-VNNI; pure functions on the caller's memory.

#pragma once

#include <immintrin.h>

#include "kernels/simd.h"
#include "kernels/transformer_kernels.h"
#include "kernels/weight_panel.h"

namespace loquat::kernels {
namespace {

inline constexpr std::size_t kTileTokensInt8 = 6;  // Twelve integer sums and twelve of floats fit the registers.
static_assert(sizeof(WeightPanel) <= kKernelStackBytes / 2);

// One token's activations in blocks; see ActivationBlock.
inline void RoundToInt8(const float* x, std::size_t cols, std::byte* out) {
  auto* block = reinterpret_cast<ActivationBlock*>(out);
  for (std::size_t c = 0; c < cols; c += kActivationBlock, ++block) {
    const __m512 a = _mm512_loadu_ps(x + c), b = _mm512_loadu_ps(x + c + kVector);
    // As bits: a NaN's are greater than those of any number.
    const __m512i sign = _mm512_set1_epi32(0x7FFFFFFF);
    const __m512i magnitudes = _mm512_max_epu32(_mm512_and_si512(_mm512_castps_si512(a), sign),
                                                _mm512_and_si512(_mm512_castps_si512(b), sign));
    const float greatest = BitsAs<float>(_mm512_reduce_max_epu32(magnitudes));
    const bool vanishes = greatest < 0x1p-100F;  // Its inverse would be no number.
    const float scale = vanishes ? 0.0F : greatest / 127.0F;
    const __m512 inverse = _mm512_set1_ps(vanishes ? 0.0F : 127.0F / greatest);
    const __m512i qa = _mm512_cvtps_epi32(_mm512_mul_ps(a, inverse));
    const __m512i qb = _mm512_cvtps_epi32(_mm512_mul_ps(b, inverse));
    const __m128i bytes[2] = {_mm512_cvtsepi32_epi8(qa), _mm512_cvtsepi32_epi8(qb)};
    __builtin_memcpy(block->quants, bytes, sizeof bytes);
    const int sums[2] = {_mm512_reduce_add_epi32(qa), _mm512_reduce_add_epi32(qb)};
    block->scale = scale;
    block->sum = scale * static_cast<float>(sums[0] + sums[1]);
    block->half_sums[0] = scale * static_cast<float>(sums[0]);
    block->half_sums[1] = scale * static_cast<float>(sums[1]);
    block->quants_sum = sums[0] + sums[1];
  }
}

// Blocks of activations of successive tokens, and where their outputs go.
struct TileIo {
  const std::byte* x;
  std::size_t x_stride;  // Bytes.
  float* out;
  std::size_t out_stride;  // Floats.

  TileIo From(std::size_t token) const {
    return {x + token * x_stride, x_stride, out + token * out_stride, out_stride};
  }
  const ActivationBlock& block(std::size_t token, std::size_t i) const {
    return reinterpret_cast<const ActivationBlock*>(x + token * x_stride)[i];
  }
};

// A panel's columns of `kVectors` times sixteen rows, of which `kept` say which are there, and `kTokens` tokens. The
// first panel of a row sets the outputs, the others add to them: block by block, whatever the tile.
template <std::size_t kGroup, std::size_t kVectors, std::size_t kTokens>
LOQUAT_SIMD void TileInt8(const WeightPanel& panel, std::size_t columns, const TileIo& io, const __mmask16* kept,
                          bool first) {
  __m512 sums[kVectors][kTokens];
#pragma clang loop unroll(full)
  for (std::size_t v = 0; v < kVectors; ++v) {
#pragma clang loop unroll(full)
    for (std::size_t t = 0; t < kTokens; ++t) {
      const float* const out = io.out + t * io.out_stride + v * kVector;
      sums[v][t] = first ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(kept[v], out);
    }
  }
  const std::size_t groups = columns / kGroup;
  for (std::size_t group = 0; group < groups; ++group) {
    const std::size_t block = group * kGroup / kActivationBlock;
    const std::size_t half = group % (kActivationBlock / kGroup);
    __m512i dots[kVectors][kTokens] = {};
#pragma clang loop unroll(full)
    for (std::size_t k = 0; k < kGroup / kQuad; ++k) {
      __m512i w[kVectors];
#pragma clang loop unroll(full)
      for (std::size_t v = 0; v < kVectors; ++v) {
        w[v] = _mm512_load_si512(panel.quants[group * (kGroup / kQuad) + k][v * kVector]);
      }
#pragma clang loop unroll(full)
      for (std::size_t t = 0; t < kTokens; ++t) {
        const __m512i x =
            _mm512_set1_epi32(LoadAs<std::int32_t>(io.block(t, block).quants + half * kGroup + k * kQuad));
#pragma clang loop unroll(full)
        for (std::size_t v = 0; v < kVectors; ++v) dots[v][t] = _mm512_dpbusd_epi32(dots[v][t], w[v], x);
      }
    }
#pragma clang loop unroll(full)
    for (std::size_t v = 0; v < kVectors; ++v) {
      const __m512 scale = _mm512_load_ps(&panel.scale[group][v * kVector]);
      const __m512 least = _mm512_load_ps(&panel.least[group][v * kVector]);
#pragma clang loop unroll(full)
      for (std::size_t t = 0; t < kTokens; ++t) {
        const ActivationBlock& x = io.block(t, block);
        const float sum = kGroup == kActivationBlock ? x.sum : x.half_sums[half];
        const __m512 both = _mm512_mul_ps(scale, _mm512_set1_ps(x.scale));
        sums[v][t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots[v][t]), both, sums[v][t]);
        sums[v][t] = _mm512_fmadd_ps(least, _mm512_set1_ps(sum), sums[v][t]);
      }
    }
  }
#pragma clang loop unroll(full)
  for (std::size_t v = 0; v < kVectors; ++v) {
#pragma clang loop unroll(full)
    for (std::size_t t = 0; t < kTokens; ++t) {
      _mm512_mask_storeu_ps(io.out + t * io.out_stride + v * kVector, kept[v], sums[v][t]);
    }
  }
}

template <std::size_t kGroup, std::size_t kVectors>
inline void TileTokensInt8(const WeightPanel& panel, std::size_t columns, const TileIo& io, std::size_t tokens,
                           const __mmask16* kept, bool first) {
  std::size_t t = 0;
  for (; t + kTileTokensInt8 <= tokens; t += kTileTokensInt8) {
    TileInt8<kGroup, kVectors, kTileTokensInt8>(panel, columns, io.From(t), kept, first);
  }
  for (; t + 2 <= tokens; t += 2) TileInt8<kGroup, kVectors, 2>(panel, columns, io.From(t), kept, first);
  if (t < tokens) TileInt8<kGroup, kVectors, 1>(panel, columns, io.From(t), kept, first);
}

template <std::size_t kGroup>
inline void MatmulBlocks(const Matrix& weights, std::size_t row_begin, std::size_t row_end, const MatmulIo& io) {
  WeightPanel panel;
  const std::size_t row_bytes = RowBytes(weights);
  for (std::size_t row = row_begin; row < row_end; row += kPanelRows) {
    const std::size_t rows = row_end - row < kPanelRows ? row_end - row : kPanelRows;
    const std::size_t vectors = (rows + kVector - 1) / kVector;
    const std::uint64_t kept_rows = (std::uint64_t{1} << rows) - 1;
    const __mmask16 kept[2] = {static_cast<__mmask16>(kept_rows), static_cast<__mmask16>(kept_rows >> kVector)};
    for (std::size_t column = 0; column < weights.cols; column += kPanelColumns) {
      const std::size_t columns = weights.cols - column < kPanelColumns ? weights.cols - column : kPanelColumns;
      const bool last_columns = column + columns == weights.cols;
      const std::size_t next_row = last_columns && row + 2 * kPanelRows <= row_end ? row + kPanelRows : row;
      const std::size_t next_offset = last_columns ? 0 : row_bytes * (column + columns) / weights.cols;
      for (std::size_t v = 0; v < vectors; ++v) {
        const std::size_t skipped = v * kVector;
        UnpackRows(weights.type,
                   {.data = weights.data + (row + skipped) * row_bytes,
                    .row_bytes = row_bytes,
                    .rows = rows - skipped,
                    .begin = column,
                    .count = columns,
                    .next = weights.data + (next_row + skipped) * row_bytes + next_offset},
                   PanelWriter(panel, v));
      }
      const TileIo tile{.x = io.rounded + column / kActivationBlock * sizeof(ActivationBlock),
                        .x_stride = io.rounded_stride,
                        .out = io.out + row,
                        .out_stride = io.out_stride};
      if (vectors == 2) {
        TileTokensInt8<kGroup, 2>(panel, columns, tile, io.tokens, kept, column == 0);
      } else {
        TileTokensInt8<kGroup, 1>(panel, columns, tile, io.tokens, kept, column == 0);
      }
    }
  }
}

inline void MatmulInt8(const Matrix& weights, std::size_t row_begin, std::size_t row_end, const MatmulIo& io) {
  if (weights.type == WeightType::kQ6_K) return MatmulBlocks<16>(weights, row_begin, row_end, io);
  MatmulBlocks<32>(weights, row_begin, row_end, io);
}

}  // namespace
}  // namespace loquat::kernels
