// Floats in panels of sixteen rows (kernels/interleave.h) times activations: every column of a panel is a vector, met
// by one activation of each token of a tile, whose sums stay in registers with the lanes along the rows. f32 and f16
// take one column at a time, bf16 two: with AVX512-BF16 by its products of pairs, of activations rounded to bf16;
// without it one after the other. Included as simd.h says; pure functions on the caller's memory.

#pragma once

#include <immintrin.h>

#include "kernels/panel_walk.h"
#include "kernels/transformer_kernels.h"

namespace loquat::kernels {
namespace {

// Activations for steps that are kRounded.
inline void RoundToBF16(const float* x, std::size_t cols, std::byte* out) {
  ForVectors(
      cols, [&](std::size_t i, std::size_t count) __attribute__((always_inline)) {
        const U16x16 rounded = ToBF16(Load(x + i, count));
        __builtin_memcpy(out + 2 * i, &rounded, 2 * count);
      });
}

// What one vector of weights holds of sixteen rows is a step: kColumns columns of each.
template <WeightType kType>
struct FloatStep {
  static constexpr std::size_t kColumns = 1;
  static constexpr std::size_t kBytes = kType == WeightType::kF16 ? 32 : 64;
  static constexpr std::size_t kActivationBytes = sizeof(float);  // Of a step's activations of one token.
  static constexpr bool kRounded = false;                         // Whether these are.
  using Numbers = F32x16;
  using Activations = F32x16;

  LOQUAT_SIMD static Numbers Load(const std::byte* at) {
    if constexpr (kType == WeightType::kF16) return FromF16(LoadAs<U16x16>(at));
    return LoadAs<F32x16>(at);
  }
  LOQUAT_SIMD static Activations Of(const std::byte* x) { return Broadcast(LoadAs<float>(x)); }
  LOQUAT_SIMD static F32x16 Add(F32x16 sum, const Numbers& w, const Activations& x) { return MultiplyAdd(w, x, sum); }
};

template <>
struct FloatStep<WeightType::kBF16> {
  static constexpr std::size_t kColumns = 2;
  static constexpr std::size_t kBytes = 64;
#if defined(__AVX512BF16__)
  static constexpr std::size_t kActivationBytes = 4;
  static constexpr bool kRounded = true;
  using Numbers = F32x16;
  using Activations = I32x16;

  LOQUAT_SIMD static Numbers Load(const std::byte* at) {
    return LoadAs<F32x16>(at);
  }
  LOQUAT_SIMD static Activations Of(const std::byte* x) {
    return I32x16{} + LoadAs<std::int32_t>(x);
  }
  LOQUAT_SIMD static Activations OfHalf(const std::byte* x) {
    return I32x16{} + LoadAs<std::uint16_t>(x);
  }
  LOQUAT_SIMD static F32x16 Add(F32x16 sum, const Numbers& w, const Activations& x) {
    return BitsAs<F32x16>(_mm512_dpbf16_ps(BitsAs<__m512>(sum), BitsAs<__m512bh>(w), BitsAs<__m512bh>(x)));
  }
#else
  static constexpr std::size_t kActivationBytes = 2 * sizeof(float);
  static constexpr bool kRounded = false;
  struct Numbers {
    F32x16 first, second;
  };
  using Activations = Numbers;

  LOQUAT_SIMD static Numbers Load(const std::byte* at) {
    const auto both = LoadAs<U32x16>(at);
    return {BitsAs<F32x16>(both << 16U), BitsAs<F32x16>(both & 0xFFFF0000U)};
  }
  LOQUAT_SIMD static Activations Of(const std::byte* x) {
    return {Broadcast(LoadAs<float>(x)), Broadcast(LoadAs<float>(x + sizeof(float)))};
  }
  LOQUAT_SIMD static Activations OfHalf(const std::byte* x) {
    return {Broadcast(LoadAs<float>(x)), F32x16{}};
  }
  LOQUAT_SIMD static F32x16 Add(F32x16 sum, const Numbers& w, const Activations& x) {
    return MultiplyAdd(w.second, x.second, MultiplyAdd(w.first, x.first, sum));
  }
#endif
};

template <WeightType kType>
struct FloatKernel {
  using Step = FloatStep<kType>;

