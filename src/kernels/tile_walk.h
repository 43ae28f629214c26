// How tiles of AMX meet panels of sixteen rows (kernels/interleave.h, kernels/int8_panels.h): Intel 64 and IA-32
// Architectures Software Developer's Manual, volume 1, chapter 18. A tile of activations is sixteen tokens or fewer by
// 64 bytes, a tile of weights 64 bytes of each of sixteen rows, as they lie in a panel or in one taken apart; their
// product is added to a tile of sums, tokens by rows. Two tiles of tokens and two panels share what is loaded. Included
// as simd.h says.
//
// Tokens are split into tiles of one height, the last of which ends with them: what it has in common with the one
// before is computed twice, and written once.
//
// A Kernel says what the numbers are:
//   panel_bytes(), steps(), at(step)            as in panel_walk.h;
//   chunk(tokens)                               steps of a panel that all tokens meet before the next;
//   Meet(panels, chunk, split, io, ahead)       all tokens, whose tiles bring their share of `ahead` nearer.

#pragma once

#include <immintrin.h>

#include "kernels/panel_walk.h"

namespace loquat::kernels {
namespace {

inline constexpr std::size_t kTileTokens = 16;  // At most.
inline constexpr std::size_t kTileBytes = 64;   // Of one row of a tile.
inline constexpr std::size_t kTileWords = kTileBytes / 4;

// What the eight registers are: the sums of token tile a and panel v, activations of tile a, weights of panel v.
template <std::size_t kTile, std::size_t kPanel>
inline constexpr int kSumTile = static_cast<int>(2 * kTile + kPanel);
template <std::size_t kTile>
inline constexpr int kTokenTile = static_cast<int>(4 + kTile);
template <std::size_t kPanel>
inline constexpr int kPanelTile = static_cast<int>(6 + kPanel);

// The thread's tiles have their shapes from here to the end: `tokens` rows of sums and activations, `depth` bytes of
// each activation. REQUIRES: depth is a multiple of four.
class TilesInUse {
 public:
  LOQUAT_SIMD TilesInUse(std::size_t tokens, std::size_t depth) {
    struct alignas(64) {
      std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
      std::uint16_t row_bytes[16] = {};
      std::uint8_t rows[16] = {};
    } shapes;
    static_assert(sizeof shapes == 64);
    for (std::size_t i = 0; i < 8; ++i) {
      const bool activations = i == kTokenTile<0> || i == kTokenTile<1>, weights = i >= kPanelTile<0>;
      shapes.row_bytes[i] = static_cast<std::uint16_t>(activations ? depth : kTileBytes);
      shapes.rows[i] = static_cast<std::uint8_t>(weights ? depth / 4 : tokens);
    }
    _tile_loadconfig(&shapes);
  }
  TilesInUse(const TilesInUse&) = delete;
  TilesInUse& operator=(const TilesInUse&) = delete;
  LOQUAT_SIMD ~TilesInUse() { _tile_release(); }
};

// Tokens [first, first + rows), of which the first `skip` are the tile's before.
struct TokenTile {
  std::size_t first, rows, skip;
  bool last;
};

// Of tiles of one height, at most kTileTokens.
struct TileSplit {
  std::size_t tokens, height;

  // As even as they can be.
  LOQUAT_SIMD static TileSplit Even(std::size_t tokens) {
    const std::size_t tiles = (tokens + kTileTokens - 1) / kTileTokens;
    return {tokens, (tokens + tiles - 1) / tiles};
  }
  LOQUAT_SIMD std::size_t tiles() const { return (tokens + height - 1) / height; }
  LOQUAT_SIMD TokenTile tile(std::size_t i) const {
    const bool last = i + 1 == tiles();
    const std::size_t first = last ? tokens - height : i * height;
    return {first, height, i * height - first, last};
  }
};

// What a chunk's tiles bring nearer: the next chunk, or the next panels.
template <std::size_t kPanels>
struct TilesAhead {
  PanelsAhead<kPanels> all;

  // The share of tile i and those after it, `count` of `tiles`.
  LOQUAT_SIMD PanelsAhead<kPanels> of(std::size_t i, std::size_t count, std::size_t tiles) const {
    const std::size_t share = (all.bytes / tiles + kLine - 1) / kLine * kLine;
    return {all.at + i * share, all.panel_bytes, all.bytes == 0 ? 0 : count * share};
  }
};

// `more`: panels follow these.
template <std::size_t kPanels, typename Kernel>
inline void MeetPanelsByTiles(Kernel& kernel, const Panels<kPanels>& panels, const TileIo& io, const TileSplit& split,
                              bool more) {
  const std::size_t steps = kernel.steps(), each = kernel.chunk(split.tokens);
  for (std::size_t begin = 0; begin < steps; begin += each) {
    const PanelChunk chunk{begin, steps - begin < each ? steps : begin + each};
    const bool last = chunk.end == steps;
    const std::size_t next = last ? kPanels * panels.bytes : kernel.at(chunk.end);
    const std::size_t bytes = (last ? panels.bytes : kernel.at(chunk.end)) - (begin == 0 ? 0 : kernel.at(begin));
    kernel.Meet(panels, chunk, split, io,
                TilesAhead<kPanels>{{panels.data + next, panels.bytes, last && !more ? 0 : bytes}});
  }
}

// Rows [row_begin, row_end) of the matrix whose first panel is at `data`; io.out is that of row 0. `more`: those after
// them come next. REQUIRES: TilesInUse of the split's height.
template <typename Kernel>
inline void WalkPanelsByTiles(Kernel& kernel, const std::byte* data, std::size_t row_begin, std::size_t row_end,
                              const TileIo& io, const TileSplit& split, bool more) {
  const std::size_t bytes = kernel.panel_bytes(), last = (row_end + kVector - 1) / kVector;
  std::size_t panel = row_begin / kVector;
  const auto kept = [&](std::size_t of) { return KeptRows(of, row_begin, row_end); };
  const auto here = [&] { return TileIo{io.x, io.x_stride, io.out + panel * kVector, io.out_stride}; };
  for (; panel + 1 < last; panel += 2) {
    const Panels<2> both{data + panel * bytes, bytes, {kept(panel), kept(panel + 1)}};
    MeetPanelsByTiles(kernel, both, here(), split, more || panel + 2 < last);
  }
  if (panel < last) {
    MeetPanelsByTiles(kernel, Panels<1>{data + panel * bytes, bytes, {kept(panel)}}, here(), split, more);
  }
}

}  // namespace
}  // namespace loquat::kernels
