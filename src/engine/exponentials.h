// e^x of the logits of a whole vocabulary, without a call for each, so that compilers can compute several side by side.
// Pure functions; any thread. The bits are the same on every machine.

#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

namespace loquat::engine {

inline constexpr double kExpLeast = -700;  // Below it e^x is taken for e^kExpLeast: 1e-304.

// Within 6e-16 of itself. REQUIRES: x <= 0, or minus infinity.
inline double ExpOfNegative(double x) {
  constexpr double kLog2E = 1.44269504088896340736;
  // ln 2 in two parts, of which the first times any power of two here is exact.
  constexpr double kLn2High = 6.93147180369123816490e-01, kLn2Low = 1.90821492927058770002e-10;
  constexpr double kToInteger = 6755399441055744.0;  // 1.5 * 2^52: adding it rounds to an integer, in the lowest bits.
  x = x < kExpLeast ? kExpLeast : x;
  const double shifted = x * kLog2E + kToInteger;
  const double power = shifted - kToInteger;
  const double r = (x - power * kLn2High) - power * kLn2Low;
  // Taylor's series: on [-ln 2 / 2, ln 2 / 2] what follows is below 2e-16.
  constexpr double kFactors[] = {
      1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880, 1.0 / 40320, 1.0 / 5040, 1.0 / 720,
      1.0 / 120,       1.0 / 24,       1.0 / 6,       0.5,          1.0,         1.0};
  double sum = 0;
  for (const double factor : kFactors) sum = sum * r + factor;
  return std::bit_cast<double>(std::bit_cast<std::uint64_t>(sum) + (std::bit_cast<std::uint64_t>(shifted) << 52U));
}

// out[i] = e^((logits[i] - max) * scale). REQUIRES: no logit above max; scale > 0; sizes are equal.
inline void Exponentials(std::span<const float> logits, float max, double scale, std::span<double> out) {
  for (std::size_t i = 0; i < logits.size(); ++i) {
    out[i] = ExpOfNegative((static_cast<double>(logits[i]) - max) * scale);
  }
}

}  // namespace loquat::engine
