// For tests: random matrices in every stored type, and what they mean in doubles, written from the drawings in
// docs/weight_types.md without any code of the kernels. Pure functions but for the generator.

#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "base/random.h"
#include "kernels/weight_type.h"

namespace loquat::kernels {

// IEEE 754 binary16 by its definition.
inline double HalfValue(std::uint16_t bits) {
  const double sign = (bits & 0x8000) != 0 ? -1 : 1;
  const int exponent = bits >> 10 & 31;
  const int fraction = bits & 1023;
  if (exponent == 31) return fraction != 0 ? std::nan("") : sign * INFINITY;
  if (exponent == 0) return sign * std::ldexp(fraction, -24);
  return sign * std::ldexp(1024 + fraction, exponent - 25);
}

// The nearest binary16, ties to even.
inline std::uint16_t HalfBits(double value) {
  const std::uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  const double magnitude = std::fabs(value);
  if (std::isnan(value)) return 0x7E00;
  if (magnitude >= 65520) return sign | 0x7C00;
  const int exponent = magnitude < 0x1p-14 ? -14 : std::ilogb(magnitude);
  const auto steps = static_cast<std::uint32_t>(std::nearbyint(std::ldexp(magnitude, 10 - exponent)));
  // A carry out of the fraction moves on to the next exponent by itself.
  return static_cast<std::uint16_t>(sign | (((exponent + 14) << 10) + steps));
}

inline double Bf16Value(std::uint16_t bits) {
  const std::uint32_t word = std::uint32_t{bits} << 16;
  float value;
  std::memcpy(&value, &word, sizeof value);
  return value;
}

// The nearest bfloat16, ties to even. REQUIRES: finite.
inline std::uint16_t Bf16Bits(float value) {
  std::uint32_t word;
  std::memcpy(&word, &value, sizeof word);
  const std::uint32_t below = word & 0xFFFF;
  std::uint32_t upper = word >> 16;
  if (below > 0x8000 || (below == 0x8000 && upper % 2 == 1)) ++upper;
  return static_cast<std::uint16_t>(upper);
}

struct TestMatrix {
  std::vector<std::byte> bytes;
  std::vector<double> values;  // [rows, cols]
  Matrix matrix() const { return {.data = bytes.data(), .rows = rows, .cols = cols, .type = type}; }
  std::size_t rows = 0, cols = 0;
  WeightType type = WeightType::kF32;
};

// Reads one block; `byte(i)` is its i-th byte, `half(i)` the binary16 at byte i.
class ReferenceBlock {
 public:
  explicit ReferenceBlock(const std::byte* data) : data_(data) {}
  int byte(std::size_t i) const { return static_cast<int>(data_[i]); }
  int nibble(std::size_t i, bool high) const { return high ? byte(i) / 16 : byte(i) % 16; }
  int bit(std::size_t i, std::size_t n) const { return byte(i) >> n & 1; }
  int signed_byte(std::size_t i) const { return byte(i) < 128 ? byte(i) : byte(i) - 256; }
  std::uint16_t word(std::size_t i) const { return static_cast<std::uint16_t>(byte(i) + 256 * byte(i + 1)); }
  double half(std::size_t i) const { return HalfValue(word(i)); }

  // Weight w of 256 of Q4_K and Q5_K: its sub-block's scale (0) or minimum (1).
  int packed(std::size_t sub, int which) const {
    const std::size_t at = 4 + static_cast<std::size_t>(which) * 4;
    if (sub < 4) return byte(at + sub) % 64;
    return nibble(8 + sub, which == 1) + 16 * (byte(at + sub - 4) / 64);
  }

