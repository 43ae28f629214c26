// Attention in bfloat16 as attention_bf16.h, its products by tiles of AMX: sixteen queries meet sixteen tokens, and
// their weights sixteen columns of the values. Included as simd.h says, by the tier that has tiles.

#pragma once

#include "kernels/attention_bf16.h"
#include "kernels/tile_walk.h"

namespace loquat::kernels {
namespace {

// REQUIRES: TilesInUse of whole tiles.
struct PairTiles {
  static constexpr std::size_t kQueryStep = kTileTokens;

  static void Attend(PairBlock& block, const PairWidths& widths, std::size_t count, std::size_t queries,
                     PairState& state) {
    // A tile takes all pairs of tokens; weights of those that are not there are next to nothing, but not nothing.
    for (std::size_t pair = (count + 1) / 2; pair < kTokenPairs; ++pair) {
      for (std::size_t k = 0; k < widths.padded; k += kVector) {
        StorePairs(block.values + pair * widths.padded + k, F32x16{});
      }
    }
    for (std::size_t first = 0; first < queries; first += kTileTokens) AttendTile(block, widths, count, first, state);
  }

 private:
  static constexpr std::size_t kHalf = kTileTokens / 2;  // Queries whose scores the registers hold.

  static void AttendTile(const PairBlock& block, const PairWidths& widths, std::size_t count, std::size_t first,
                         PairState& state) {
    alignas(64) float scores[kTileTokens][kAttentionBlockTokens];
    alignas(64) std::uint32_t weights[kTileTokens * kTokenPairs];
    alignas(64) float factors[2][kVector];
    Scores(block, widths, state.q + first * widths.padded_pairs, scores);
    for (std::size_t half = 0; half < 2; ++half) {
      F32x16 here[kHalf][kBlockVectors];
#pragma clang loop unroll(full)
      for (std::size_t i = 0; i < kHalf; ++i) {
        here[i][0] = Load(scores[half * kHalf + i]);
        here[i][1] = Load(scores[half * kHalf + i] + kVector);
      }
      WeighScores<kHalf>(here, count, first + half * kHalf, state, weights + half * kHalf * kTokenPairs, factors[half]);
    }
    AddValues(block, widths, weights, factors, state.sum + first * widths.padded);
  }

  static void Scores(const PairBlock& block, const PairWidths& widths, const std::uint32_t* q,
                     float (&scores)[kTileTokens][kAttentionBlockTokens]) {
    constexpr std::size_t kKeyStride = kAttentionBlockTokens * sizeof *q;
    _tile_zero(0);
    _tile_zero(1);
    for (std::size_t pair = 0; pair < widths.padded_pairs; pair += kTileWords) {
      const std::uint32_t* const keys = block.keys + pair * kAttentionBlockTokens;
      _tile_loadd(4, q + pair, widths.padded_pairs * sizeof *q);
      _tile_loadd(6, keys, kKeyStride);
      _tile_loadd(7, keys + kVector, kKeyStride);
      _tile_dpbf16ps(0, 4, 6);
      _tile_dpbf16ps(1, 4, 7);
    }
    _tile_stored(0, scores[0], sizeof scores[0]);
    _tile_stored(1, scores[0] + kVector, sizeof scores[0]);
  }

  // sum = sum * factor + the values weighted.
  static void AddValues(const PairBlock& block, const PairWidths& widths, const std::uint32_t* weights,
                        const float (&factors)[2][kVector], float* sum) {
    alignas(64) float added[kTileTokens][kHeadWidthMax];
    _tile_loadd(4, weights, kTileBytes);
    for (std::size_t column = 0; column < widths.padded; column += kVector) {
      _tile_zero(0);
      _tile_loadd(6, block.values + column, widths.padded * sizeof *block.values);
      _tile_dpbf16ps(0, 4, 6);
      _tile_stored(0, added[0] + column, sizeof added[0]);
    }
    for (std::size_t i = 0; i < kTileTokens; ++i) {
      const F32x16 factor = Broadcast(factors[i / kHalf][i % kHalf]);
      for (std::size_t column = 0; column < widths.padded; column += kVector) {
        float* const at = sum + i * widths.padded + column;
        Store(at, MultiplyAdd(Load(at), factor, Load(added[i] + column)));
      }
    }
  }
};

inline void AttendRowsByTiles(const AttentionQueries& queries, const RowKeys& keys) {
  const TilesInUse tiles(kTileTokens, kTileBytes);
  AttendRowsInPairs<PairTiles>(queries, keys);
}

}  // namespace
}  // namespace loquat::kernels
