// How matrices in panels of sixteen rows (kernels/interleave.h, kernels/int8_panels.h) are met by tokens, whatever the
// numbers in them: the rows asked for become panels and masks; a few panels that follow each other are met together, a
// chunk of their columns by all tokens before the next, tokens by tiles whose sums stay in registers; what comes next
// is brought nearer meanwhile. Included as simd.h says; pure functions on the caller's memory.
//
// A Kernel says what the numbers are, and computes a tile:
//   kTokens            tokens of a tile at most, with the rows of one panel;
//   kPairTokens        with those of two panels: what fits the registers.
//   kSmallPiece        bytes: as much of what comes next is asked for at once, before a tile of many.
//   kAsksAhead         whether one tile's stream asks for its next chunk, or leaves that to the processor's foresight.
//   panel_bytes()      from one panel to the next.
//   steps()            pieces of a panel's columns between which it may be cut,
//   chunk(tokens)      how many of them all tokens meet before the next,
//   at(step)           and where in its panel such a piece begins.
//   Tile<kTile>(panels, chunk, io, ahead)   kTile tokens
//   BeforeChunk(panels, chunk)   optional: what there is to do once for all tiles of a chunk
//   kFewTiles          optional, for kernels of which there are many, lest compiling them take minutes: tiles of
//                      kTokens are followed by tiles of half as many, and so on. Its value says whether what comes next
//                      is asked for at once before a tile (true), or while it computes (false).

#pragma once

#include "kernels/simd.h"
#include "kernels/transformer_kernels.h"

namespace loquat::kernels {
namespace {

// Activations of successive tokens, and where their outputs go.
struct TileIo {
  const std::byte* x;
  std::size_t x_stride;  // Bytes.
  float* out;
  std::size_t out_stride;  // Floats.

  LOQUAT_SIMD TileIo From(std::size_t token) const {
    return {x + token * x_stride, x_stride, out + token * out_stride, out_stride};
  }
};

// Of ActivationForm::kInt8.
LOQUAT_SIMD const ActivationBlock& BlockOf(const TileIo& io, std::size_t token, std::size_t i) {
  return reinterpret_cast<const ActivationBlock*>(io.x + token * io.x_stride)[i];
}

// kPanels panels that follow each other, and the rows of each that are asked for: outputs of others are not touched.
template <std::size_t kPanels>
struct Panels {
  static constexpr std::size_t kCount = kPanels;
  const std::byte* data;
  std::size_t bytes;  // Of one.
  LaneMask kept[kPanels];

  LOQUAT_SIMD const std::byte* at(std::size_t panel, std::size_t offset) const { return data + panel * bytes + offset; }
};

// Steps [begin, end).
struct PanelChunk {
  std::size_t begin, end;
};

// A tile's sums, in registers while it computes; they go on from one chunk to the next in the outputs.
template <std::size_t kPanels, std::size_t kTokens>
struct TileSums {
  F32x16 of[kPanels][kTokens];

  // What the chunks before this one left; zero for the first.
  LOQUAT_SIMD void Load(const Panels<kPanels>& panels, const PanelChunk& chunk, const TileIo& io) {
#pragma clang loop unroll(full)
    for (std::size_t v = 0; v < kPanels; ++v) {
#pragma clang loop unroll(full)
      for (std::size_t t = 0; t < kTokens; ++t) {
        const float* const out = io.out + t * io.out_stride + v * kVector;
        of[v][t] = chunk.begin == 0 ? F32x16{} : LoadLanes(out, panels.kept[v]);
      }
    }
  }

  LOQUAT_SIMD void Store(const Panels<kPanels>& panels, const TileIo& io) const {
#pragma clang loop unroll(full)
    for (std::size_t v = 0; v < kPanels; ++v) {
#pragma clang loop unroll(full)
      for (std::size_t t = 0; t < kTokens; ++t) {
        StoreLanes(io.out + t * io.out_stride + v * kVector, of[v][t], panels.kept[v]);
      }
    }
  }
};

// What a tile brings nearer while it computes: so many bytes of each of kPanels panels.
template <std::size_t kPanels>
struct PanelsAhead {
  const std::byte* at;
  std::size_t panel_bytes;
  std::size_t bytes;

  // The line at this place, if it is one of them.
  LOQUAT_SIMD void Bring(std::size_t offset) const {
    if (offset >= bytes) return;
#pragma clang loop unroll(full)
    for (std::size_t v = 0; v < kPanels; ++v) __builtin_prefetch(at + v * panel_bytes + offset, 0, 2);
  }

