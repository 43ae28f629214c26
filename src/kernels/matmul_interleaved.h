// Interleaved blocks (kernels/interleave.h) times activations rounded to 8 bits, by integer dot products: the panels
// are read as they lie, in one stream; a tile of rows and tokens keeps its sums in registers, with the lanes along the
// rows. Products under one scale are summed exactly. Included as simd.h says, by the tiers that multiply integers; pure
// functions on the caller's memory.

#pragma once

#include "kernels/panel_dots.h"
#include "kernels/panel_walk.h"
#include "kernels/transformer_kernels.h"

namespace loquat::kernels {
namespace {

// A step is a block of 32 columns. The numbers are those of kInterleavedRows; the header is not included here, as
// simd.h says.
template <WeightType kType>
struct BlockKernel {
  using Dots = std::conditional_t<kType == WeightType::kQ8_0, DotsQ8_0, DotsQ4_0>;

  static constexpr std::size_t kScales = 2 * kVector;                             // Bytes of a block's.
  static constexpr std::size_t kQuants = kType == WeightType::kQ8_0 ? 512 : 256;  // Bytes of a block's.
  static constexpr std::size_t kPair = 2 * (kScales + kQuants);                   // Two blocks of columns.
  static constexpr std::size_t kLines = kQuants / kLine;
  // With the tile's activations, what the first-level cache holds.
  static constexpr std::size_t kChunkBlocks = 16;

#if defined(__AVX512F__)
  // Twelve integer sums and twelve of floats.
  static constexpr std::size_t kPairTokens = 6, kTokens = 6;
#else
  // Eight integer sums; those of floats are used once a block, and may wait in memory.
  static constexpr std::size_t kPairTokens = 1, kTokens = 4;
#endif
  static constexpr std::size_t kSmallPiece = 2304;
  static constexpr bool kAsksAhead = true;

  std::size_t cols;

  std::size_t panel_bytes() const {
    return (cols + 63) / 64 * kPair;
  }
  std::size_t steps() const {
    return cols / kActivationBlock;
  }
  // One token is met by a stream that has no end but the panels'.
  std::size_t chunk(std::size_t tokens) const {
    return tokens == 1 ? steps() : kChunkBlocks;
  }
  std::size_t at(std::size_t block) const {
    return block / 2 * kPair;
  }

  template <std::size_t kTile, typename Panels, typename Ahead>
  LOQUAT_SIMD static void Tile(const Panels& panels, const PanelChunk& chunk, const TileIo& io, const Ahead& ahead) {
    constexpr std::size_t kCount = Panels::kCount;
    TileSums<kCount, kTile> sums;
    sums.Load(panels, chunk, io);
    for (std::size_t block = chunk.begin; block < chunk.end; ++block) {
      ahead.BringShare(block - chunk.begin, chunk.end - chunk.begin);
      I32x16 dots[kCount][kTile];
#pragma clang loop unroll(full)
      for (std::size_t t = 0; t < kTile; ++t) {
        const I32x16 start = Dots::Start(BlockOf(io, t, block));
#pragma clang loop unroll(full)
        for (std::size_t v = 0; v < kCount; ++v) dots[v][t] = start;
      }
      const std::size_t quants = block / 2 * kPair + 2 * kScales + block % 2 * kQuants;
#pragma clang loop unroll_count(Dots::kUnrolled)
      for (std::size_t k = 0; k < kLines; ++k) {
        typename Dots::Numbers numbers[kCount];
#pragma clang loop unroll(full)
        for (std::size_t v = 0; v < kCount; ++v) numbers[v] = Dots::Load(panels.at(v, quants + k * kLine));
#pragma clang loop unroll(full)
        for (std::size_t t = 0; t < kTile; ++t) {
          const auto columns = Dots::Of(BlockOf(io, t, block).quants + 4 * k);
#pragma clang loop unroll(full)
          for (std::size_t v = 0; v < kCount; ++v) dots[v][t] = Dots::Add(dots[v][t], numbers[v], columns);
        }
      }
#pragma clang loop unroll(full)
      for (std::size_t v = 0; v < kCount; ++v) {
        const F32x16 scale = FromF16(LoadAs<U16x16>(panels.at(v, block / 2 * kPair + block % 2 * kScales)));
#pragma clang loop unroll(full)
        for (std::size_t t = 0; t < kTile; ++t) {
          const ActivationBlock& x = BlockOf(io, t, block);
          const I32x16 total = Dots::Total(dots[v][t], x);
          sums.of[v][t] = MultiplyAdd(__builtin_convertvector(total, F32x16), scale * x.scale, sums.of[v][t]);
        }
      }
    }
    sums.Store(panels, io);
  }
};

inline void MatmulInterleaved(const Matrix& weights, std::size_t row_begin, std::size_t row_end, const MatmulIo& io) {
  const TileIo tile{.x = io.rounded, .x_stride = io.rounded_stride, .out = io.out, .out_stride = io.out_stride};
  const auto walk = [&](const auto& kernel) {
    WalkPanels(kernel, weights.data, row_begin, row_end, tile, io.tokens, io.more);
  };
  if (weights.type == WeightType::kQ8_0) return walk(BlockKernel<WeightType::kQ8_0>{weights.cols});
  walk(BlockKernel<WeightType::kQ4_0>{weights.cols});
}

}  // namespace
}  // namespace loquat::kernels
