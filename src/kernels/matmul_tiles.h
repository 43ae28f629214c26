// Weights in panels times activations by tiles of AMX: of bfloat16, and of what was rounded under one scale a row
// (kernels/int8_panels.h), whose sums are exact, the same bits as by vectors. Block types are left to the vectors:
// their sums meet a scale every 32 columns, to spill tiles as often takes as long as the vectors' products. Included as
// simd.h says, by the tier that has tiles; pure functions on the caller's memory.

#pragma once

#include "kernels/matmul_int8_panels.h"
#include "kernels/matmul_panels.h"
#include "kernels/tile_walk.h"

namespace loquat::kernels {
namespace {

// A tile in memory: sums [token, row], or operands.
struct alignas(64) StoredTile {
  std::byte rows[kTileTokens][kTileBytes];
};

struct ByteProducts {  // Activations without signs, weights with.
  template <int kSums, int kTokens, int kPanel>
  LOQUAT_SIMD static void Add() {
    _tile_dpbusd(kSums, kTokens, kPanel);
  }
};
struct BF16Products {
  template <int kSums, int kTokens, int kPanel>
  LOQUAT_SIMD static void Add() {
    _tile_dpbf16ps(kSums, kTokens, kPanel);
  }
};

// Calls each(a, v) with integral constants for all tiles of tokens and panels.
template <std::size_t kTiles, std::size_t kPanels, typename Each>
LOQUAT_SIMD void ForSums(const Each& each) {
  each.template operator()<0, 0>();
  if constexpr (kPanels == 2) each.template operator()<0, 1>();
  if constexpr (kTiles == 2) each.template operator()<1, 0>();
  if constexpr (kTiles == 2 && kPanels == 2) each.template operator()<1, 1>();
}

// Where a step has its operands.
template <std::size_t kTiles, std::size_t kPanels>
struct TileOperands {
  const std::byte* tokens[kTiles];
  std::size_t token_stride[kTiles];
  const std::byte* panels[kPanels];  // Lines of kTileBytes.
};

// sums += tokens * panels.
template <typename Products, std::size_t kTiles, std::size_t kPanels>
LOQUAT_SIMD void AddStep(const TileOperands<kTiles, kPanels>& at) {
  _tile_loadd(kPanelTile<0>, at.panels[0], kTileBytes);
  _tile_loadd(kTokenTile<0>, at.tokens[0], at.token_stride[0]);
  if constexpr (kPanels == 2) _tile_loadd(kPanelTile<1>, at.panels[1], kTileBytes);
  if constexpr (kTiles == 2) _tile_loadd(kTokenTile<1>, at.tokens[1], at.token_stride[1]);
  ForSums<kTiles, kPanels>([]<std::size_t kA, std::size_t kV>() __attribute__((always_inline)) {
    Products::template Add<kSumTile<kA, kV>, kTokenTile<kA>, kPanelTile<kV>>();
  });
}

template <std::size_t kTiles, std::size_t kPanels>
LOQUAT_SIMD void ClearSums() {
  ForSums<kTiles, kPanels>([]<std::size_t kA, std::size_t kV>()
                               __attribute__((always_inline)) { _tile_zero((kSumTile<kA, kV>)); });
}

// Panels whose last step is less than a tile deep: its lines with zeros behind them, and the tokens' bytes likewise, as
// what lies behind those may be no number at all.
class TileTails {
 public:
  // The lines of two panels, from their places on.
  template <std::size_t kPanels>
  LOQUAT_SIMD void TakePanels(const Panels<kPanels>& panels, std::size_t offset, std::size_t lines) {
    for (std::size_t v = 0; v < kPanels; ++v) {
      for (std::size_t line = 0; line < kTileWords; ++line) {
        const I32x16 words = line < lines ? LoadAs<I32x16>(panels.at(v, offset + line * kLine)) : I32x16{};
        __builtin_memcpy(panels_[v].rows[line], &words, sizeof words);
      }
    }
  }
  LOQUAT_SIMD void TakeTokens(std::size_t a, const std::byte* x, std::size_t stride, std::size_t rows,
                              std::size_t bytes) {
    const __mmask64 kept = (__mmask64{1} << bytes) - 1;
    for (std::size_t r = 0; r < rows; ++r) {
      _mm512_store_si512(tokens_[a].rows[r], _mm512_maskz_loadu_epi8(kept, x + r * stride));
    }
  }
  template <std::size_t kTiles, std::size_t kPanels>
  LOQUAT_SIMD TileOperands<kTiles, kPanels> operands() const {
    TileOperands<kTiles, kPanels> at;
    for (std::size_t a = 0; a < kTiles; ++a) {
      at.tokens[a] = tokens_[a].rows[0];
      at.token_stride[a] = kTileBytes;
    }
    for (std::size_t v = 0; v < kPanels; ++v) at.panels[v] = panels_[v].rows[0];
    return at;
  }

