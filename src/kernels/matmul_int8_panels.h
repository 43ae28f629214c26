// Weights rounded under one scale a row (kernels/int8_panels.h) times activations rounded under one scale a token, by
// integer dot products: sums of whole rows are exact and meet their two scales once. Included as simd.h says, by the
// tiers that multiply integers; pure functions on the caller's memory.

#pragma once

#include "kernels/panel_dots.h"
#include "kernels/panel_walk.h"
#include "kernels/transformer_kernels.h"

namespace loquat::kernels {
namespace {

// A step is four columns; a panel is not cut.
struct Int8Kernel {
  static constexpr std::size_t kHead = kVector * (sizeof(float) + sizeof(std::int32_t));

#if defined(__AVX512F__)
  static constexpr std::size_t kPairTokens = 12, kTokens = 12;  // 24 sums and the operands.
#else
  static constexpr std::size_t kPairTokens = 2, kTokens = 6;  // Eight, or twelve.
#endif
  static constexpr std::size_t kSmallPiece = 0;
  static constexpr bool kAsksAhead = true;

  std::size_t cols;

  std::size_t steps() const {
    return (cols + 3) / 4;
  }
  std::size_t panel_bytes() const {
    return kHead + steps() * kLine;
  }
  std::size_t chunk(std::size_t) const {
    return steps();
  }
  std::size_t at(std::size_t step) const {
    return kHead + step * kLine;
  }

  template <std::size_t kTile, typename Panels, typename Ahead>
  LOQUAT_SIMD static void Tile(const Panels& panels, const PanelChunk& chunk, const TileIo& io, const Ahead& ahead) {
    constexpr std::size_t kCount = Panels::kCount;
    I32x16 dots[kCount][kTile] = {};
    const std::byte* const x = io.x + kTokenHead;
    for (std::size_t step = 0; step < chunk.end; ++step) {
      ahead.Bring(step * kLine);
      DotsInt8::Numbers numbers[kCount];
#pragma clang loop unroll(full)
      for (std::size_t v = 0; v < kCount; ++v) numbers[v] = DotsInt8::Load(panels.at(v, kHead + step * kLine));
#pragma clang loop unroll(full)
      for (std::size_t t = 0; t < kTile; ++t) {
        const auto columns = DotsInt8::Of(x + t * io.x_stride + 4 * step);
#pragma clang loop unroll(full)
        for (std::size_t v = 0; v < kCount; ++v) dots[v][t] = DotsInt8::Add(dots[v][t], numbers[v], columns);
      }
    }
#pragma clang loop unroll(full)
    for (std::size_t v = 0; v < kCount; ++v) {
      const auto scales = LoadAs<F32x16>(panels.at(v, 0));
      const auto row_sums = LoadAs<I32x16>(panels.at(v, sizeof scales));
#pragma clang loop unroll(full)
      for (std::size_t t = 0; t < kTile; ++t) {
        const auto token = LoadAs<TokenScale>(io.x + t * io.x_stride);
        const I32x16 exact = dots[v][t] - row_sums * token.zero;
        const F32x16 out = __builtin_convertvector(exact, F32x16) * (scales * token.scale);
        StoreLanes(io.out + t * io.out_stride + v * kVector, out, panels.kept[v]);
      }
    }
  }
};

inline void MatmulInt8Panels(const Matrix& weights, std::size_t row_begin, std::size_t row_end, const MatmulIo& io) {
  const TileIo tile{.x = io.rounded, .x_stride = io.rounded_stride, .out = io.out, .out_stride = io.out_stride};
  const Int8Kernel kernel{weights.cols};
  WalkPanels(kernel, weights.data, row_begin, row_end, tile, io.tokens, io.more);
}

}  // namespace
}  // namespace loquat::kernels
