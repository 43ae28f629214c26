// Seeded pseudo-random numbers that are the same on every machine: for tests, training, sampling and backoff.
// Not for secrets. A value; one thread at a time. Copying a generator copies its future.
//
// SplitMix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
// xoshiro256**: Blackman, Vigna, "Scrambled linear pseudorandom number generators", ACM TOMS 47(4), 2021.

#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>

#include "base/check.h"

namespace loquat::base {

// Turns any seed, even zero, into a stream of well-mixed words; seeds larger generators.
class SplitMix64 {
 public:
  constexpr explicit SplitMix64(std::uint64_t seed) : state_(seed) {}
  constexpr std::uint64_t Next() {
    std::uint64_t z = state_ += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
  }

 private:
  std::uint64_t state_;
};

// Satisfies std::uniform_random_bit_generator. The distributions of <random> differ between libraries: use ours.
class Random {
 public:
  using result_type = std::uint64_t;

  constexpr explicit Random(std::uint64_t seed) {
    SplitMix64 words(seed);
    for (std::uint64_t& word : state_) word = words.Next();
  }
  // From the state itself, to go on where another left off. REQUIRES: not all zero.
  constexpr explicit Random(const std::array<std::uint64_t, 4>& state) : state_(state) {}
  constexpr const std::array<std::uint64_t, 4>& state() const { return state_; }

  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return std::numeric_limits<result_type>::max(); }
  constexpr result_type operator()() { return Next(); }

  constexpr std::uint64_t Next() {
    const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const std::uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }

  // Uniform in [0, bound), without bias: Lemire, "Fast random integer generation in an interval", ACM TOMACS 29(1),
  // 2019. REQUIRES: bound > 0.
  constexpr std::uint64_t Below(std::uint64_t bound) {
    LOQUAT_CHECK(bound > 0, "an empty range has no member");
    __extension__ using Wide = unsigned __int128;
    Wide product = static_cast<Wide>(Next()) * bound;
    if (static_cast<std::uint64_t>(product) < bound) {
      const std::uint64_t unfair = (0 - bound) % bound;
      while (static_cast<std::uint64_t>(product) < unfair) product = static_cast<Wide>(Next()) * bound;
    }
    return static_cast<std::uint64_t>(product >> 64);
  }

  // Uniform in [low, high], both included. REQUIRES: low <= high.
  constexpr std::int64_t Between(std::int64_t low, std::int64_t high) {
    LOQUAT_CHECK(low <= high, "an empty range has no member");
    const std::uint64_t width = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low) + 1;
    const std::uint64_t step = width == 0 ? Next() : Below(width);  // Width 0: all 2^64 numbers.
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(low) + step);
  }

  // Uniform in [0, 1), a multiple of 2^-53.
  constexpr double Double() { return static_cast<double>(Next() >> 11) * 0x1p-53; }
  // Uniform in [0, 1), a multiple of 2^-24.
  constexpr float Float() { return static_cast<float>(Next() >> 40) * 0x1p-24F; }
  // True with this probability; 0 or less never, 1 or more always.
  constexpr bool Chance(double probability) { return Double() < probability; }

  // Fisher and Yates' shuffle, every order equally likely.
  template <typename T>
  constexpr void Shuffle(std::span<T> items) {
    for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[Below(i)]);
  }

 private:
  std::array<std::uint64_t, 4> state_{};
};

}  // namespace loquat::base
