#include "kernels/peak_simd.h"
#include "kernels/tile_walk.h"

namespace loquat::kernels {
namespace {

// Four tiles of sums, of two tiles of each operand.
constexpr double kOutputs = 4.0 * kTileTokens * kVector;

// `word`: four bytes of every operand. `multiply` adds to the four sums, which are floats or as Sums says.
template <typename Sums, typename Multiply>
float PeakTiles(std::size_t steps, std::uint32_t word, Multiply multiply) {
  const TilesInUse tiles(kTileTokens, kTileBytes);
  U32x16 operand[kTileTokens];
  for (U32x16& row : operand) row = U32x16{} + word;
  _tile_loadd(kTokenTile<0>, operand, kTileBytes);
  _tile_loadd(kTokenTile<1>, operand, kTileBytes);
  _tile_loadd(kPanelTile<0>, operand, kTileBytes);
  _tile_loadd(kPanelTile<1>, operand, kTileBytes);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (std::size_t step = 0; step < steps; ++step) multiply();
  Sums sums[4][kTileTokens];
  _tile_stored(0, sums[0], kTileBytes);
  _tile_stored(1, sums[1], kTileBytes);
  _tile_stored(2, sums[2], kTileBytes);
  _tile_stored(3, sums[3], kTileBytes);
  F32x16 all{};
  for (const auto& tile : sums) {
    for (const Sums& row : tile) all += __builtin_convertvector(row, F32x16);
  }
  return Sum(all);
}

float PeakTilesBF16(std::size_t steps, float seed) {
  const std::uint32_t number = BitsAs<std::uint32_t>(seed) >> 16U;
  return PeakTiles<F32x16>(steps, number << 16U | number, [] {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  });
}

float PeakTilesInt8(std::size_t steps, float seed) {
  return PeakTiles<I32x16>(steps, static_cast<std::uint8_t>(2.0F * seed) * 0x01010101U, [] {
    _tile_dpbusd(0, 4, 6);
    _tile_dpbusd(1, 4, 7);
    _tile_dpbusd(2, 5, 6);
    _tile_dpbusd(3, 5, 7);
  });
}

}  // namespace

constinit const PeakKernels kPeakKernelsAmx = {
    .f32 = kTierPeaks.f32,
    .bf16 = {.operations_per_step = kOutputs * kTileBytes, .run = PeakTilesBF16},
    .int8 = {.operations_per_step = 2 * kOutputs * kTileBytes, .run = PeakTilesInt8},
    .read = PeakRead,
};

}  // namespace loquat::kernels
