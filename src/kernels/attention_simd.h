// Attention of a few queries over blocks of keys and values; included as simd.h says. A block is brought to floats
// once, its keys with the tokens along the lanes, and then met by the queries that see it, a few at a time, so that
// what is loaded serves them all; what a query has gathered so far (greatest score, sum of weights, weighted values) is
// rescaled when its greatest score grows.

#pragma once

#include "kernels/simd.h"
#include "kernels/transformer_kernels.h"

namespace loquat::kernels {
namespace {

inline constexpr float kNoScore = -__builtin_inff();
inline constexpr std::size_t kBlockVectors = kAttentionBlockTokens / kVector;
static_assert(kBlockVectors == 2, "the scores of a query are a low and a high vector");

// Queries whose sums the registers hold together.
#if defined(__AVX512F__)
inline constexpr std::size_t kTileQueries = 4;
#else
inline constexpr std::size_t kTileQueries = 1;
#endif

struct AttentionBlock {
  alignas(64) float keys[kHeadWidthMax * kAttentionBlockTokens];    // [column, token]
  alignas(64) float values[kAttentionBlockTokens * kHeadWidthMax];  // [token, padded width]
};

struct AttentionState {
  alignas(64) float q[kAttentionQueriesMax * kHeadWidthMax];    // [query, padded width], scaled.
  alignas(64) float sum[kAttentionQueriesMax * kHeadWidthMax];  // [query, padded width]
  float greatest[kAttentionQueriesMax];
  float weight[kAttentionQueriesMax];
};
static_assert(sizeof(AttentionBlock) + sizeof(AttentionState) <= kKernelStackBytes);

// The scores of kQueries queries for all tokens of the block: [query, token]. Even and odd columns are summed apart.
template <std::size_t kQueries>
LOQUAT_SIMD void Scores(const float* q, const float* keys, std::size_t width, std::size_t padded, float* scores) {
  F32x16 sums[2][kQueries][kBlockVectors] = {};
  const auto add = [&](F32x16(&to)[kQueries][kBlockVectors], std::size_t k) __attribute__((always_inline)) {
    const float* const column = keys + k * kAttentionBlockTokens;
    const F32x16 low = Load(column), high = Load(column + kVector);
#pragma clang loop unroll(full)
    for (std::size_t i = 0; i < kQueries; ++i) {
      const F32x16 one = Broadcast(q[i * padded + k]);
      to[i][0] = MultiplyAdd(one, low, to[i][0]);
      to[i][1] = MultiplyAdd(one, high, to[i][1]);
    }
  };
  std::size_t k = 0;
  for (; k + 2 <= width; k += 2) {
    add(sums[0], k);
    add(sums[1], k + 1);
  }
  if (k < width) add(sums[0], k);
#pragma clang loop unroll(full)
  for (std::size_t i = 0; i < kQueries; ++i) {
#pragma clang loop unroll(full)
    for (std::size_t v = 0; v < kBlockVectors; ++v) {
      Store(scores + i * kAttentionBlockTokens + v * kVector, sums[0][i][v] + sums[1][i][v]);
    }
  }
}

// The greatest of the first `count` scores and of `before`; the others become what no query sees.
LOQUAT_SIMD float GreatestScore(float* scores, std::size_t count, float before) {
  for (std::size_t j = count; j < kAttentionBlockTokens; ++j) scores[j] = kNoScore;
  const F32x16 low = Load(scores), high = Load(scores + kVector);
  const float greatest = Max(low > high ? low : high);
  return before > greatest ? before : greatest;
}

// Scores to weights beside a greatest score; returns their sum.
LOQUAT_SIMD float Weigh(float* scores, float greatest) {
  const F32x16 low = Exp(Load(scores) - greatest);
  const F32x16 high = Exp(Load(scores + kVector) - greatest);
  Store(scores, low);
  Store(scores + kVector, high);
  return Sum(low + high);
}

// sum = sum * factor + the values weighted by `weights`, for tokens [begin, end) and kVectors vectors of columns of
// each of kQueries queries.
template <std::size_t kQueries, std::size_t kVectors>
LOQUAT_SIMD void AddColumns(const float* weights, const float* factors, const float* values, std::size_t begin,
                            std::size_t end, std::size_t padded, float* sum) {
  F32x16 sums[kQueries][kVectors];
#pragma clang loop unroll(full)
  for (std::size_t i = 0; i < kQueries; ++i) {
#pragma clang loop unroll(full)
    for (std::size_t c = 0; c < kVectors; ++c) sums[i][c] = Load(sum + i * padded + c * kVector) * factors[i];
  }
  for (std::size_t j = begin; j < end; ++j) {
    F32x16 value[kVectors];
#pragma clang loop unroll(full)
    for (std::size_t c = 0; c < kVectors; ++c) value[c] = Load(values + j * padded + c * kVector);
#pragma clang loop unroll(full)
    for (std::size_t i = 0; i < kQueries; ++i) {
      const F32x16 weight = Broadcast(weights[i * kAttentionBlockTokens + j]);
#pragma clang loop unroll(full)
      for (std::size_t c = 0; c < kVectors; ++c) sums[i][c] = MultiplyAdd(weight, value[c], sums[i][c]);
    }
  }
#pragma clang loop unroll(full)
  for (std::size_t i = 0; i < kQueries; ++i) {
#pragma clang loop unroll(full)
    for (std::size_t c = 0; c < kVectors; ++c) Store(sum + i * padded + c * kVector, sums[i][c]);
  }
}

template <std::size_t kQueries>
LOQUAT_SIMD void AddValues(const float* weights, const float* factors, const float* values, std::size_t begin,
                           std::size_t end, std::size_t padded, float* sum) {
  std::size_t c = 0;
  for (; c + 4 * kVector <= padded; c += 4 * kVector) {
    AddColumns<kQueries, 4>(weights, factors, values + c, begin, end, padded, sum + c);
  }
  for (; c + 2 * kVector <= padded; c += 2 * kVector) {
    AddColumns<kQueries, 2>(weights, factors, values + c, begin, end, padded, sum + c);
  }
  if (c < padded) AddColumns<kQueries, 1>(weights, factors, values + c, begin, end, padded, sum + c);
}

// Queries [first, first + kQueries) meet the block; `visible(i)` is how many of its tokens query i sees: at least one,
// and no fewer than the query before it.
template <std::size_t kQueries, typename Visible>
inline void AttendTile(const AttentionBlock& block, std::size_t width, std::size_t padded, std::size_t first,
                       AttentionState& state, const Visible& visible) {
  alignas(64) float weights[kQueries * kAttentionBlockTokens];
  alignas(64) float factors[kVector] = {};  // By what a query's sums are rescaled: 0 at first. One vector for all.
  Scores<kQueries>(state.q + first * padded, block.keys, width, padded, weights);
  for (std::size_t i = 0; i < kQueries; ++i) {
    float& greatest = state.greatest[first + i];
    const float now = GreatestScore(weights + i * kAttentionBlockTokens, visible(first + i), greatest);
    factors[i] = greatest - now;
    greatest = now;
  }
  Store(factors, Exp(Load(factors)));
  for (std::size_t i = 0; i < kQueries; ++i) {
    float& weight = state.weight[first + i];
    weight = weight * factors[i] + Weigh(weights + i * kAttentionBlockTokens, state.greatest[first + i]);
  }
  // A value that a query does not see is not touched for it, not even with a weight of zero: it may be no number.
  const std::size_t common = visible(first);
  float* const sum = state.sum + first * padded;
  AddValues<kQueries>(weights, factors, block.values, 0, common, padded, sum);
  for (std::size_t i = 1; i < kQueries; ++i) {
    const std::size_t own = visible(first + i);
    const float factor = 1;
    if (own == common) continue;
    AddValues<1>(weights + i * kAttentionBlockTokens, &factor, block.values, common, own, padded, sum + i * padded);
  }
}

template <std::size_t kQueries, typename Visible>
LOQUAT_SIMD void AttendTiles(const AttentionBlock& block, std::size_t width, std::size_t padded, std::size_t first,
                             std::size_t count, AttentionState& state, const Visible& visible) {
  for (; first + kQueries <= count; first += kQueries) {
    AttendTile<kQueries>(block, width, padded, first, state, visible);
  }
  if constexpr (kQueries > 1) AttendTiles<kQueries - 1>(block, width, padded, first, count, state, visible);
}

// `load(first, count, block)` brings tokens [first, first + count); `seen(t)` is how many tokens query token t sees, no
// fewer than the one before it.
template <typename LoadBlock, typename Seen>
LOQUAT_SIMD void Attend(const AttentionQueries& queries, std::size_t keys, LoadBlock&& load, Seen&& seen) {
  AttentionBlock block;
  AttentionState state;
  const std::size_t width = queries.head_width;
  const std::size_t padded = (width + kVector - 1) / kVector * kVector;
  const std::size_t count = queries.tokens * queries.heads;
  for (std::size_t i = 0; i < count; ++i) {
    const float* q = queries.q + i / queries.heads * queries.q_stride + i % queries.heads * width;
    ForVectors(
        width, [&](std::size_t k, std::size_t n) __attribute__((always_inline)) {
          Store(state.q + i * padded + k, Load(q + k, n) * queries.scale);
          Store(state.sum + i * padded + k, F32x16{});
        });
    state.greatest[i] = kNoScore;
    state.weight[i] = 0;
  }
  for (std::size_t first = 0; first < keys; first += kAttentionBlockTokens) {
    const std::size_t tokens = keys - first < kAttentionBlockTokens ? keys - first : kAttentionBlockTokens;
    load(first, tokens, padded, block);
    std::size_t blind = 0;  // Queries that come before the block.
    while (blind < count && seen(blind / queries.heads) <= first) ++blind;
    AttendTiles<kTileQueries>(block, width, padded, blind, count, state, [&](std::size_t i) {
      const std::size_t limit = seen(i / queries.heads);
      return limit - first < tokens ? limit - first : tokens;
    });
  }
  for (std::size_t i = 0; i < count; ++i) {
    float* out = queries.out + i / queries.heads * queries.out_stride + i % queries.heads * width;
    const float scale = 1.0F / state.weight[i];
    ForVectors(
        width, [&](std::size_t k, std::size_t n)
                   __attribute__((always_inline)) { Store(out + k, Load(state.sum + i * padded + k) * scale, n); });
  }
}

// `count` rows of `width` halves, or as many columns of keys, `padded` floats apart afterwards.
template <typename Convert>
LOQUAT_SIMD void LoadHalfRows(const std::byte* rows, std::size_t count, std::size_t width, std::size_t padded,
                              float* out, Convert convert) {
  for (std::size_t j = 0; j < count; ++j) {
    const std::byte* row = rows + j * width * sizeof(std::uint16_t);
    ForVectors(
        width, [&](std::size_t k, std::size_t n) __attribute__((always_inline)) {
          U16x16 halves = {};
          __builtin_memcpy(&halves, row + k * sizeof(std::uint16_t), n * sizeof(std::uint16_t));
          Store(out + j * padded + k, convert(halves));
        });
  }
}

// Up to sixteen signed bytes.
LOQUAT_SIMD F32x16 FromInt8(const std::byte* p, std::size_t count) {
  std::int8_t bytes[kVector] = {};
  if (count == kVector) return FromInt8(reinterpret_cast<const std::int8_t*>(p));
  __builtin_memcpy(bytes, p, count);
  return FromInt8(bytes);
}

// Keys and values under one scale a token, which lie behind them: [columns, token] and [token, width].
LOQUAT_SIMD void LoadInt8(const std::byte* keys, const std::byte* values, std::size_t count, std::size_t width,
                          std::size_t padded, AttentionBlock& block) {
  const std::byte* const scales = keys + width * kAttentionBlockTokens;
  const F32x16 low = LoadAs<F32x16>(scales), high = LoadAs<F32x16>(scales + kVector * sizeof(float));
  for (std::size_t k = 0; k < width; ++k) {
    const std::byte* const column = keys + k * kAttentionBlockTokens;
    float* const out = block.keys + k * kAttentionBlockTokens;
    Store(out, FromInt8(column, kVector) * low);
    Store(out + kVector, FromInt8(column + kVector, kVector) * high);
  }
  for (std::size_t j = 0; j < count; ++j) {
    const auto scale = LoadAs<float>(values + width * kAttentionBlockTokens + j * sizeof(float));
    ForVectors(
        width, [&](std::size_t k, std::size_t n) __attribute__((always_inline)) {
          Store(block.values + j * padded + k, FromInt8(values + j * width + k, n) * scale);
        });
  }
}

inline void AttendPages(const AttentionQueries& queries, const PagedKeys& keys) {
  const std::size_t width = queries.head_width;
  const auto load = [&](std::size_t first, std::size_t count, std::size_t padded, AttentionBlock& block) {
    const std::byte* page = keys.pages[first / kAttentionBlockTokens];
    const auto bring = [&](auto convert) __attribute__((always_inline)) {
      LoadHalfRows(page + keys.key_offset, width, kAttentionBlockTokens, kAttentionBlockTokens, block.keys, convert);
      LoadHalfRows(page + keys.value_offset, count, width, padded, block.values, convert);
    };
    switch (keys.type) {
      case KvType::kF16:
        return bring([](U16x16 h) { return FromF16(h); });
      case KvType::kBF16:
        return bring([](U16x16 h) { return FromBF16(h); });
      case KvType::kInt8:
        return LoadInt8(page + keys.key_offset, page + keys.value_offset, count, width, padded, block);
    }
  };
  Attend(queries, keys.position + queries.tokens, load, [&](std::size_t t) { return keys.position + t + 1; });
}

// Sixteen rows to sixteen columns: halves of ever smaller squares change places.
LOQUAT_SIMD void Transpose(F32x16 (&rows)[kVector]) {
#pragma clang loop unroll(full)
  for (std::size_t i = 0; i < 8; ++i) {
    const F32x16 a = rows[i], b = rows[i + 8];
    rows[i] = __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
    rows[i + 8] = __builtin_shufflevector(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
  }
#pragma clang loop unroll(full)
  for (std::size_t n = 0; n < 8; ++n) {
    const std::size_t i = n / 4 * 8 + n % 4;
    const F32x16 a = rows[i], b = rows[i + 4];
    rows[i] = __builtin_shufflevector(a, b, 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27);
    rows[i + 4] = __builtin_shufflevector(a, b, 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31);
  }
#pragma clang loop unroll(full)
  for (std::size_t n = 0; n < 8; ++n) {
    const std::size_t i = n / 2 * 4 + n % 2;
    const F32x16 a = rows[i], b = rows[i + 2];
    rows[i] = __builtin_shufflevector(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29);
    rows[i + 2] = __builtin_shufflevector(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
  }
#pragma clang loop unroll(full)
  for (std::size_t i = 0; i < kVector; i += 2) {
    const F32x16 a = rows[i], b = rows[i + 1];
    rows[i] = __builtin_shufflevector(a, b, 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30);
    rows[i + 1] = __builtin_shufflevector(a, b, 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31);
  }
}

// Keys in rows `stride` apart to columns of the block. Tokens that the block lacks are zeros.
inline void LoadKeyColumns(const float* rows, std::size_t stride, std::size_t count, std::size_t width, float* out) {
  for (std::size_t j = 0; j < kAttentionBlockTokens; j += kVector) {
    for (std::size_t k = 0; k < width; k += kVector) {
      const std::size_t n = width - k < kVector ? width - k : kVector;
      F32x16 square[kVector];
#pragma clang loop unroll(full)
      for (std::size_t i = 0; i < kVector; ++i) {
        square[i] = j + i < count ? Load(rows + (j + i) * stride + k, n) : F32x16{};
      }
      Transpose(square);
#pragma clang loop unroll(full)
      for (std::size_t i = 0; i < kVector; ++i) {
        if (i < n) Store(out + (k + i) * kAttentionBlockTokens + j, square[i]);
      }
    }
  }
}

inline void AttendRows(const AttentionQueries& queries, const RowKeys& keys) {
  const std::size_t width = queries.head_width;
  const auto load = [&](std::size_t first, std::size_t count, std::size_t padded, AttentionBlock& block) {
    LoadKeyColumns(keys.keys + first * keys.stride, keys.stride, count, width, block.keys);
    for (std::size_t j = 0; j < count; ++j) {
      const float* const row = keys.values + (first + j) * keys.stride;
      ForVectors(
          width, [&](std::size_t k, std::size_t n)
                     __attribute__((always_inline)) { Store(block.values + j * padded + k, Load(row + k, n)); });
    }
  };
  Attend(queries, keys.tokens, load, [&](std::size_t) { return keys.tokens; });
}

}  // namespace
}  // namespace loquat::kernels
