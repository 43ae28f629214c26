// IEEE 754 binary16 to and from float, one number at a time: what the scales of blocks are stored as. Pure functions;
// any thread.

#pragma once

#include <bit>
#include <cstdint>

namespace loquat::model {

inline constexpr float kHalfMax = 65504.0F;
inline constexpr float kHalfLeast = 0x1p-24F;  // Above zero.

// The nearest, ties to even; infinity from 65520 on. REQUIRES: no NaN.
inline std::uint16_t ToHalf(float value) {
  constexpr std::uint32_t kLeastNormal = 113U << 23U;  // 2^-14
  constexpr std::uint32_t kOverflow = 0x477FF000U;     // 65520
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = bits >> 16U & 0x8000U;
  const std::uint32_t magnitude = bits & 0x7FFFFFFFU;
  std::uint32_t half = 0;
  if (magnitude >= kOverflow) {
    half = 0x7C00U;
  } else if (magnitude < kLeastNormal) {
    // The last place of a float just above 0.5 is 2^-24, as that of binary16's small numbers is.
    half = std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + 0.5F) - std::bit_cast<std::uint32_t>(0.5F);
  } else {
    half = (magnitude - (112U << 23U) + 0xFFFU + (magnitude >> 13U & 1U)) >> 13U;
  }
  return static_cast<std::uint16_t>(sign | half);
}

// Exact. REQUIRES: finite.
inline float FromHalf(std::uint16_t half) {
  const std::uint32_t sign = (half & 0x8000U) << 16U;
  const float magnitude = std::bit_cast<float>((half & 0x7FFFU) << 13U) * 0x1p112F;
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(magnitude) | sign);
}

}  // namespace loquat::model
