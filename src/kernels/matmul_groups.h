// Interleaved blocks (kernels/interleave.h) that have a minimum, or several scales under one, times activations rounded
// to 8 bits: as matmul_interleaved.h, where w = scale * q + least. What the groups of a block have is read from its
// words by all sixteen rows at once. Included as simd.h says, by the tiers that multiply integers; pure functions on
// the caller's memory.

#pragma once

#include "kernels/panel_dots.h"
#include "kernels/panel_walk.h"
#include "kernels/transformer_kernels.h"

namespace loquat::kernels {
namespace {

inline constexpr std::size_t kWordLine = kVector * sizeof(std::uint32_t);  // One word of sixteen rows.

LOQUAT_SIMD U32x16 WordAt(const std::byte* words, std::size_t i) {
  return LoadAs<U32x16>(words + i * kWordLine);
}
// Nibbles of each byte: the low ones, or by a shift of four the high ones.
LOQUAT_SIMD U32x16 Nibbles(U32x16 word, std::uint32_t shift) {
  return word >> shift & 0x0F0F0F0FU;
}
// The half number in the lower half of each lane, or in the upper.
LOQUAT_SIMD F32x16 LowHalves(U32x16 word) {
  return FromF16(__builtin_convertvector(word & 0xFFFFU, U16x16));
}
LOQUAT_SIMD F32x16 HighHalves(U32x16 word) {
  return FromF16(__builtin_convertvector(word >> 16U, U16x16));
}
// Byte i of each lane as a number.
LOQUAT_SIMD F32x16 ByteOf(U32x16 word, std::size_t i) {
  return __builtin_convertvector(BitsAs<I32x16>(word >> static_cast<std::uint32_t>(8 * i) & 0xFFU), F32x16);
}
// Bits 0 to 3 of each lane as the fifth bits of its four bytes.
LOQUAT_SIMD U32x16 FifthBits(U32x16 bits) {
  return ((bits & 15U) * 0x00204081U & 0x01010101U) << 4U;
}

// What the blocks of a type say. A step is a block of the type; it has kSubs times 32 columns, each of these kGroups
// groups with a scale and a least of their own.
//   At(step)                     where the block's words begin in a panel
//   Scales(panel, step, out)     of all its groups
//   Quants(words, sub, k)        four columns from 4 k on of the sub-th 32, as bytes without signs
template <WeightType kType>
struct Groups;

template <std::size_t kSubs, std::size_t kGroups>
struct GroupScales {
  F32x16 scale[kSubs * kGroups], least[kSubs * kGroups];
};

// Four columns of 32 in sixteen bytes: columns c and c + 16 in one byte.
LOQUAT_SIMD U32x16 NibblesOf32(const std::byte* words, std::size_t k) {
  return Nibbles(WordAt(words, k % 4), k < 4 ? 0 : 4);
}
// And their fifth bits, those of all 32 columns in one word.
LOQUAT_SIMD U32x16 FifthBitsOf32(U32x16 bits, std::size_t k) {
  return FifthBits(bits >> static_cast<std::uint32_t>(4 * k));
}
// d, m in one word.
LOQUAT_SIMD void ScaleAndLeast(U32x16 both, GroupScales<1, 1>& out) {
  out.scale[0] = LowHalves(both);
  out.least[0] = HighHalves(both);
}

// d, m; nibbles.
template <>
struct Groups<WeightType::kQ4_1> {
  static constexpr std::size_t kSubs = 1, kGroups = 1, kBytes = 5 * kWordLine;
  static constexpr std::size_t At(std::size_t step) { return step * kBytes; }
  LOQUAT_SIMD static void Scales(const std::byte* panel, std::size_t step, GroupScales<1, 1>& out) {
    ScaleAndLeast(WordAt(panel + At(step), 0), out);
  }
  LOQUAT_SIMD static U32x16 Quants(const std::byte* words, std::size_t, std::size_t k) {
    return NibblesOf32(words + kWordLine, k);
  }
};

// d, m; the fifth bits; nibbles.
template <>
struct Groups<WeightType::kQ5_1> {
  static constexpr std::size_t kSubs = 1, kGroups = 1, kBytes = 6 * kWordLine;
  static constexpr std::size_t At(std::size_t step) { return step * kBytes; }
  LOQUAT_SIMD static void Scales(const std::byte* panel, std::size_t step, GroupScales<1, 1>& out) {
    ScaleAndLeast(WordAt(panel + At(step), 0), out);
  }
  LOQUAT_SIMD static U32x16 Quants(const std::byte* words, std::size_t, std::size_t k) {
    return NibblesOf32(words + 2 * kWordLine, k) | FifthBitsOf32(WordAt(words, 1), k);
  }
};

// d before the words of two blocks; the fifth bits; nibbles. w = d (q - 16).
template <>
struct Groups<WeightType::kQ5_0> {
  static constexpr std::size_t kSubs = 1, kGroups = 1, kBytes = 5 * kWordLine;
  static constexpr std::size_t kPair = kWordLine + 2 * kBytes;
  static constexpr std::size_t At(std::size_t step) { return step / 2 * kPair + kWordLine + step % 2 * kBytes; }
  LOQUAT_SIMD static void Scales(const std::byte* panel, std::size_t step, GroupScales<1, 1>& out) {
    out.scale[0] = FromF16(LoadAs<U16x16>(panel + step / 2 * kPair + step % 2 * sizeof(U16x16)));
    out.least[0] = out.scale[0] * -16.0F;
  }
  LOQUAT_SIMD static U32x16 Quants(const std::byte* words, std::size_t, std::size_t k) {
    return NibblesOf32(words + kWordLine, k) | FifthBitsOf32(WordAt(words, 0), k);
  }
};

// Words 0 to 3 of q4_k and q5_k: d, dmin; then scales and minima of eight groups in six bits each: those of the first
// four in the low bits of words 1 and 2, the others' low bits in the nibbles of word 3 and their upper two above the
// first four's.
LOQUAT_SIMD void ScalesAndMins(const std::byte* words, GroupScales<8, 1>& out) {
  const U32x16 head = WordAt(words, 0);
  const F32x16 d = LowHalves(head), least = -HighHalves(head);
  const U32x16 word[3] = {WordAt(words, 1), WordAt(words, 2), WordAt(words, 3)};
  const auto upper = [](U32x16 v) __attribute__((always_inline)) {
    return (v >> 6U & 0x03030303U) << 4U;
  };
  const U32x16 scales[2] = {word[0] & 0x3F3F3F3FU, Nibbles(word[2], 0) | upper(word[0])};
  const U32x16 mins[2] = {word[1] & 0x3F3F3F3FU, Nibbles(word[2], 4) | upper(word[1])};
#pragma clang loop unroll(full)
  for (std::size_t s = 0; s < 8; ++s) {
    out.scale[s] = ByteOf(scales[s / 4], s % 4) * d;
    out.least[s] = ByteOf(mins[s / 4], s % 4) * least;
  }
}

// Two times 32 columns in the nibbles of eight words.
template <>
struct Groups<WeightType::kQ4_K> {
  static constexpr std::size_t kSubs = 8, kGroups = 1, kBytes = 36 * kWordLine;
  static constexpr std::size_t At(std::size_t step) { return step * kBytes; }
  LOQUAT_SIMD static void Scales(const std::byte* panel, std::size_t step, GroupScales<8, 1>& out) {
    ScalesAndMins(panel + At(step), out);
  }
  LOQUAT_SIMD static U32x16 Quants(const std::byte* words, std::size_t sub, std::size_t k) {
    return Nibbles(WordAt(words, 4 + sub / 2 * 8 + k), static_cast<std::uint32_t>(sub % 2 * 4));
  }
};

// The same after eight words with the fifth bits: bit s of a byte is that of the s-th 32 columns.
template <>
struct Groups<WeightType::kQ5_K> {
  static constexpr std::size_t kSubs = 8, kGroups = 1, kBytes = 44 * kWordLine;
  static constexpr std::size_t At(std::size_t step) { return step * kBytes; }
  LOQUAT_SIMD static void Scales(const std::byte* panel, std::size_t step, GroupScales<8, 1>& out) {
    ScalesAndMins(panel + At(step), out);
  }
  LOQUAT_SIMD static U32x16 Quants(const std::byte* words, std::size_t sub, std::size_t k) {
    const U32x16 fifth = (WordAt(words, 4 + k) >> static_cast<std::uint32_t>(sub) & 0x01010101U) << 4U;
    return Nibbles(WordAt(words, 12 + sub / 2 * 8 + k), static_cast<std::uint32_t>(sub % 2 * 4)) | fifth;
  }
};

// d before the words: 32 of nibbles, 16 of upper two bits, 4 of scales with signs, one for 16 columns.
// w = d scale (q - 32).
template <>
struct Groups<WeightType::kQ6_K> {
  static constexpr std::size_t kSubs = 8, kGroups = 2, kBytes = kWordLine + 52 * kWordLine;
  static constexpr std::size_t At(std::size_t step) { return step * kBytes + kWordLine; }
  LOQUAT_SIMD static void Scales(const std::byte* panel, std::size_t step, GroupScales<8, 2>& out) {
    const std::byte* const words = panel + At(step);
    const F32x16 d = FromF16(LoadAs<U16x16>(words - kWordLine));
#pragma clang loop unroll(full)
    for (std::size_t g = 0; g < 16; ++g) {
      const I32x16 top = BitsAs<I32x16>(WordAt(words, 48 + g / 4) << static_cast<std::uint32_t>(24 - 8 * (g % 4)));
      out.scale[g] = __builtin_convertvector(top >> 24, F32x16) * d;
      out.least[g] = out.scale[g] * -32.0F;
    }
  }
  LOQUAT_SIMD static U32x16 Quants(const std::byte* words, std::size_t sub, std::size_t k) {
    const std::size_t half = sub / 4, quarter = sub % 4;
    const U32x16 low = Nibbles(WordAt(words, half * 16 + quarter % 2 * 8 + k), quarter < 2 ? 0 : 4);
    const U32x16 high = WordAt(words, 32 + half * 8 + k) >> static_cast<std::uint32_t>(2 * quarter) & 0x03030303U;
    return low | high << 4U;
  }
};

// Where a tile has its groups from: the panels as they lie, which serves a few tokens,
template <WeightType kType, std::size_t kCount>
class LyingGroups {
 public:
  using Type = Groups<kType>;
  template <typename Panels>
  LOQUAT_SIMD LyingGroups(const Panels& panels, std::size_t step) {
#pragma clang loop unroll(full)
    for (std::size_t v = 0; v < kCount; ++v) {
      words_[v] = panels.at(v, Type::At(step));
      Type::Scales(panels.at(v, 0), step, scales_[v]);
    }
  }
  LOQUAT_SIMD I32x16 quants(std::size_t v, std::size_t sub, std::size_t k) const {
    return BitsAs<I32x16>(Type::Quants(words_[v], sub, k));
  }
  LOQUAT_SIMD F32x16 scale(std::size_t v, std::size_t group) const {
    return scales_[v].scale[group];
  }
  LOQUAT_SIMD F32x16 least(std::size_t v, std::size_t group) const {
    return scales_[v].least[group];
  }