 private:
  StoredTile panels_[2], tokens_[2];
};

// Steps of a chunk of panels that lie line by line, the last of which may be less deep than a tile: its lines and its
// bytes of each token.
struct TileDepth {
  std::size_t whole, tail_lines, tail_bytes;
};

template <std::size_t kTiles>
struct TokenTiles {
  TokenTile of[kTiles];
};

// Calls meet(tiles, ahead) for all tiles, two at a time.
template <std::size_t kPanels, typename Meet>
LOQUAT_SIMD void ForTokenTiles(const TileSplit& split, const TilesAhead<kPanels>& ahead, const Meet& meet) {
  const std::size_t tiles = split.tiles();
  std::size_t i = 0;
  for (; i + 2 <= tiles; i += 2) meet(TokenTiles<2>{split.tile(i), split.tile(i + 1)}, ahead.of(i, 2, tiles));
  if (i < tiles) meet(TokenTiles<1>{split.tile(i)}, ahead.of(i, 1, tiles));
}

template <typename Products, std::size_t kTiles, std::size_t kPanels>
LOQUAT_SIMD void AddChunk(const Panels<kPanels>& panels, std::size_t offset, const TokenTiles<kTiles>& tiles,
                          const std::byte* x, std::size_t x_stride, const TileDepth& depth, TileTails& tails,
                          const PanelsAhead<kPanels>& ahead) {
  TileOperands<kTiles, kPanels> at;
  for (std::size_t a = 0; a < kTiles; ++a) {
    at.tokens[a] = x + tiles.of[a].first * x_stride;
    at.token_stride[a] = x_stride;
  }
  for (std::size_t v = 0; v < kPanels; ++v) at.panels[v] = panels.at(v, offset);
  for (std::size_t k = 0; k < depth.whole; ++k) {
    ahead.BringShare(k, depth.whole);
    AddStep<Products>(at);
    for (std::size_t a = 0; a < kTiles; ++a) at.tokens[a] += kTileBytes;
    for (std::size_t v = 0; v < kPanels; ++v) at.panels[v] += kTileTokens * kTileBytes;
  }
  if (depth.tail_lines == 0) return;
  for (std::size_t a = 0; a < kTiles; ++a) {
    tails.TakeTokens(a, at.tokens[a], x_stride, tiles.of[a].rows, depth.tail_bytes);
  }
  AddStep<Products>(tails.operands<kTiles, kPanels>());
}

// See Int8Kernel. A panel is not cut.
struct Int8Tiles {
  Int8Kernel numbers;
  TileTails tails;

  explicit Int8Tiles(std::size_t cols) : numbers{cols} {}

  std::size_t steps() const { return numbers.steps(); }
  std::size_t panel_bytes() const { return numbers.panel_bytes(); }
  std::size_t chunk(std::size_t) const { return steps(); }
  std::size_t at(std::size_t step) const { return numbers.at(step); }
  TileDepth depth() const {
    const std::size_t whole = steps() / kTileWords, tail = steps() % kTileWords;
    return {whole, tail, 4 * tail};  // The tokens have zeros up to a multiple of four.
  }

  template <std::size_t kPanels>
  void Meet(const Panels<kPanels>& panels, const PanelChunk&, const TileSplit& split, const TileIo& io,
            const TilesAhead<kPanels>& ahead) {
    const TileDepth all = depth();
    if (all.tail_lines != 0) tails.TakePanels(panels, at(all.whole * kTileWords), all.tail_lines);
    ForTokenTiles(split, ahead, [&](const auto& tiles, const auto& share) { MeetTiles(panels, tiles, io, share); });
  }

 private:
  template <std::size_t kTiles, std::size_t kPanels>
  void MeetTiles(const Panels<kPanels>& panels, const TokenTiles<kTiles>& tiles, const TileIo& io,
                 const PanelsAhead<kPanels>& ahead) {
    ClearSums<kTiles, kPanels>();
    AddChunk<ByteProducts>(panels, at(0), tiles, io.x + kTokenHead, io.x_stride, depth(), tails, ahead);
    ForSums<kTiles, kPanels>([&]<std::size_t kA, std::size_t kV>() __attribute__((always_inline)) {
      StoredTile dots;
      _tile_stored((kSumTile<kA, kV>), dots.rows, kTileBytes);
      const auto scales = LoadAs<F32x16>(panels.at(kV, 0));
      const auto row_sums = LoadAs<I32x16>(panels.at(kV, sizeof scales));
      const TokenTile& tile = tiles.of[kA];
      for (std::size_t r = tile.skip; r < tile.rows; ++r) {
        const auto token = LoadAs<TokenScale>(io.x + (tile.first + r) * io.x_stride);
        const I32x16 exact = LoadAs<I32x16>(dots.rows[r]) - row_sums * token.zero;
        const F32x16 out = __builtin_convertvector(exact, F32x16) * (scales * token.scale);
        StoreLanes(io.out + (tile.first + r) * io.out_stride + kV * kVector, out, panels.kept[kV]);
      }
    });
  }
};

// Sums of floats, which go on through the outputs from one chunk to the next.
template <std::size_t kTiles, std::size_t kPanels>
struct FloatSums {
  LOQUAT_SIMD static void Load(const Panels<kPanels>& panels, const TokenTiles<kTiles>& tiles, const TileIo& io) {
    ForSums<kTiles, kPanels>([&]<std::size_t kA, std::size_t kV>() __attribute__((always_inline)) {
      const float* const out = io.out + tiles.of[kA].first * io.out_stride + kV * kVector;
      if (panels.kept[kV] == kAllLanes) {
        return _tile_loadd((kSumTile<kA, kV>), out, io.out_stride * sizeof(float));
      }
      StoredTile sums;
      for (std::size_t r = 0; r < tiles.of[kA].rows; ++r) {
        const F32x16 row = LoadLanes(out + r * io.out_stride, panels.kept[kV]);
        __builtin_memcpy(sums.rows[r], &row, sizeof row);
      }
      _tile_loadd((kSumTile<kA, kV>), sums.rows, kTileBytes);
    });
  }