  // What one of `steps` steps has to bring, so that all do.
  LOQUAT_SIMD void BringShare(std::size_t step, std::size_t steps) const {
    const std::size_t share = (bytes / steps + kLine - 1) / kLine * kLine;
    for (std::size_t offset = step * share; offset < (step + 1) * share; offset += kLine) Bring(offset);
  }
};

// That and nothing, for tiles before which it was done at once.
struct NothingAhead {
  LOQUAT_SIMD void Bring(std::size_t) const {}
  LOQUAT_SIMD void BringShare(std::size_t, std::size_t) const {}
};

// Tokens in tiles of kTokens, then those that are left; each tile brings the next `piece` bytes nearer.
template <std::size_t kTokens, bool kAtOnce, typename Kernel, std::size_t kPanels>
inline void MeetTokens(const Kernel& kernel, const Panels<kPanels>& panels, const PanelChunk& chunk, const TileIo& io,
                       std::size_t tokens, PanelsAhead<kPanels> ahead) {
  std::size_t t = 0;
  for (; t + kTokens <= tokens; t += kTokens, ahead.at += ahead.bytes) {
    if constexpr (kAtOnce) {
      for (std::size_t line = 0; line < ahead.bytes; line += kLine) ahead.Bring(line);
      kernel.template Tile<kTokens>(panels, chunk, io.From(t), NothingAhead());
    } else {
      kernel.template Tile<kTokens>(panels, chunk, io.From(t), ahead);
    }
  }
  if constexpr (kTokens > 1) {
    constexpr std::size_t kNext = requires {
      Kernel::kFewTiles;
    }
    ? kTokens / 2 : kTokens - 1;
    if (t < tokens) MeetTokens<kNext, kAtOnce>(kernel, panels, chunk, io.From(t), tokens - t, ahead);
  }
}

// `more`: panels follow these.
template <typename Kernel, std::size_t kPanels>
inline void MeetPanels(Kernel& kernel, const Panels<kPanels>& panels, const TileIo& io, std::size_t tokens, bool more) {
  constexpr std::size_t kTokens = kPanels == 1 ? Kernel::kTokens : Kernel::kPairTokens;
  const std::size_t steps = kernel.steps(), each = kernel.chunk(tokens);
  const std::size_t tiles = (tokens + kTokens - 1) / kTokens;
  for (std::size_t begin = 0; begin < steps; begin += each) {
    const PanelChunk chunk{begin, steps - begin < each ? steps : begin + each};
    const bool last = chunk.end == steps;
    const std::size_t next = last ? kPanels * panels.bytes : kernel.at(chunk.end);
    const std::size_t share = (last ? panels.bytes : kernel.at(chunk.end)) - (begin == 0 ? 0 : kernel.at(begin));
    const bool asked = last ? more : Kernel::kAsksAhead || tiles > 1;
    // A tile's part of it. Few tokens ask for half as much again, so that some is there when the next chunk begins.
    const std::size_t part = share * kTokens / tokens, most = tokens == 1 ? share : share * 3 / 2;
    const std::size_t wanted = part < most ? part : most;
    const std::size_t piece = asked ? (wanted + kLine - 1) / kLine * kLine : 0;
    if constexpr (requires { kernel.BeforeChunk(panels, chunk); }) kernel.BeforeChunk(panels, chunk);
    const PanelsAhead<kPanels> ahead{panels.data + next, panels.bytes, piece};
    if constexpr (requires { Kernel::kFewTiles; }) {
      MeetTokens<kTokens, Kernel::kFewTiles>(kernel, panels, chunk, io, tokens, ahead);
    } else if (tiles > 1 && piece <= Kernel::kSmallPiece) {
      MeetTokens<kTokens, true>(kernel, panels, chunk, io, tokens, ahead);
    } else {
      MeetTokens<kTokens, false>(kernel, panels, chunk, io, tokens, ahead);
    }
  }
}

// Those of a panel's rows that are among [row_begin, row_end).
LOQUAT_SIMD LaneMask KeptRows(std::size_t panel, std::size_t row_begin, std::size_t row_end) {
  const std::size_t from = row_begin > panel * kVector ? row_begin - panel * kVector : 0;
  const std::size_t to = row_end < (panel + 1) * kVector ? row_end - panel * kVector : kVector;
  return static_cast<LaneMask>((1U << to) - (1U << from));
}

// Rows [row_begin, row_end) of the matrix whose first panel is at `data`; io.out is that of row 0. `more`: those after
// them come next.
template <typename Kernel>
inline void WalkPanels(Kernel& kernel, const std::byte* data, std::size_t row_begin, std::size_t row_end,
                       const TileIo& io, std::size_t tokens, bool more) {
  const std::size_t bytes = kernel.panel_bytes(), last = (row_end + kVector - 1) / kVector;
  std::size_t panel = row_begin / kVector;
  const auto kept = [&](std::size_t of) { return KeptRows(of, row_begin, row_end); };
  const auto here = [&] { return TileIo{io.x, io.x_stride, io.out + panel * kVector, io.out_stride}; };
  static_assert(Kernel::kPairTokens <= Kernel::kTokens);
  // Pairs share what is loaded of the tokens; but a tile of more tokens shares more of the panels.
  const bool pairs = Kernel::kPairTokens == Kernel::kTokens || tokens <= Kernel::kPairTokens;
  for (; pairs && panel + 1 < last; panel += 2) {
    const Panels<2> both{data + panel * bytes, bytes, {kept(panel), kept(panel + 1)}};
    MeetPanels(kernel, both, here(), tokens, more || panel + 2 < last);
  }
  for (; panel < last; ++panel) {
    MeetPanels(kernel, Panels<1>{data + panel * bytes, bytes, {kept(panel)}}, here(), tokens, more || panel + 1 < last);
  }
}

}  // namespace
}  // namespace loquat::kernels
