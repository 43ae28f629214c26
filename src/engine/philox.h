// Counter-based random numbers: the n-th number is a pure function of key and counter, so that a sequence draws the
// same ones whatever else runs, and after it was interrupted and computed again. Pure; any thread.
//
// Philox4x32-10: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011, section 3.

#pragma once

#include <array>
#include <cstdint>

namespace loquat::engine {

constexpr std::array<std::uint32_t, 4> Philox4x32(std::array<std::uint32_t, 4> counter,
                                                  std::array<std::uint32_t, 2> key) {
  constexpr int kRounds = 10;
  for (int round = 0; round < kRounds; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53} * counter[0];
    const std::uint64_t b = std::uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(b),
               static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(a)};
    key[0] += 0x9E3779B9;  // Of the golden ratio; Weyl sequence of the key.
    key[1] += 0xBB67AE85;  // Of sqrt(3) - 1.
  }
  return counter;
}

// Uniform in [0, 1), a multiple of 2^-53: what choice `choice` of a generation with this seed draws at step `step`.
constexpr double UniformAt(std::uint64_t seed, std::uint32_t choice, std::uint64_t step) {
  const auto words = Philox4x32({static_cast<std::uint32_t>(step), static_cast<std::uint32_t>(step >> 32), choice, 0},
                                {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)});
  const std::uint64_t bits = std::uint64_t{words[0]} << 32 | words[1];
  return static_cast<double>(bits >> 11) * 0x1p-53;
}

}  // namespace loquat::engine