  // Sums begin anew after so many steps: 32 KiB of two panels, which many tokens meet from the first-level cache.
  static constexpr std::size_t kChunkSteps = 256;
#if defined(__AVX512F__)
  static constexpr std::size_t kPairTokens = 8, kTokens = 8;
#else
  static constexpr std::size_t kPairTokens = 2, kTokens = kType == WeightType::kBF16 ? 5 : 6;
#endif
  static constexpr std::size_t kSmallPiece = 512;
  static constexpr bool kAsksAhead = false;

  std::size_t cols;

  std::size_t steps() const {
    return (cols + Step::kColumns - 1) / Step::kColumns;
  }
  std::size_t panel_bytes() const {
    return (steps() * Step::kBytes + kLine - 1) / kLine * kLine;
  }
  std::size_t chunk(std::size_t) const {
    return kChunkSteps;
  }
  std::size_t at(std::size_t step) const {
    return step * Step::kBytes;
  }

  // The first chunk's sums are the outputs, those of the others are added to them.
  template <std::size_t kTile, typename Panels, typename Ahead>
  LOQUAT_SIMD void Tile(const Panels& panels, const PanelChunk& chunk, const TileIo& io, const Ahead& ahead) const {
    constexpr std::size_t kCount = Panels::kCount;
    F32x16 sums[kCount][kTile] = {};
    const auto add = [&](std::size_t step, auto activations_of) __attribute__((always_inline)) {
      typename Step::Numbers numbers[kCount];
#pragma clang loop unroll(full)
      for (std::size_t v = 0; v < kCount; ++v) numbers[v] = Step::Load(panels.at(v, step * Step::kBytes));
#pragma clang loop unroll(full)
      for (std::size_t t = 0; t < kTile; ++t) {
        const auto activations = activations_of(io.x + t * io.x_stride + step * Step::kActivationBytes);
#pragma clang loop unroll(full)
        for (std::size_t v = 0; v < kCount; ++v) sums[v][t] = Step::Add(sums[v][t], numbers[v], activations);
      }
    };
    const bool half = chunk.end * Step::kColumns > cols;  // Of the last step only the first column is there.
    const std::size_t whole = half ? chunk.end - 1 : chunk.end;
    for (std::size_t step = chunk.begin; step < whole; ++step) {
      ahead.Bring((step - chunk.begin) * Step::kBytes);
      add(
          step, [](const std::byte* x) __attribute__((always_inline)) { return Step::Of(x); });
    }
    if constexpr (Step::kColumns == 2) {
      if (half) {
        add(
            whole, [](const std::byte* x) __attribute__((always_inline)) { return Step::OfHalf(x); });
      }
    }
#pragma clang loop unroll(full)
    for (std::size_t v = 0; v < kCount; ++v) {
#pragma clang loop unroll(full)
      for (std::size_t t = 0; t < kTile; ++t) {
        float* const out = io.out + t * io.out_stride + v * kVector;
        const LaneMask kept = panels.kept[v];
        StoreLanes(out, chunk.begin == 0 ? sums[v][t] : LoadLanes(out, kept) + sums[v][t], kept);
      }
    }
  }
};

template <WeightType kType>
inline void MatmulPanelsAs(const Matrix& weights, std::size_t row_begin, std::size_t row_end, const MatmulIo& io) {
  constexpr bool kRounded = FloatStep<kType>::kRounded;
  const TileIo tile{.x = kRounded ? io.rounded : reinterpret_cast<const std::byte*>(io.x),
                    .x_stride = kRounded ? io.rounded_stride : io.x_stride * sizeof(float),
                    .out = io.out,
                    .out_stride = io.out_stride};
  const FloatKernel<kType> kernel{weights.cols};
  WalkPanels(kernel, weights.data, row_begin, row_end, tile, io.tokens, io.more);
}

}  // namespace
}  // namespace loquat::kernels
