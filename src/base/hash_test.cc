#include "base/hash.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/random.h"

namespace loquat::base {
namespace {

// Counting up: 0, 1, 2 … as bytes.
std::string Ramp(std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i);
  return bytes;
}

// For each input bit, each output bit flips with probability 1/2: returns the worst bias found.
double WorstBias(std::size_t size, int samples, Random& random) {
  std::vector<int> flips(size * 8 * 64);
  for (int sample = 0; sample < samples; ++sample) {
    std::string bytes(size, '\0');
    for (char& c : bytes) c = static_cast<char>(random.Below(256));
    const std::uint64_t seed = random.Next();  // A new one each time: there are only 256 texts of one byte.
    const std::uint64_t before = Hash64(bytes, seed);
    for (std::size_t bit = 0; bit < size * 8; ++bit) {
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
      const std::uint64_t changed = Hash64(bytes, seed) ^ before;
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
      for (std::size_t out = 0; out < 64; ++out) flips[bit * 64 + out] += static_cast<int>(changed >> out & 1);
    }
  }
  double worst = 0;
  for (const int count : flips) worst = std::max(worst, std::abs(static_cast<double>(count) / samples - 0.5));
  return worst;
}

TEST(Hash64, EveryInputBitReachesEveryOutputBitHalfTheTime) {
  constexpr std::uint64_t kSeed = 41;
  SCOPED_TRACE(kSeed);
  Random random(kSeed);
  // Over 500,000 counters of 2,000 fair flips, five and a half standard deviations are 0.061.
  for (const std::size_t size : {1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 32, 48, 49, 64, 97}) {
    EXPECT_LT(WorstBias(size, 2000, random), 0.065) << size;
  }
}

TEST(Hash64, SeedBitsReachEveryOutputBit) {
  Random random(5);
  std::vector<int> flips(64 * 64);
  constexpr int kSamples = 2000;
  for (int sample = 0; sample < kSamples; ++sample) {
    const std::uint64_t seed = random.Next();
    for (std::size_t bit = 0; bit < 64; ++bit) {
      const std::uint64_t changed = Hash64("forecast", seed) ^ Hash64("forecast", seed ^ std::uint64_t{1} << bit);
      for (std::size_t out = 0; out < 64; ++out) flips[bit * 64 + out] += static_cast<int>(changed >> out & 1);
    }
  }
  for (const int count : flips) EXPECT_NEAR(static_cast<double>(count) / kSamples, 0.5, 0.065);
}

TEST(Hash64, NoCollisionAmongNeighbours) {
  std::unordered_set<std::uint64_t> seen;
  std::size_t texts = 0;
  for (std::size_t size = 0; size <= 300; ++size, ++texts) seen.insert(Hash64(std::string(size, '\0')));
  for (int i = 0; i < 200000; ++i, ++texts) seen.insert(Hash64("key" + std::to_string(i)));
  for (int i = 0; i < 65536; ++i, ++texts) {
    const char pair[] = {static_cast<char>(i >> 8), static_cast<char>(i)};
    seen.insert(Hash64(std::string_view(pair, 2), 3));
  }
  EXPECT_EQ(seen.size(), texts);
}

TEST(Hash64, BucketsFillEvenly) {
  // Chi-squared over 1,024 buckets: mean 1,023, standard deviation 45.
  constexpr int kBuckets = 1024;
  constexpr int kTexts = 200000;
  for (const int shift : {0, 27, 54}) {
    std::vector<int> counts(kBuckets);
    for (int i = 0; i < kTexts; ++i) ++counts[Hash64("user:" + std::to_string(i)) >> shift & (kBuckets - 1)];
    double chi_squared = 0;
    for (const int count : counts) {
      const double expected = static_cast<double>(kTexts) / kBuckets;
      chi_squared += (count - expected) * (count - expected) / expected;
    }
    EXPECT_LT(chi_squared, 1250) << shift;
    EXPECT_GT(chi_squared, 800) << shift;
  }
}

TEST(Hash64, ReadsBytesAtAnyAlignment) {
  const std::string ramp = Ramp(200);
  for (std::size_t shift = 0; shift < 16; ++shift) {
    const std::string padded = std::string(shift, 'x') + ramp;
    EXPECT_EQ(Hash64(std::string_view(padded).substr(shift)), Hash64(ramp));
  }
  EXPECT_EQ(Hash64(std::as_bytes(std::span(ramp))), Hash64(ramp));
}

// Model files hold these numbers: they never change.
TEST(Hash64, VectorsStayTheSame) {
  EXPECT_EQ(Hash64(""), 0xAB6474CF1E865A49u);
  EXPECT_EQ(Hash64("", 1), 0xE21DA20BFAC8A937u);
  EXPECT_EQ(Hash64("a"), 0x0857C2919FD296F3u);
  EXPECT_EQ(Hash64("abc"), 0xB50D5DA87AC21C20u);
  EXPECT_EQ(Hash64("weather"), 0x6A9C073B472ABEE9u);
  EXPECT_EQ(Hash64("\xE5\xA4\xA9\xE6\xB0\x94"), 0xA3AE3F33DE48BA08u);
  EXPECT_EQ(Hash64(Ramp(16)), 0x2CFC67014B8FC27Cu);
  EXPECT_EQ(Hash64(Ramp(17), 42), 0x0286CB9516698756u);
  EXPECT_EQ(Hash64(Ramp(48)), 0x7D4BA223E6F413A6u);
  EXPECT_EQ(Hash64(Ramp(49)), 0x4DB88367EDE94F2Eu);
  EXPECT_EQ(Hash64(Ramp(256), 42), 0x449A66D66C6C8B90u);
  EXPECT_EQ(HashMix(0), 0x8FF19F420A5A5E76u);
  EXPECT_EQ(HashMix(1, 2), 0x0A0DFBAC595E9633u);
}

TEST(HashCombine, DependsOnOrderAndOnBoth) {
  EXPECT_NE(HashCombine(1, 2), HashCombine(2, 1));
  EXPECT_NE(HashCombine(1, 2), HashCombine(1, 3));
  EXPECT_NE(HashCombine(1, 2), HashCombine(3, 2));
  std::unordered_set<std::uint64_t> seen;
  for (std::uint64_t a = 0; a < 500; ++a) {
    for (std::uint64_t b = 0; b < 500; ++b) seen.insert(HashCombine(a, b));
  }
  EXPECT_EQ(seen.size(), 250000U);
}

TEST(HashMix, SmallNumbersSpreadOverAllBits) {
  std::vector<int> flips(64 * 64);
  constexpr int kSamples = 2000;
  for (std::uint64_t value = 0; value < kSamples; ++value) {
    for (std::size_t bit = 0; bit < 64; ++bit) {
      const std::uint64_t changed = HashMix(value) ^ HashMix(value ^ std::uint64_t{1} << bit);
      for (std::size_t out = 0; out < 64; ++out) flips[bit * 64 + out] += static_cast<int>(changed >> out & 1);
    }
  }
  for (const int count : flips) EXPECT_NEAR(static_cast<double>(count) / kSamples, 0.5, 0.065);
}

TEST(StringHash, FindsByViewWithoutMakingAString) {
  std::unordered_map<std::string, int, StringHash, std::equal_to<>> map;
  map["one"] = 1;
  EXPECT_EQ(map.find(std::string_view("one"))->second, 1);
  EXPECT_EQ(map.find(std::string_view("two")), map.end());
}

}  // namespace
}  // namespace loquat::base
