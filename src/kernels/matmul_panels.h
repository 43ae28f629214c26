// Floats in panels of sixteen rows (kernels/interleave.h) times activations: every column of a panel is a vector, met
// by one activation of each token of a tile, whose sums stay in registers with the lanes along the rows. f32 and f16
// take one column at a time, bf16 two (AVX512-BF16: products and sums in floats). Included as simd.h says, by the tier
// with AVX512-BF16; pure functions on the caller's memory.

#pragma once

#include <immintrin.h>

#include "kernels/simd.h"
#include "kernels/transformer_kernels.h"

namespace loquat::kernels {
namespace {

// A step is what one vector of weights holds of sixteen rows: kColumns columns of each.
template <WeightType kType>
struct FloatPanel {
  static constexpr std::size_t kColumns = kType == WeightType::kBF16 ? 2 : 1;
  static constexpr std::size_t kBytes = kType == WeightType::kF16 ? 32 : 64;
  // Of a step's activations of one token: floats, or two in bfloat16.
  static constexpr std::size_t kActivationBytes = 4;

  static constexpr std::size_t Steps(std::size_t cols) { return (cols + kColumns - 1) / kColumns; }
  // Panels begin at whole vectors.
  static constexpr std::size_t PanelBytes(std::size_t cols) { return (Steps(cols) * kBytes + 63) / 64 * 64; }

  LOQUAT_SIMD static __m512 Weights(const std::byte* at) {
    if constexpr (kType == WeightType::kF16) return _mm512_cvtph_ps(LoadAs<__m256i>(at));
    return LoadAs<__m512>(at);
  }
  LOQUAT_SIMD static __m512 Add(__m512 sum, __m512 weights, __m512 activation) {
    if constexpr (kType == WeightType::kBF16) {
      return _mm512_dpbf16_ps(sum, BitsAs<__m512bh>(weights), BitsAs<__m512bh>(activation));
    }
    return _mm512_fmadd_ps(weights, activation, sum);
  }
};

// Sums begin anew after so many steps: 32 KiB of two panels, which many tokens meet from the first-level cache.
inline constexpr std::size_t kPanelSteps = 256;
inline constexpr std::size_t kPanelTokens = 8;

struct PanelTile {
  const std::byte* x;  // Of the first token and step.
  std::size_t x_stride;
  float* out;
  std::size_t out_stride;

