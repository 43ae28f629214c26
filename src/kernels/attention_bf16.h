// Attention of a few queries over rows of keys and values, all rounded to bfloat16, as are the weights of the values:
// by dot products of pairs, which sum in binary32. For models whose linear layers round their inputs as well. Block by
// block with a running maximum, as attention_simd.h; scores are powers of two rather than of e. Included as simd.h
// says, by the tier with AVX512-BF16; pure functions on the caller's memory.

#pragma once

#include <immintrin.h>

#include "kernels/attention_simd.h"

namespace loquat::kernels {
namespace {

inline constexpr std::size_t kPairTileQueries = 8;  // Queries whose sums the registers hold together.
inline constexpr std::size_t kTokenPairs = kAttentionBlockTokens / 2;
inline constexpr std::size_t kColumnPairsMax = kHeadWidthMax / 2;
static_assert(kTokenPairs == kVector, "the weights of a query are one vector of pairs");

// Two numbers of 16 bits in each word.
struct PairBlock {
  alignas(64) std::uint32_t keys[kColumnPairsMax * kAttentionBlockTokens];  // [pair of columns, token]
  alignas(64) std::uint32_t values[kTokenPairs * kHeadWidthMax];            // [pair of tokens, padded width]
};

struct PairState {
  alignas(64) std::uint32_t q[kAttentionQueriesMax * kColumnPairsMax];  // [query, padded pairs of columns], scaled.
  alignas(64) float sum[kAttentionQueriesMax * kHeadWidthMax];          // [query, padded width]
  alignas(64) float weight[kAttentionQueriesMax * kVector];             // Sums in lanes: [query, 16]
  float greatest[kAttentionQueriesMax];
};
static_assert(sizeof(PairBlock) + sizeof(PairState) <= kKernelStackBytes);

// What a head's width takes.
struct PairWidths {
  explicit PairWidths(std::size_t width)
      : width(width),
        padded((width + kVector - 1) / kVector * kVector),
        pairs((width + 1) / 2),
        padded_pairs((pairs + kVector - 1) / kVector * kVector) {}
  std::size_t width;         // Columns;
  std::size_t padded;        // and with those that fill the last vector.
  std::size_t pairs;         // Pairs of columns;
  std::size_t padded_pairs;  // and with those that fill the last vector.
};

LOQUAT_SIMD F32x16 AddProducts(F32x16 sum, F32x16 a, F32x16 b) {
  return BitsAs<F32x16>(_mm512_dpbf16_ps(BitsAs<__m512>(sum), BitsAs<__m512bh>(a), BitsAs<__m512bh>(b)));
}
LOQUAT_SIMD F32x16 LoadPairs(const std::uint32_t* p) {
  return LoadAs<F32x16>(p);
}
LOQUAT_SIMD F32x16 BroadcastPair(std::uint32_t pair) {
  return BitsAs<F32x16>(_mm512_set1_epi32(static_cast<int>(pair)));
}
LOQUAT_SIMD void StorePairs(std::uint32_t* p, F32x16 v) {
  __builtin_memcpy(p, &v, sizeof v);
}

// 32 numbers in order: those of `low`, then those of `high`.
LOQUAT_SIMD F32x16 RoundPairs(F32x16 low, F32x16 high) {
  return BitsAs<F32x16>(_mm512_cvtne2ps_pbh(BitsAs<__m512>(high), BitsAs<__m512>(low)));
}

// Up to 32 numbers of a row.
LOQUAT_SIMD F32x16 LoadRounded(const float* row, std::size_t count, float scale) {
  const F32x16 low = Load(row, count < kVector ? count : kVector) * scale;
  return RoundPairs(low, count > kVector ? Load(row + kVector, count - kVector) * scale : F32x16{});
}

// 2^x within 2^-13 of itself, for x up to 0; below -126 next to nothing. A NaN stays one.
LOQUAT_SIMD F32x16 RoughExp2(F32x16 x) {
  const __m512 bounded = _mm512_max_ps(_mm512_set1_ps(-126), BitsAs<__m512>(x));
  const __m512 whole = _mm512_roundscale_ps(bounded, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const F32x16 r = BitsAs<F32x16>(_mm512_sub_ps(bounded, whole));
  // The least relative error that three degrees can have on [-0.5, 0.5]: 7.5e-5.
  F32x16 p = MultiplyAdd(Broadcast(0.05517167F), r, Broadcast(0.24261112F));
  p = MultiplyAdd(p, r, Broadcast(0.69326099F));
  p = MultiplyAdd(p, r, Broadcast(0.99992807F));
  return BitsAs<F32x16>(_mm512_scalef_ps(BitsAs<__m512>(p), whole));
}

// Tokens that the block lacks are zeros, and so are columns up to the padded width.
inline void LoadKeyPairs(const float* rows, std::size_t stride, std::size_t count, std::size_t width,
                         std::uint32_t* out) {
  for (std::size_t j = 0; j < kAttentionBlockTokens; j += kVector) {
    for (std::size_t k = 0; k < width; k += 2 * kVector) {
      const std::size_t n = width - k < 2 * kVector ? width - k : 2 * kVector;
      F32x16 square[kVector];
#pragma clang loop unroll(full)
      for (std::size_t i = 0; i < kVector; ++i) {
        square[i] = j + i < count ? LoadRounded(rows + (j + i) * stride + k, n, 1) : F32x16{};
      }
      Transpose(square);
#pragma clang loop unroll(full)
      for (std::size_t i = 0; i < kVector; ++i) {
        StorePairs(out + (k / 2 + i) * kAttentionBlockTokens + j, square[i]);
      }
    }
  }
}

inline void LoadValuePairs(const float* rows, std::size_t stride, std::size_t count, const PairWidths& widths,
                           std::uint32_t* out) {
  const __m512i in_turn = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                                           21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  for (std::size_t j = 0; j < count; j += 2) {
    const float* const row = rows + j * stride;
    std::uint32_t* const pairs = out + j / 2 * widths.padded;
    ForVectors(
        widths.width, [&](std::size_t k, std::size_t n) __attribute__((always_inline)) {
          const F32x16 next = j + 1 < count ? Load(row + stride + k, n) : F32x16{};
          const auto both = BitsAs<__m512i>(RoundPairs(Load(row + k, n), next));
          StorePairs(pairs + k, BitsAs<F32x16>(_mm512_permutexvar_epi16(in_turn, both)));
        });
  }
}

// The scores of kQueries queries for all tokens of the block.
template <std::size_t kQueries>
LOQUAT_SIMD void PairScores(const std::uint32_t* q, const std::uint32_t* keys, const PairWidths& widths,
                            F32x16 (&scores)[kQueries][kBlockVectors]) {
#pragma clang loop unroll(full)
  for (std::size_t i = 0; i < kQueries; ++i) scores[i][0] = scores[i][1] = F32x16{};
  for (std::size_t k = 0; k < widths.pairs; ++k) {
    const std::uint32_t* const columns = keys + k * kAttentionBlockTokens;
    const F32x16 low = LoadPairs(columns), high = LoadPairs(columns + kVector);
#pragma clang loop unroll(full)
    for (std::size_t i = 0; i < kQueries; ++i) {
      const F32x16 one = BroadcastPair(q[i * widths.padded_pairs + k]);
      scores[i][0] = AddProducts(scores[i][0], one, low);
      scores[i][1] = AddProducts(scores[i][1], one, high);
    }
  }
}

// sum = sum * factor + the values weighted, for kVectors vectors of columns of each of kQueries queries.
template <std::size_t kQueries, std::size_t kVectors>
LOQUAT_SIMD void AddPairColumns(const std::uint32_t* weights, const float* factors, const std::uint32_t* values,
                                std::size_t pairs, std::size_t padded, float* sum) {
  F32x16 sums[kQueries][kVectors];
#pragma clang loop unroll(full)
  for (std::size_t i = 0; i < kQueries; ++i) {
#pragma clang loop unroll(full)
    for (std::size_t c = 0; c < kVectors; ++c) sums[i][c] = Load(sum + i * padded + c * kVector) * factors[i];
  }
  for (std::size_t j = 0; j < pairs; ++j) {
    F32x16 value[kVectors];
#pragma clang loop unroll(full)
    for (std::size_t c = 0; c < kVectors; ++c) value[c] = LoadPairs(values + j * padded + c * kVector);
#pragma clang loop unroll(full)
    for (std::size_t i = 0; i < kQueries; ++i) {
      const F32x16 weight = BroadcastPair(weights[i * kTokenPairs + j]);
#pragma clang loop unroll(full)
      for (std::size_t c = 0; c < kVectors; ++c) sums[i][c] = AddProducts(sums[i][c], weight, value[c]);
    }
  }
#pragma clang loop unroll(full)
  for (std::size_t i = 0; i < kQueries; ++i) {
#pragma clang loop unroll(full)
    for (std::size_t c = 0; c < kVectors; ++c) Store(sum + i * padded + c * kVector, sums[i][c]);
  }
}

// Of queries [first, first + kQueries): from their scores for the first `count` tokens of the block to the tokens'
// weights, pairs of them [query, 16]; `factors` are what the sums before are rescaled by, 0 at first.
template <std::size_t kQueries>
LOQUAT_SIMD void WeighScores(F32x16 (&scores)[kQueries][kBlockVectors], std::size_t count, std::size_t first,
                             PairState& state, std::uint32_t* weights, float* factors) {
  const I32x16 lane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  const auto tokens = static_cast<std::int32_t>(count);
  const F32x16 unseen = Broadcast(kNoScore);
  alignas(64) float exponents[kVector] = {};  // One vector for all.
#pragma clang loop unroll(full)
  for (std::size_t i = 0; i < kQueries; ++i) {
    scores[i][0] = lane < tokens ? scores[i][0] : unseen;
    scores[i][1] = lane + 16 < tokens ? scores[i][1] : unseen;
    float& greatest = state.greatest[first + i];
    const float here = _mm512_reduce_max_ps(_mm512_max_ps(BitsAs<__m512>(scores[i][0]), BitsAs<__m512>(scores[i][1])));
    const float now = greatest > here ? greatest : here;
    exponents[i] = greatest - now;
    greatest = now;
  }
  Store(factors, Exp(Load(exponents) * 0.69314718F));  // Exactly 1 where nothing changes.
  const F32x16 ones = BroadcastPair(0x3F803F80U);
#pragma clang loop unroll(full)
  for (std::size_t i = 0; i < kQueries; ++i) {
    const float greatest = state.greatest[first + i];
    const F32x16 pairs = RoundPairs(RoughExp2(scores[i][0] - greatest), RoughExp2(scores[i][1] - greatest));
    StorePairs(weights + i * kTokenPairs, pairs);
    float* const weight = state.weight + (first + i) * kVector;
    Store(weight, AddProducts(Load(weight) * factors[i], pairs, ones));
  }
}

// Queries [first, first + kQueries) meet the first `count` tokens of the block.
template <std::size_t kQueries>
inline void AttendPairTile(const PairBlock& block, const PairWidths& widths, std::size_t count, std::size_t first,
                           PairState& state) {
  alignas(64) std::uint32_t weights[kQueries * kTokenPairs];
  alignas(64) float factors[kVector];
  F32x16 scores[kQueries][kBlockVectors];
  PairScores<kQueries>(state.q + first * widths.padded_pairs, block.keys, widths, scores);
  WeighScores<kQueries>(scores, count, first, state, weights, factors);
  float* const sum = state.sum + first * widths.padded;
  const std::size_t pairs = (count + 1) / 2;
  std::size_t c = 0;
  for (; c + 2 * kVector <= widths.padded; c += 2 * kVector) {
    AddPairColumns<kQueries, 2>(weights, factors, block.values + c, pairs, widths.padded, sum + c);
  }
  if (c < widths.padded) {
    AddPairColumns<kQueries, 1>(weights, factors, block.values + c, pairs, widths.padded, sum + c);
  }
}

template <std::size_t kQueries>
LOQUAT_SIMD void AttendPairTiles(const PairBlock& block, const PairWidths& widths, std::size_t count, std::size_t first,
                                 std::size_t end, PairState& state) {
  for (; first + kQueries <= end; first += kQueries) {
    AttendPairTile<kQueries>(block, widths, count, first, state);
  }
  if constexpr (kQueries > 1) AttendPairTiles<kQueries / 2>(block, widths, count, first, end, state);
}

// By vectors.
struct PairVectors {
  static constexpr std::size_t kQueryStep = 1;

  // `queries` of the state meet the first `count` tokens of the block.
  static void Attend(PairBlock& block, const PairWidths& widths, std::size_t count, std::size_t queries,
                     PairState& state) {
    AttendPairTiles<kPairTileQueries>(block, widths, count, 0, queries, state);
  }
};

// Products::kQueryStep: queries are taken so many at a time, those that are lacking as zeros.
template <typename Products>
inline void AttendRowsInPairs(const AttentionQueries& queries, const RowKeys& keys) {
  constexpr float kLog2E = 1.44269504F;
  constexpr std::size_t kStep = Products::kQueryStep;
  static_assert(kAttentionQueriesMax % kStep == 0);
  PairBlock block;
  PairState state;
  const PairWidths widths(queries.head_width);
  const std::size_t count = queries.tokens * queries.heads, taken = (count + kStep - 1) / kStep * kStep;
  for (std::size_t i = 0; i < taken; ++i) {
    const std::size_t row = i < count ? i : 0;
    const float* const q = queries.q + row / queries.heads * queries.q_stride + row % queries.heads * widths.width;
    const float scale = i < count ? queries.scale * kLog2E : 0;
    for (std::size_t k = 0; k < widths.width; k += 2 * kVector) {
      const std::size_t n = widths.width - k < 2 * kVector ? widths.width - k : 2 * kVector;
      StorePairs(state.q + i * widths.padded_pairs + k / 2, LoadRounded(q + k, n, scale));
    }
    for (std::size_t k = 0; k < widths.padded; k += kVector) Store(state.sum + i * widths.padded + k, F32x16{});
    Store(state.weight + i * kVector, F32x16{});
    state.greatest[i] = kNoScore;
  }
  for (std::size_t first = 0; first < keys.tokens; first += kAttentionBlockTokens) {
    const std::size_t left = keys.tokens - first;
    const std::size_t tokens = left < kAttentionBlockTokens ? left : kAttentionBlockTokens;
    LoadKeyPairs(keys.keys + first * keys.stride, keys.stride, tokens, widths.width, block.keys);
    LoadValuePairs(keys.values + first * keys.stride, keys.stride, tokens, widths, block.values);
    Products::Attend(block, widths, tokens, taken, state);
  }
  for (std::size_t i = 0; i < count; ++i) {
    float* const out = queries.out + i / queries.heads * queries.out_stride + i % queries.heads * widths.width;
    const float scale = 1.0F / Sum(Load(state.weight + i * kVector));
    ForVectors(
        widths.width, [&](std::size_t k, std::size_t n) __attribute__((always_inline)) {
          Store(out + k, Load(state.sum + i * widths.padded + k) * scale, n);
        });
  }
}

}  // namespace
}  // namespace loquat::kernels