  double Weight(WeightType type, std::size_t w) const {
    const std::size_t sub = w / 32, in = w % 32;  // Of a super-block.
    switch (type) {
      case WeightType::kF32: {
        float value;
        std::memcpy(&value, data_, sizeof value);
        return value;
      }
      case WeightType::kF16:
        return half(0);
      case WeightType::kBF16:
        return Bf16Value(word(0));
      case WeightType::kQ8_0:
        return half(0) * signed_byte(2 + w);
      case WeightType::kQ4_0:
        return half(0) * (nibble(2 + w % 16, w >= 16) - 8);
      case WeightType::kQ4_1:
        return half(0) * nibble(4 + w % 16, w >= 16) + half(2);
      case WeightType::kQ5_0:
        return half(0) * (nibble(6 + w % 16, w >= 16) + 16 * bit(2 + w / 8, w % 8) - 16);
      case WeightType::kQ5_1:
        return half(0) * (nibble(8 + w % 16, w >= 16) + 16 * bit(4 + w / 8, w % 8)) + half(2);
      case WeightType::kQ4_K:
        return half(0) * packed(sub, 0) * nibble(16 + sub / 2 * 32 + in, sub % 2 == 1) - half(2) * packed(sub, 1);
      case WeightType::kQ5_K: {
        const int q = nibble(48 + sub / 2 * 32 + in, sub % 2 == 1) + 16 * bit(16 + in, sub);
        return half(0) * packed(sub, 0) * q - half(2) * packed(sub, 1);
      }
      case WeightType::kQ6_K: {
        const std::size_t hemi = w / 128, quarter = sub % 4;
        const int low = nibble(hemi * 64 + quarter % 2 * 32 + in, quarter >= 2);
        const int high = byte(128 + hemi * 32 + in) >> (2 * quarter) & 3;
        return half(208) * signed_byte(192 + w / 16) * (low + 16 * high - 32);
      }
    }
    return 0;
  }

 private:
  const std::byte* data_;
};

// Fills a block with random bits under scales that give weights of about the size of `spread`.
inline void RandomBlock(base::Random& random, WeightType type, double spread, std::byte* block) {
  const std::size_t bytes = LayoutOf(type).block_bytes;
  for (std::size_t i = 0; i < bytes; ++i) block[i] = static_cast<std::byte>(random.Below(256));
  const auto put_half = [block](std::size_t at, double value) {
    const std::uint16_t bits = HalfBits(value);
    std::memcpy(block + at, &bits, sizeof bits);
  };
  const double size = spread * (0.5 + random.Double()) * (random.Chance(0.5) ? 1 : -1);
  switch (type) {
    case WeightType::kF32:
    case WeightType::kF16:
    case WeightType::kBF16: {
      const auto value = static_cast<float>(spread * 1.7 * (2 * random.Double() - 1));
      if (type == WeightType::kF16) return put_half(0, value);
      if (type == WeightType::kF32) return static_cast<void>(std::memcpy(block, &value, sizeof value));
      const std::uint16_t bits = Bf16Bits(value);
      std::memcpy(block, &bits, sizeof bits);
      return;
    }
    case WeightType::kQ8_0:
      return put_half(0, size / 74);
    case WeightType::kQ4_0:
      return put_half(0, size / 4.6);
    case WeightType::kQ4_1:
      put_half(0, size / 4.6);
      return put_half(2, -7.5 * size / 4.6);
    case WeightType::kQ5_0:
      return put_half(0, size / 9.2);
    case WeightType::kQ5_1:
      put_half(0, size / 9.2);
      return put_half(2, -15.5 * size / 9.2);
    case WeightType::kQ4_K:
      put_half(0, size / 200);
      return put_half(2, 7.5 * size / 200);
    case WeightType::kQ5_K:
      put_half(0, size / 400);
      return put_half(2, 15.5 * size / 400);
    case WeightType::kQ6_K:
      return put_half(208, size / 1370);
  }
}

// REQUIRES: cols is a multiple of the type's block.
inline TestMatrix RandomMatrix(base::Random& random, WeightType type, std::size_t rows, std::size_t cols,
                               double spread) {
  const WeightLayout& layout = LayoutOf(type);
  TestMatrix made{.rows = rows, .cols = cols, .type = type};
  made.bytes.resize(rows * cols / layout.block_weights * layout.block_bytes);
  made.values.resize(rows * cols);
  for (std::size_t b = 0; b < rows * cols / layout.block_weights; ++b) {
    std::byte* block = made.bytes.data() + b * layout.block_bytes;
    RandomBlock(random, type, spread, block);
    for (std::size_t w = 0; w < layout.block_weights; ++w) {
      made.values[b * layout.block_weights + w] = ReferenceBlock(block).Weight(type, w);
    }
  }
  return made;
}

}  // namespace loquat::kernels
