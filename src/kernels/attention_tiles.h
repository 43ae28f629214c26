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
  // Registers; names without commas, as what takes them are macros.
  static constexpr int kSums = kSumTile<0, 0>, kNextSums = kSumTile<0, 1>, kQueries = kTokenTile<0>,
                       kOperand = kPanelTile<0>, kNextOperand = kPanelTile<1>;
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
    _tile_zero(kSums);
    _tile_zero(kNextSums);
    for (std::size_t pair = 0; pair < widths.padded_pairs; pair += kTileWords) {
      const std::uint32_t* const keys = block.keys + pair * kAttentionBlockTokens;
      _tile_loadd(kQueries, q + pair, widths.padded_pairs * sizeof *q);
      _tile_loadd(kOperand, keys, kKeyStride);
      _tile_loadd(kNextOperand, keys + kVector, kKeyStride);
      _tile_dpbf16ps(kSums, kQueries, kOperand);
      _tile_dpbf16ps(kNextSums, kQueries, kNextOperand);
    }
    _tile_stored(kSums, scores[0], sizeof scores[0]);
    _tile_stored(kNextSums, scores[0] + kVector, sizeof scores[0]);
  }

  // sum = sum * factor + the values weighted.
  static void AddValues(const PairBlock& block, const PairWidths& widths, const std::uint32_t* weights,
                        const float (&factors)[2][kVector], float* sum) {
    alignas(64) float added[kTileTokens][kHeadWidthMax];
    _tile_loadd(kQueries, weights, kTileBytes);
    for (std::size_t column = 0; column < widths.padded; column += kVector) {
      _tile_zero(kSums);
      _tile_loadd(kOperand, block.values + column, widths.padded * sizeof *block.values);
      _tile_dpbf16ps(kSums, kQueries, kOperand);
      _tile_stored(kSums, added[0] + column, sizeof added[0]);
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