 private:
  const std::byte* words_[kCount];
  GroupScales<Type::kSubs, Type::kGroups> scales_[kCount];
};

// or a chunk of them that was taken apart once for many tiles.
template <WeightType kType>
struct OpenGroups {
  static constexpr std::size_t kSubs = Groups<kType>::kSubs, kGroups = Groups<kType>::kGroups;
  static constexpr std::size_t kPanels = 2;  // At most.
  GroupScales<kSubs, kGroups> scales[kPanels];
  I32x16 words[kSubs][kActivationBlock / 4][kPanels];

  LOQUAT_SIMD I32x16 quants(std::size_t v, std::size_t sub, std::size_t k) const { return words[sub][k][v]; }
  LOQUAT_SIMD F32x16 scale(std::size_t v, std::size_t group) const { return scales[v].scale[group]; }
  LOQUAT_SIMD F32x16 least(std::size_t v, std::size_t group) const { return scales[v].least[group]; }

  template <std::size_t kCount>
  LOQUAT_SIMD void Take(const LyingGroups<kType, kCount>& from) {
#pragma clang loop unroll(full)
    for (std::size_t v = 0; v < kCount; ++v) {
      for (std::size_t g = 0; g < kSubs * kGroups; ++g) {
        scales[v].scale[g] = from.scale(v, g);
        scales[v].least[g] = from.least(v, g);
      }
      for (std::size_t sub = 0; sub < kSubs; ++sub) {
#pragma clang loop unroll(full)
        for (std::size_t k = 0; k < kActivationBlock / 4; ++k) words[sub][k][v] = from.quants(v, sub, k);
      }
    }
  }
};

// kOpen: chunks are taken apart first.
template <WeightType kType, bool kOpen>
struct GroupKernel {
  using Type = Groups<kType>;
  static constexpr std::size_t kSubs = Type::kSubs, kGroups = Type::kGroups;
  static constexpr std::size_t kWords = kActivationBlock / 4;  // Of 32 columns of activations.

#if defined(__AVX512F__)
  static constexpr std::size_t kPairTokens = 6, kTokens = 6;  // Twelve integer sums and twelve of floats.
#else
  static constexpr std::size_t kPairTokens = 1, kTokens = 4;
#endif
  static constexpr bool kFewTiles = kOpen;  // Asked for at once.
  static constexpr bool kAsksAhead = true;
  // With the tile's activations, what the first-level cache holds.
  static constexpr std::size_t kChunkSteps = 16 / kSubs;

