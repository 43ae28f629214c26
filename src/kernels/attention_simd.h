// Attention of a few queries over blocks of keys and values; included as simd.h says. A block is brought to rows of
// floats once and then met by every query that sees it; what a query has gathered so far (greatest score, sum of
// weights, weighted values) is rescaled when its greatest score grows.

#pragma once

#include "kernels/simd.h"
#include "kernels/transformer_kernels.h"

namespace loquat::kernels {
namespace {

inline constexpr float kNoScore = -__builtin_inff();

struct AttentionBlock {
  alignas(64) float keys[kAttentionBlockTokens * kHeadWidthMax];    // [token, padded width]
  alignas(64) float values[kAttentionBlockTokens * kHeadWidthMax];  // [token, padded width]
};

struct AttentionState {
  alignas(64) float q[kAttentionQueriesMax * kHeadWidthMax];    // [query, padded width], scaled.
  alignas(64) float sum[kAttentionQueriesMax * kHeadWidthMax];  // [query, padded width]
  float greatest[kAttentionQueriesMax];
  float weight[kAttentionQueriesMax];
};
static_assert(sizeof(AttentionBlock) + sizeof(AttentionState) <= kKernelStackBytes);

// Four keys together, so that their sums do not wait for each other.
template <std::size_t kKeys>
LOQUAT_SIMD void Scores(const float* q, const float* keys, std::size_t padded, float* scores) {
  F32x16 sums[kKeys] = {};
  for (std::size_t i = 0; i < padded; i += kVector) {
    const F32x16 v = Load(q + i);
#pragma clang loop unroll(full)
    for (std::size_t j = 0; j < kKeys; ++j) sums[j] = MultiplyAdd(v, Load(keys + j * padded + i), sums[j]);
  }
#pragma clang loop unroll(full)
  for (std::size_t j = 0; j < kKeys; ++j) scores[j] = Sum(sums[j]);
}

// sum = sum * factor + the values weighted by `weights`, for kVectors vectors of columns.
template <std::size_t kVectors>
LOQUAT_SIMD void AddValues(const float* weights, const float* values, std::size_t count, std::size_t padded,
                           float factor, float* sum) {
  F32x16 sums[kVectors];
#pragma clang loop unroll(full)
  for (std::size_t c = 0; c < kVectors; ++c) sums[c] = Load(sum + c * kVector) * factor;
  for (std::size_t j = 0; j < count; ++j) {
    const F32x16 weight = Broadcast(weights[j]);
#pragma clang loop unroll(full)
    for (std::size_t c = 0; c < kVectors; ++c) {
      sums[c] = MultiplyAdd(weight, Load(values + j * padded + c * kVector), sums[c]);
    }
  }
#pragma clang loop unroll(full)
  for (std::size_t c = 0; c < kVectors; ++c) Store(sum + c * kVector, sums[c]);
}

// One query meets the first `count` tokens of the block.
inline void AttendBlock(const AttentionBlock& block, std::size_t count, std::size_t padded, const float* q,
                        float* greatest, float* weight, float* sum) {
  alignas(64) float scores[kAttentionBlockTokens];
  std::size_t j = 0;
  for (; j + 4 <= count; j += 4) Scores<4>(q, block.keys + j * padded, padded, scores + j);
  for (; j < count; ++j) Scores<1>(q, block.keys + j * padded, padded, scores + j);
  for (; j < kAttentionBlockTokens; ++j) scores[j] = kNoScore;

  F32x16 low = Load(scores);
  F32x16 high = Load(scores + kVector);
  const float block_greatest = Max(low > high ? low : high);
  const float now = *greatest > block_greatest ? *greatest : block_greatest;
  const float factor = Exp(Broadcast(*greatest - now))[0];  // Of what was gathered before; 0 at first.
  low = Exp(low - now);
  high = Exp(high - now);
  Store(scores, low);
  Store(scores + kVector, high);
  *weight = *weight * factor + Sum(low + high);
  *greatest = now;
  std::size_t c = 0;
  for (; c + 4 * kVector <= padded; c += 4 * kVector) {
    AddValues<4>(scores, block.values + c, count, padded, factor, sum + c);
  }
  for (; c < padded; c += kVector) AddValues<1>(scores, block.values + c, count, padded, factor, sum + c);
}

// `load(first, count, block)` brings tokens [first, first + count); `seen(t)` is how many tokens query token t sees.
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
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t limit = seen(i / queries.heads);
      if (limit <= first) continue;
      const std::size_t visible = limit - first < tokens ? limit - first : tokens;
      AttendBlock(block, visible, padded, state.q + i * padded, &state.greatest[i], &state.weight[i],
                  state.sum + i * padded);
    }
  }
  for (std::size_t i = 0; i < count; ++i) {
    float* out = queries.out + i / queries.heads * queries.out_stride + i % queries.heads * width;
    const float scale = 1.0F / state.weight[i];
    ForVectors(
        width, [&](std::size_t k, std::size_t n)
                   __attribute__((always_inline)) { Store(out + k, Load(state.sum + i * padded + k) * scale, n); });
  }
}

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

inline void AttendPages(const AttentionQueries& queries, const PagedKeys& keys) {
  const std::size_t width = queries.head_width;
  const auto load = [&](std::size_t first, std::size_t count, std::size_t padded, AttentionBlock& block) {
    const std::byte* page = keys.pages[first / kAttentionBlockTokens];
    if (keys.type == HalfType::kF16) {
      const auto convert = [](U16x16 h) { return FromF16(h); };
      LoadHalfRows(page + keys.key_offset, count, width, padded, block.keys, convert);
      LoadHalfRows(page + keys.value_offset, count, width, padded, block.values, convert);
    } else {
      const auto convert = [](U16x16 h) { return FromBF16(h); };
      LoadHalfRows(page + keys.key_offset, count, width, padded, block.keys, convert);
      LoadHalfRows(page + keys.value_offset, count, width, padded, block.values, convert);
    }
  };
  Attend(queries, keys.position + queries.tokens, load, [&](std::size_t t) { return keys.position + t + 1; });
}

inline void AttendRows(const AttentionQueries& queries, const RowKeys& keys) {
  const std::size_t width = queries.head_width;
  const auto load = [&](std::size_t first, std::size_t count, std::size_t padded, AttentionBlock& block) {
    for (std::size_t j = 0; j < count; ++j) {
      const std::size_t row = (first + j) * keys.stride;
      ForVectors(
          width, [&](std::size_t k, std::size_t n) __attribute__((always_inline)) {
            Store(block.keys + j * padded + k, Load(keys.keys + row + k, n));
            Store(block.values + j * padded + k, Load(keys.values + row + k, n));
          });
    }
  };
  Attend(queries, keys.tokens, load, [&](std::size_t) { return keys.tokens; });
}

}  // namespace
}  // namespace loquat::kernels
