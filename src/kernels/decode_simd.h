// Rows of stored weights into floats, for every WeightType; included as simd.h says. The layouts of the blocks are
// drawn in docs/weight_types.md.

#pragma once

#include "kernels/simd.h"
#include "kernels/weight_type.h"

namespace loquat::kernels {
namespace {

inline constexpr std::size_t kSmallBlock = 32;   // Weights under one scale.
inline constexpr std::size_t kSuperBlock = 256;  // Weights under one tree of scales.

LOQUAT_SIMD F32x16 ToFloats(U8x16 v) {
  return __builtin_convertvector(v, F32x16);
}

// Sixteen times bit `bit` of the word's 32, from `bit` upwards, each as 0 or 16.
LOQUAT_SIMD U8x16 FifthBits(std::uint32_t word, unsigned bit) {
  constexpr U32x16 kLane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  return __builtin_convertvector(((U32x16{} + (word >> bit)) >> kLane & 1U) << 4U, U8x16);
}

LOQUAT_SIMD std::uint32_t WordAt(const std::byte* p) {
  std::uint32_t word;
  __builtin_memcpy(&word, p, sizeof word);
  return word;
}

LOQUAT_SIMD void DecodeQ8_0(const std::byte* block, float* out) {
  const float scale = HalfAt(block);
  for (std::size_t i = 0; i < kSmallBlock; i += kVector) {
    Store(out + i, FromInt8(reinterpret_cast<const std::int8_t*>(block + 2 + i)) * scale);
  }
}

LOQUAT_SIMD void DecodeQ4_0(const std::byte* block, float* out) {
  const float scale = HalfAt(block);
  const U8x16 pairs = LoadAs<U8x16>(block + 2);
  Store(out, (ToFloats(pairs & 15) - 8.0F) * scale);
  Store(out + kVector, (ToFloats(pairs >> 4) - 8.0F) * scale);
}

LOQUAT_SIMD void DecodeQ4_1(const std::byte* block, float* out) {
  const float scale = HalfAt(block);
  const float least = HalfAt(block + 2);
  const U8x16 pairs = LoadAs<U8x16>(block + 4);
  Store(out, ToFloats(pairs & 15) * scale + least);
  Store(out + kVector, ToFloats(pairs >> 4) * scale + least);
}

LOQUAT_SIMD void DecodeQ5_0(const std::byte* block, float* out) {
  const float scale = HalfAt(block);
  const std::uint32_t fifth = WordAt(block + 2);
  const U8x16 pairs = LoadAs<U8x16>(block + 6);
  Store(out, (ToFloats((pairs & 15) | FifthBits(fifth, 0)) - 16.0F) * scale);
  Store(out + kVector, (ToFloats((pairs >> 4) | FifthBits(fifth, 16)) - 16.0F) * scale);
}

LOQUAT_SIMD void DecodeQ5_1(const std::byte* block, float* out) {
  const float scale = HalfAt(block);
  const float least = HalfAt(block + 2);
  const std::uint32_t fifth = WordAt(block + 4);
  const U8x16 pairs = LoadAs<U8x16>(block + 8);
  Store(out, ToFloats((pairs & 15) | FifthBits(fifth, 0)) * scale + least);
  Store(out + kVector, ToFloats((pairs >> 4) | FifthBits(fifth, 16)) * scale + least);
}

// The 6-bit scale and minimum of sub-block j of a Q4_K or Q5_K block, out of their twelve packed bytes.
LOQUAT_SIMD void ScaleAndMin(const std::byte* packed, std::size_t j, float& scale, float& least) {
  const auto byte = [packed](std::size_t i) { return static_cast<unsigned>(packed[i]); };
  const bool low = j < 4;
  const unsigned s = low ? byte(j) & 63U : (byte(j + 4) & 15U) | byte(j - 4) >> 6U << 4U;
  const unsigned m = low ? byte(j + 4) & 63U : byte(j + 4) >> 4U | byte(j) >> 6U << 4U;
  scale = static_cast<float>(s);
  least = static_cast<float>(m);
}

LOQUAT_SIMD void DecodeQ4_K(const std::byte* block, float* out) {
  const float scales = HalfAt(block);
  const float mins = HalfAt(block + 2);
  const std::byte* pairs = block + 16;
  for (std::size_t j = 0; j < 8; j += 2, pairs += 32, out += 64) {
    float scale[2], least[2];
    for (std::size_t k = 0; k < 2; ++k) {
      ScaleAndMin(block + 4, j + k, scale[k], least[k]);
      scale[k] *= scales;
      least[k] *= mins;
    }
    for (std::size_t i = 0; i < 32; i += kVector) {
      const U8x16 q = LoadAs<U8x16>(pairs + i);
      Store(out + i, ToFloats(q & 15) * scale[0] - least[0]);
      Store(out + 32 + i, ToFloats(q >> 4) * scale[1] - least[1]);
    }
  }
}

LOQUAT_SIMD void DecodeQ5_K(const std::byte* block, float* out) {
  const float scales = HalfAt(block);
  const float mins = HalfAt(block + 2);
  const std::byte* fifth = block + 16;
  const std::byte* pairs = block + 48;
  for (std::size_t j = 0; j < 8; j += 2, pairs += 32, out += 64) {
    float scale[2], least[2];
    for (std::size_t k = 0; k < 2; ++k) {
      ScaleAndMin(block + 4, j + k, scale[k], least[k]);
      scale[k] *= scales;
      least[k] *= mins;
    }
    for (std::size_t i = 0; i < 32; i += kVector) {
      const U8x16 q = LoadAs<U8x16>(pairs + i);
      const U8x16 bits = LoadAs<U8x16>(fifth + i) >> static_cast<std::uint8_t>(j);
      Store(out + i, ToFloats((q & 15) | (bits & 1) << 4) * scale[0] - least[0]);
      Store(out + 32 + i, ToFloats((q >> 4) | (bits >> 1 & 1) << 4) * scale[1] - least[1]);
    }
  }
}

LOQUAT_SIMD void DecodeQ6_K(const std::byte* block, float* out) {
  const float scales = HalfAt(block + 208);
  for (std::size_t half = 0; half < 2; ++half) {
    const std::byte* low = block + half * 64;
    const std::byte* high = block + 128 + half * 32;
    const std::byte* scale = block + 192 + half * 8;
    for (std::size_t i = 0; i < 32; i += kVector) {
      const U8x16 upper = LoadAs<U8x16>(high + i);
      for (std::size_t quarter = 0; quarter < 4; ++quarter) {
        const U8x16 bytes = LoadAs<U8x16>(low + quarter % 2 * 32 + i);
        const U8x16 lower = quarter < 2 ? bytes & 15 : bytes >> 4;
        const U8x16 q = lower | (upper >> static_cast<std::uint8_t>(2 * quarter) & 3) << 4;
        const float factor = scales * static_cast<float>(static_cast<std::int8_t>(scale[quarter * 2 + i / kVector]));
        Store(out + half * 128 + quarter * 32 + i, (ToFloats(q) - 32.0F) * factor);
      }
    }
  }
}

template <std::size_t kWeights, std::size_t kBytes, typename Decode>
LOQUAT_SIMD void DecodeBlocks(const std::byte* row, std::size_t begin, std::size_t count, float* out, Decode decode) {
  const std::byte* block = row + begin / kWeights * kBytes;
  for (std::size_t i = 0; i < count; i += kWeights, block += kBytes) decode(block, out + i);
}

template <typename Convert>
LOQUAT_SIMD void DecodeHalves(const std::byte* p, std::size_t count, float* out, Convert convert) {
  const std::size_t whole = count / kVector * kVector;
  for (std::size_t i = 0; i < whole; i += kVector) Store(out + i, convert(LoadAs<U16x16>(p + 2 * i)));
  if (whole == count) return;
  U16x16 last = {};
  __builtin_memcpy(&last, p + 2 * whole, 2 * (count - whole));
  Store(out + whole, convert(last), count - whole);
}

// out[0 .. count) = weights [begin, begin + count) of the row. REQUIRES: both are multiples of the type's block.
inline void DecodeColumns(WeightType type, const std::byte* row, std::size_t begin, std::size_t count, float* out) {
  switch (type) {
    case WeightType::kF32:
      __builtin_memcpy(out, row + begin * sizeof(float), count * sizeof(float));
      return;
    case WeightType::kF16:
      return DecodeHalves(row + 2 * begin, count, out, [](U16x16 h) { return FromF16(h); });
    case WeightType::kBF16:
      return DecodeHalves(row + 2 * begin, count, out, [](U16x16 h) { return FromBF16(h); });
    case WeightType::kQ8_0:
      return DecodeBlocks<kSmallBlock, 34>(row, begin, count, out, DecodeQ8_0);
    case WeightType::kQ4_0:
      return DecodeBlocks<kSmallBlock, 18>(row, begin, count, out, DecodeQ4_0);
    case WeightType::kQ4_1:
      return DecodeBlocks<kSmallBlock, 20>(row, begin, count, out, DecodeQ4_1);
    case WeightType::kQ5_0:
      return DecodeBlocks<kSmallBlock, 22>(row, begin, count, out, DecodeQ5_0);
    case WeightType::kQ5_1:
      return DecodeBlocks<kSmallBlock, 24>(row, begin, count, out, DecodeQ5_1);
    case WeightType::kQ4_K:
      return DecodeBlocks<kSuperBlock, 144>(row, begin, count, out, DecodeQ4_K);
    case WeightType::kQ5_K:
      return DecodeBlocks<kSuperBlock, 176>(row, begin, count, out, DecodeQ5_K);
    case WeightType::kQ6_K:
      return DecodeBlocks<kSuperBlock, 210>(row, begin, count, out, DecodeQ6_K);
  }
}

}  // namespace
}  // namespace loquat::kernels