  std::size_t cols;
  OpenGroups<kType> open[kOpen ? kChunkSteps : 1];

  explicit GroupKernel(std::size_t columns) : cols(columns) {}

  std::size_t steps() const {
    return cols / (kSubs * kActivationBlock);
  }
  std::size_t panel_bytes() const {
    const std::size_t whole = kType == WeightType::kQ5_0 ? steps() + steps() % 2 : steps();
    return Type::At(whole) - Type::At(0);
  }
  // One token is met by a stream that has no end but the panels'.
  std::size_t chunk(std::size_t tokens) const {
    return tokens == 1 && !kOpen ? steps() : kChunkSteps;
  }
  std::size_t at(std::size_t step) const {
    return Type::At(step) - Type::At(0);
  }

  template <typename Panels>
  void BeforeChunk(const Panels& panels, const PanelChunk& chunk) requires kOpen {
    for (std::size_t step = chunk.begin; step < chunk.end; ++step) {
      open[step - chunk.begin].Take(LyingGroups<kType, Panels::kCount>(panels, step));
    }
  }

  template <std::size_t kTile, typename Panels, typename Ahead>
  LOQUAT_SIMD void Tile(const Panels& panels, const PanelChunk& chunk, const TileIo& io, const Ahead& ahead) const {
    constexpr std::size_t kCount = Panels::kCount;
    TileSums<kCount, kTile> sums;
    sums.Load(panels, chunk, io);
    for (std::size_t step = chunk.begin; step < chunk.end; ++step) {
      const auto add = [&](const auto& groups) __attribute__((always_inline)) {
#pragma clang loop unroll(disable)
        for (std::size_t sub = 0; sub < kSubs; ++sub) {
          ahead.BringShare((step - chunk.begin) * kSubs + sub, (chunk.end - chunk.begin) * kSubs);
          AddSub<kTile, kCount>(groups, sub, io, step * kSubs + sub, sums);
        }
      };
      if constexpr (kOpen) {
        add(open[step - chunk.begin]);
      } else {
        add(LyingGroups<kType, kCount>(panels, step));
      }
    }
    sums.Store(panels, io);
  }

