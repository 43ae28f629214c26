// Interleaved weights (kernels/interleave.h) times activations rounded to 8 bits, by integer dot products (VNNI): the
// panels are read as they lie, in one stream; a tile of rows and tokens keeps its sums in registers, with the lanes
// along the rows. Included as simd.h says, by the tier with AVX512-VNNI; pure functions on the caller's memory.

#pragma once

#include <immintrin.h>

#include "kernels/matmul_int8.h"

namespace loquat::kernels {
namespace {

// The numbers of kInterleavedRows; the header is not included here, as simd.h says.
template <WeightType kType>
struct PanelLayout {
  static constexpr std::size_t kRows = 16;
  static constexpr std::size_t kScales = 2 * kRows;                               // Bytes of a block's.
  static constexpr std::size_t kQuants = kType == WeightType::kQ8_0 ? 512 : 256;  // Bytes of a block's.
  static constexpr std::size_t kPair = 2 * (kScales + kQuants);                   // Two blocks of columns.
  static constexpr unsigned kOffsetBits = kType == WeightType::kQ8_0 ? 7 : 3;     // They lie as q + 2^bits.
  static constexpr std::size_t kVectorsOfQuants = kQuants / sizeof(__m512i);

  static constexpr std::size_t PanelBytes(std::size_t cols) { return (cols + 63) / 64 * kPair; }
};

// Blocks of columns of a chunk: with the tile's activations, what the first-level cache holds.
inline constexpr std::size_t kChunkBlocks = 16;

// What a tile brings nearer while it computes: `bytes` at this place in each of its panels.
struct BlocksAhead {
  const std::byte* at;
  std::size_t bytes;
};

// A line of each of kVectors panels.
template <std::size_t kVectors>
LOQUAT_SIMD void Bring(const std::byte* line, std::size_t panel_bytes) {
#pragma clang loop unroll(full)
  for (std::size_t v = 0; v < kVectors; ++v) _mm_prefetch(line + v * panel_bytes, _MM_HINT_T1);
}

// Blocks [begin, end) of `kVectors` panels that follow each other at `panel`, and `kTokens` tokens. Rows that `kept`
// leaves out are not touched. Sums go on from the outputs unless `first`.
template <WeightType kType, std::size_t kVectors, std::size_t kTokens, bool kAhead>
LOQUAT_SIMD void TileInterleaved(const std::byte* panel, std::size_t panel_bytes, std::size_t begin, std::size_t end,
                                 const TileIo& io, const __mmask16* kept, bool first, BlocksAhead ahead) {
  using Layout = PanelLayout<kType>;
  __m512 sums[kVectors][kTokens];
#pragma clang loop unroll(full)
  for (std::size_t v = 0; v < kVectors; ++v) {
#pragma clang loop unroll(full)
    for (std::size_t t = 0; t < kTokens; ++t) {
      const float* const out = io.out + t * io.out_stride + v * kVector;
      sums[v][t] = first ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(kept[v], out);
    }
  }
  for (std::size_t block = begin; block < end; ++block) {
    const std::byte* const pair = panel + block / 2 * Layout::kPair;
    const std::byte* const scales = pair + block % 2 * Layout::kScales;
    const std::byte* const quants = pair + 2 * Layout::kScales + block % 2 * Layout::kQuants;
    __m512i dots[kVectors][kTokens];
#pragma clang loop unroll(full)
    for (std::size_t t = 0; t < kTokens; ++t) {
      const __m512i offset = _mm512_slli_epi32(_mm512_set1_epi32(io.block(t, block).quants_sum), Layout::kOffsetBits);
#pragma clang loop unroll(full)
      for (std::size_t v = 0; v < kVectors; ++v) dots[v][t] = _mm512_sub_epi32(_mm512_setzero_si512(), offset);
    }
#pragma clang loop unroll(full)
    for (std::size_t k = 0; k < Layout::kVectorsOfQuants; ++k) {
      const std::size_t line = ((block - begin) * Layout::kVectorsOfQuants + k) * sizeof(__m512i);
      if (kAhead && line < ahead.bytes) Bring<kVectors>(ahead.at + line, panel_bytes);
      __m512i w[kVectors], high[kVectors];
#pragma clang loop unroll(full)
      for (std::size_t v = 0; v < kVectors; ++v) {
        w[v] = _mm512_loadu_si512(quants + v * panel_bytes + k * sizeof(__m512i));
        if constexpr (kType == WeightType::kQ4_0) {
          high[v] = _mm512_and_si512(_mm512_srli_epi16(w[v], 4), _mm512_set1_epi8(15));
          w[v] = _mm512_and_si512(w[v], _mm512_set1_epi8(15));
        }
      }
#pragma clang loop unroll(full)
      for (std::size_t t = 0; t < kTokens; ++t) {
        const std::int8_t* const x = io.block(t, block).quants + k * kQuad;
        const __m512i columns = _mm512_set1_epi32(LoadAs<std::int32_t>(x));
#pragma clang loop unroll(full)
        for (std::size_t v = 0; v < kVectors; ++v) dots[v][t] = _mm512_dpbusd_epi32(dots[v][t], w[v], columns);
        if constexpr (kType == WeightType::kQ4_0) {
          const __m512i others = _mm512_set1_epi32(LoadAs<std::int32_t>(x + kActivationBlock / 2));
#pragma clang loop unroll(full)
          for (std::size_t v = 0; v < kVectors; ++v) dots[v][t] = _mm512_dpbusd_epi32(dots[v][t], high[v], others);
        }
      }
    }
#pragma clang loop unroll(full)
    for (std::size_t v = 0; v < kVectors; ++v) {
      const __m512 scale = _mm512_cvtph_ps(LoadAs<__m256i>(scales + v * panel_bytes));
#pragma clang loop unroll(full)
      for (std::size_t t = 0; t < kTokens; ++t) {
        const __m512 both = _mm512_mul_ps(scale, _mm512_set1_ps(io.block(t, block).scale));
        sums[v][t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots[v][t]), both, sums[v][t]);
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

// With this many tiles each one's piece is so small that it is asked for at once, before the tile.
inline constexpr std::size_t kTilesOfSmallPieces = 4;

// All tokens and blocks [begin, end); `next` is what comes after them.
template <WeightType kType, std::size_t kVectors, bool kAhead>
inline void ChunkInterleaved(const std::byte* panel, std::size_t panel_bytes, std::size_t begin, std::size_t end,
                             const TileIo& io, std::size_t tokens, const __mmask16* kept, const std::byte* next) {
  const bool first = begin == 0;
  const std::size_t tiles = (tokens + kTileTokensInt8 - 1) / kTileTokensInt8;
  const std::size_t piece = ((end - begin) / 2 * PanelLayout<kType>::kPair / tiles + 63) / 64 * 64;
  const auto ahead = [&] {
    const BlocksAhead now{next, piece};
    next += piece;
    for (std::size_t line = 0; !kAhead && line < piece; line += 64) Bring<kVectors>(now.at + line, panel_bytes);
    return now;
  };
  std::size_t t = 0;
  for (; t + kTileTokensInt8 <= tokens; t += kTileTokensInt8) {
    TileInterleaved<kType, kVectors, kTileTokensInt8, kAhead>(panel, panel_bytes, begin, end, io.From(t), kept, first,
                                                              ahead());
  }
  for (; t + 2 <= tokens; t += 2) {
    TileInterleaved<kType, kVectors, 2, kAhead>(panel, panel_bytes, begin, end, io.From(t), kept, first, ahead());
  }
  if (t < tokens) {
    TileInterleaved<kType, kVectors, 1, kAhead>(panel, panel_bytes, begin, end, io.From(t), kept, first, ahead());
  }
}

template <WeightType kType, std::size_t kVectors>
inline void PanelsInterleaved(const std::byte* panel, std::size_t cols, const TileIo& io, std::size_t tokens,
                              const __mmask16* kept) {
  const std::size_t panel_bytes = PanelLayout<kType>::PanelBytes(cols);
  const std::size_t blocks = cols / kActivationBlock;
  // One token is met by a stream that has no end but the panels'.
  const std::size_t chunk = tokens == 1 ? blocks : kChunkBlocks;
  for (std::size_t begin = 0; begin < blocks; begin += chunk) {
    const std::size_t end = blocks - begin < chunk ? blocks : begin + chunk;
    const std::byte* const next = panel + (end < blocks ? end / 2 * PanelLayout<kType>::kPair : kVectors * panel_bytes);
    if (tokens >= kTilesOfSmallPieces * kTileTokensInt8) {
      ChunkInterleaved<kType, kVectors, false>(panel, panel_bytes, begin, end, io, tokens, kept, next);
    } else {
      ChunkInterleaved<kType, kVectors, true>(panel, panel_bytes, begin, end, io, tokens, kept, next);
    }
  }
}

template <WeightType kType>
inline void MatmulInterleavedAs(const Matrix& weights, std::size_t row_begin, std::size_t row_end, const MatmulIo& io) {
  constexpr std::size_t kRows = PanelLayout<kType>::kRows;
  const std::size_t panel_bytes = PanelLayout<kType>::PanelBytes(weights.cols);
  // The rows of a panel that are asked for.
  const auto kept_of = [&](std::size_t panel) {
    const std::size_t from = row_begin > panel * kRows ? row_begin - panel * kRows : 0;
    const std::size_t to = row_end < (panel + 1) * kRows ? row_end - panel * kRows : kRows;
    return static_cast<__mmask16>((1U << to) - (1U << from));
  };
  const std::size_t last = (row_end + kRows - 1) / kRows;
  for (std::size_t panel = row_begin / kRows; panel < last; panel += 2) {
    const std::byte* const at = weights.data + panel * panel_bytes;
    const TileIo tile{
        .x = io.rounded, .x_stride = io.rounded_stride, .out = io.out + panel * kRows, .out_stride = io.out_stride};
    if (panel + 1 < last) {
      const __mmask16 kept[2] = {kept_of(panel), kept_of(panel + 1)};
      PanelsInterleaved<kType, 2>(at, weights.cols, tile, io.tokens, kept);
    } else {
      const __mmask16 kept[1] = {kept_of(panel)};
      PanelsInterleaved<kType, 1>(at, weights.cols, tile, io.tokens, kept);
    }
  }
}

inline void MatmulInterleaved(const Matrix& weights, std::size_t row_begin, std::size_t row_end, const MatmulIo& io) {
  if (weights.type == WeightType::kQ8_0) {
    return MatmulInterleavedAs<WeightType::kQ8_0>(weights, row_begin, row_end, io);
  }
  MatmulInterleavedAs<WeightType::kQ4_0>(weights, row_begin, row_end, io);
}

}  // namespace
}  // namespace loquat::kernels