  LOQUAT_SIMD PanelTile From(std::size_t t) const {
    return {x + t * x_stride, x_stride, out + t * out_stride, out_stride};
  }
};

// What a tile brings nearer while it computes: a piece of what comes next.
struct PanelAhead {
  const std::byte* at;
  std::size_t bytes;
};

// `steps` steps of kVectors panels that follow each other, panel_bytes apart, and kTokens tokens. `half`: of the last
// step only the first column is there. Rows that `kept` leaves out are not touched. The first block of steps sets the
// outputs, the others add to them.
template <typename Panel, std::size_t kVectors, std::size_t kTokens>
LOQUAT_SIMD void TilePanels(const std::byte* panel, std::size_t panel_bytes, std::size_t steps, bool half,
                            const PanelTile& tile, const __mmask16* kept, bool first, const PanelAhead& ahead) {
  __m512 sums[kVectors][kTokens] = {};
  const auto add = [&](std::size_t step, auto activation_of) __attribute__((always_inline)) {
    __m512 weights[kVectors];
#pragma clang loop unroll(full)
    for (std::size_t v = 0; v < kVectors; ++v)
      weights[v] = Panel::Weights(panel + v * panel_bytes + step * Panel::kBytes);
#pragma clang loop unroll(full)
    for (std::size_t t = 0; t < kTokens; ++t) {
      const __m512 activation = activation_of(tile.x + t * tile.x_stride + step * Panel::kActivationBytes);
#pragma clang loop unroll(full)
      for (std::size_t v = 0; v < kVectors; ++v) sums[v][t] = Panel::Add(sums[v][t], weights[v], activation);
    }
  };
  const auto whole = [](const std::byte* x) __attribute__((always_inline)) {
    return _mm512_set1_ps(LoadAs<float>(x));
  };
  const std::size_t all = half ? steps - 1 : steps;
  for (std::size_t step = 0; step < all; ++step) {
    if (step * 64 < ahead.bytes) _mm_prefetch(ahead.at + step * 64, _MM_HINT_T1);
    add(step, whole);
  }
  if (half) {
    add(
        all, [](const std::byte* x) __attribute__((always_inline)) {
          return BitsAs<__m512>(_mm512_set1_epi32(LoadAs<std::uint16_t>(x)));
        });
  }
#pragma clang loop unroll(full)
  for (std::size_t v = 0; v < kVectors; ++v) {
#pragma clang loop unroll(full)
    for (std::size_t t = 0; t < kTokens; ++t) {
      float* const out = tile.out + t * tile.out_stride + v * kVector;
      const __m512 before = first ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(kept[v], out);
      _mm512_mask_storeu_ps(out, kept[v], first ? sums[v][t] : _mm512_add_ps(before, sums[v][t]));
    }
  }
}

// As many tokens as there are, in tiles of at most kTokens, each of which brings `piece` bytes nearer.
template <typename Panel, std::size_t kVectors, std::size_t kTokens>
inline void TokensOfBlock(const std::byte* block, std::size_t panel_bytes, std::size_t steps, bool half,
                          const PanelTile& tile, std::size_t tokens, const __mmask16* kept, bool first,
                          PanelAhead ahead, std::size_t piece) {
  std::size_t t = 0;
  for (; t + kTokens <= tokens; t += kTokens) {
    const std::size_t bytes = ahead.bytes < piece ? ahead.bytes : piece;
    TilePanels<Panel, kVectors, kTokens>(block, panel_bytes, steps, half, tile.From(t), kept, first, {ahead.at, bytes});
    ahead = {ahead.at + bytes, ahead.bytes - bytes};
  }
  if constexpr (kTokens > 1) {
    if (t == tokens) return;
    TokensOfBlock<Panel, kVectors, kTokens - 1>(block, panel_bytes, steps, half, tile.From(t), tokens - t, kept, first,
                                                ahead, piece);
  }
}

// `after`: how many panels follow these.
template <typename Panel, std::size_t kVectors>
inline void TokensOfPanels(const std::byte* panel, std::size_t cols, const PanelTile& tile, std::size_t tokens,
                           const __mmask16* kept, std::size_t after) {
  const std::size_t panel_bytes = Panel::PanelBytes(cols);
  const std::size_t all = Panel::Steps(cols);
  const std::size_t tiles = (tokens + kPanelTokens - 1) / kPanelTokens;
  for (std::size_t begin = 0; begin < all; begin += kPanelSteps) {
    const std::size_t steps = all - begin < kPanelSteps ? all - begin : kPanelSteps;
    const bool half = begin + steps == all && cols % Panel::kColumns != 0;
    const std::byte* const block = panel + begin * Panel::kBytes;
    const PanelTile here{tile.x + begin * Panel::kActivationBytes, tile.x_stride, tile.out, tile.out_stride};
    // The same block of the panels after these: what of them this one's share is.
    const std::size_t follow = after < kVectors ? after : kVectors;
    const PanelAhead ahead{panel + kVectors * panel_bytes + begin * Panel::kBytes * follow,
                           steps * Panel::kBytes * follow};
    const std::size_t piece = (ahead.bytes / tiles + 63) / 64 * 64;
    TokensOfBlock<Panel, kVectors, kPanelTokens>(block, panel_bytes, steps, half, here, tokens, kept, begin == 0, ahead,
                                                 piece);
  }
}

template <WeightType kType>
inline void MatmulPanelsAs(const Matrix& weights, std::size_t row_begin, std::size_t row_end, const MatmulIo& io) {
  using Panel = FloatPanel<kType>;
  const std::size_t panel_bytes = Panel::PanelBytes(weights.cols);
  constexpr bool kRounded = kType == WeightType::kBF16;
  const PanelTile whole{.x = kRounded ? io.rounded : reinterpret_cast<const std::byte*>(io.x),
                        .x_stride = kRounded ? io.rounded_stride : io.x_stride * sizeof(float),
                        .out = io.out,
                        .out_stride = io.out_stride};
  // The rows of a panel that are asked for.
  const auto kept_of = [&](std::size_t panel) {
    const std::size_t from = row_begin > panel * kVector ? row_begin - panel * kVector : 0;
    const std::size_t to = row_end < (panel + 1) * kVector ? row_end - panel * kVector : kVector;
    return static_cast<__mmask16>((1U << to) - (1U << from));
  };
  const std::size_t last = (row_end + kVector - 1) / kVector;
  for (std::size_t panel = row_begin / kVector; panel < last; panel += 2) {
    const std::byte* const at = weights.data + panel * panel_bytes;
    const PanelTile tile{whole.x, whole.x_stride, whole.out + panel * kVector, whole.out_stride};
    if (panel + 1 < last) {
      const __mmask16 kept[2] = {kept_of(panel), kept_of(panel + 1)};
      TokensOfPanels<Panel, 2>(at, weights.cols, tile, io.tokens, kept, last - panel - 2);
    } else {
      const __mmask16 kept[1] = {kept_of(panel)};
      TokensOfPanels<Panel, 1>(at, weights.cols, tile, io.tokens, kept, 0);
    }
  }
}

}  // namespace
}  // namespace loquat::kernels