 private:
  // 32 columns, which meet a block of activations.
  template <std::size_t kTile, std::size_t kCount, typename From>
  LOQUAT_SIMD static void AddSub(const From& from, std::size_t sub, const TileIo& io, std::size_t block,
                                 TileSums<kCount, kTile>& sums) {
#pragma clang loop unroll(full)
    for (std::size_t group = 0; group < kGroups; ++group) {
      I32x16 dots[kCount][kTile] = {};
#pragma clang loop unroll(full)
      for (std::size_t i = 0; i < kWords / kGroups; ++i) {
        const std::size_t k = group * (kWords / kGroups) + i;
        I32x16 quants[kCount];
#pragma clang loop unroll(full)
        for (std::size_t v = 0; v < kCount; ++v) quants[v] = from.quants(v, sub, k);
#pragma clang loop unroll(full)
        for (std::size_t t = 0; t < kTile; ++t) {
          const I32x16 columns = BroadcastWord(BlockOf(io, t, block).quants + 4 * k);
#pragma clang loop unroll(full)
          for (std::size_t v = 0; v < kCount; ++v) dots[v][t] = AddSmallProducts(dots[v][t], quants[v], columns);
        }
      }
#pragma clang loop unroll(full)
      for (std::size_t v = 0; v < kCount; ++v) {
        const F32x16 scale = from.scale(v, sub * kGroups + group), least = from.least(v, sub * kGroups + group);
#pragma clang loop unroll(full)
        for (std::size_t t = 0; t < kTile; ++t) {
          const ActivationBlock& x = BlockOf(io, t, block);
          const float sum = kGroups == 1 ? x.sum : x.half_sums[group];
          sums.of[v][t] = MultiplyAdd(__builtin_convertvector(dots[v][t], F32x16), scale * x.scale, sums.of[v][t]);
          sums.of[v][t] = MultiplyAdd(least, Broadcast(sum), sums.of[v][t]);
        }
      }
    }
  }
};
static_assert(sizeof(GroupKernel<WeightType::kQ6_K, true>) <= kKernelStackBytes / 2);

template <WeightType kType>
inline void MatmulGroupsAs(const Matrix& weights, std::size_t row_begin, std::size_t row_end, const MatmulIo& io) {
  const TileIo tile{.x = io.rounded, .x_stride = io.rounded_stride, .out = io.out, .out_stride = io.out_stride};
  constexpr std::size_t kOpenFromTokens = 2 * GroupKernel<kType, false>::kTokens + 1;
  if (io.tokens < kOpenFromTokens) {
    GroupKernel<kType, false> kernel(weights.cols);
    WalkPanels(kernel, weights.data, row_begin, row_end, tile, io.tokens, io.more);
  } else {
    GroupKernel<kType, true> kernel(weights.cols);
    WalkPanels(kernel, weights.data, row_begin, row_end, tile, io.tokens, io.more);
  }
}

inline void MatmulGroups(const Matrix& weights, std::size_t row_begin, std::size_t row_end, const MatmulIo& io) {
  switch (weights.type) {
    case WeightType::kQ4_1:
      return MatmulGroupsAs<WeightType::kQ4_1>(weights, row_begin, row_end, io);
    case WeightType::kQ5_0:
      return MatmulGroupsAs<WeightType::kQ5_0>(weights, row_begin, row_end, io);
    case WeightType::kQ5_1:
      return MatmulGroupsAs<WeightType::kQ5_1>(weights, row_begin, row_end, io);
    case WeightType::kQ4_K:
      return MatmulGroupsAs<WeightType::kQ4_K>(weights, row_begin, row_end, io);
    case WeightType::kQ5_K:
      return MatmulGroupsAs<WeightType::kQ5_K>(weights, row_begin, row_end, io);
    case WeightType::kQ6_K:
      return MatmulGroupsAs<WeightType::kQ6_K>(weights, row_begin, row_end, io);
    default:
      return;  // Others have kernels of their own.
  }
}

}  // namespace
}  // namespace loquat::kernels