  // Tokens that the tile before has written keep what it wrote.
  LOQUAT_SIMD static void Store(const Panels<kPanels>& panels, const TokenTiles<kTiles>& tiles, const TileIo& io) {
    ForSums<kTiles, kPanels>([&]<std::size_t kA, std::size_t kV>() __attribute__((always_inline)) {
      const TokenTile& tile = tiles.of[kA];
      float* const out = io.out + tile.first * io.out_stride + kV * kVector;
      if (panels.kept[kV] == kAllLanes && tile.skip == 0) {
        return _tile_stored((kSumTile<kA, kV>), out, io.out_stride * sizeof(float));
      }
      StoredTile sums;
      _tile_stored((kSumTile<kA, kV>), sums.rows, kTileBytes);
      for (std::size_t r = tile.skip; r < tile.rows; ++r) {
        StoreLanes(out + r * io.out_stride, LoadAs<F32x16>(sums.rows[r]), panels.kept[kV]);
      }
    });
  }
};

// Of bfloat16, which lies as tiles take it. The order of products is the tiles', so that all numbers of tokens come
// here.
struct BF16Tiles {
  using Numbers = FloatKernel<WeightType::kBF16>;
  Numbers numbers;
  TileTails tails;

  explicit BF16Tiles(std::size_t cols) : numbers{cols} {}

  std::size_t steps() const { return numbers.steps(); }
  std::size_t panel_bytes() const { return numbers.panel_bytes(); }
  // Two tiles of tokens meet a stream; more meet what the first-level cache holds.
  std::size_t chunk(std::size_t tokens) const { return tokens <= 2 * kTileTokens ? steps() : Numbers::kChunkSteps; }
  std::size_t at(std::size_t step) const { return numbers.at(step); }
  TileDepth depth(const PanelChunk& chunk) const {
    const std::size_t lines = chunk.end - chunk.begin, whole = lines / kTileWords, tail = lines % kTileWords;
    const std::size_t done = (chunk.begin + whole * kTileWords) * 2;
    return {whole, tail, tail == 0 ? 0 : (numbers.cols - done) * sizeof(std::uint16_t)};
  }

  template <std::size_t kPanels>
  void Meet(const Panels<kPanels>& panels, const PanelChunk& chunk, const TileSplit& split, const TileIo& io,
            const TilesAhead<kPanels>& ahead) {
    const TileDepth all = depth(chunk);
    if (all.tail_lines != 0) tails.TakePanels(panels, at(chunk.begin + all.whole * kTileWords), all.tail_lines);
    const std::byte* const x = io.x + chunk.begin * 2 * sizeof(std::uint16_t);
    ForTokenTiles(split, ahead, [&]<std::size_t kTiles>(const TokenTiles<kTiles>& tiles, const auto& share) {
      if (chunk.begin == 0) {
        ClearSums<kTiles, kPanels>();
      } else {
        FloatSums<kTiles, kPanels>::Load(panels, tiles, io);
      }
      AddChunk<BF16Products>(panels, at(chunk.begin), tiles, x, io.x_stride, all, tails, share);
      FloatSums<kTiles, kPanels>::Store(panels, tiles, io);
    });
  }
};

template <typename Kernel>
inline void MatmulByTiles(const Matrix& weights, std::size_t row_begin, std::size_t row_end, const MatmulIo& io) {
  const TileSplit split = TileSplit::Even(io.tokens);
  const TilesInUse tiles(split.height, kTileBytes);
  Kernel kernel(weights.cols);
  const TileIo tile{.x = io.rounded, .x_stride = io.rounded_stride, .out = io.out, .out_stride = io.out_stride};
  WalkPanelsByTiles(kernel, weights.data, row_begin, row_end, tile, split, io.more);
}

}  // namespace
}  // namespace loquat::kernels
