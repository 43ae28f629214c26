// exp and log of single floats from basic operations alone, so that training gives the same bits on every machine and
// with every C library. Files that use them are compiled with -ffp-contract=off: a fused multiply-add rounds once where
// two operations round twice. Pure functions, free of branches, so that loops over them become vector code.
//
// Range reduction and minimax polynomials as in Cephes (Moshier, "Methods and programs for mathematical functions",
// 1989); the largest error seen over all floats in the ranges that the tests walk is below 2e-7, relative.

#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

namespace loquat::understanding {

inline constexpr float kExpInputMin = -87.0F;
inline constexpr float kExpInputMax = 88.0F;

// e^x; x outside [kExpInputMin, kExpInputMax] counts as the nearer end. Not for NaN.
inline float DeterministicExp(float x) {
  x = x < kExpInputMin ? kExpInputMin : x;
  x = x > kExpInputMax ? kExpInputMax : x;
  // Adding and taking away 1.5 * 2^23 rounds to the nearest integer.
  constexpr float kRound = 12582912.0F;
  const float shifted = x * 1.44269504088896341F + kRound;
  const std::int32_t power = std::bit_cast<std::int32_t>(shifted) - std::bit_cast<std::int32_t>(kRound);
  const float n = shifted - kRound;
  const float r = (x - n * 0.693359375F) + n * 2.12194440e-4F;
  float p = 1.9875691500e-4F;
  p = p * r + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  const float y = p * (r * r) + r + 1.0F;
  return y * std::bit_cast<float>((power + 127) << 23);
}

// Natural logarithm of a normal positive float; anything smaller counts as the smallest normal.
inline float DeterministicLog(float x) {
  constexpr float kSmallest = 1.17549435e-38F;
  x = x < kSmallest ? kSmallest : x;
  // Split into 2^e * m with m in [sqrt(1/2), sqrt(2)).
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(x) - 0x3F3504F3U + 0x3F800000U;
  const auto exponent = static_cast<float>(static_cast<std::int32_t>(bits >> 23) - 127);
  const float m = std::bit_cast<float>((bits & 0x007FFFFFU) + 0x3F3504F3U);
  const float f = m - 1.0F;
  const float z = f * f;
  float p = 7.0376836292e-2F;
  p = p * f - 1.1514610310e-1F;
  p = p * f + 1.1676998740e-1F;
  p = p * f - 1.2420140846e-1F;
  p = p * f + 1.4249322787e-1F;
  p = p * f - 1.6668057665e-1F;
  p = p * f + 2.0000714765e-1F;
  p = p * f - 2.4999993993e-1F;
  p = p * f + 3.3333331174e-1F;
  float y = f * z * p;
  y = y + exponent * -2.12194440e-4F;
  y = y - 0.5F * z;
  return (f + y) + exponent * 0.693359375F;
}

}  // namespace loquat::understanding
