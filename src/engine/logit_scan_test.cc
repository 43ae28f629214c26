// What a scan of logits finds is what a plain loop finds, of any number of them.

#include "engine/logit_scan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/random.h"

namespace loquat::engine {
namespace {

TEST(LogitScan, FindsTheFirstOfTheGreatest) {
  base::Random random(20261122);
  for (const std::size_t size : {1, 2, 15, 16, 17, 511, 512, 513, 1024, 5000}) {
    for (int round = 0; round < 20; ++round) {
      std::vector<float> logits(size);
      // Few values, so that the greatest is there more than once.
      for (float& logit : logits) logit = static_cast<float>(random.Below(round < 10 ? 7 : 100'000)) - 50;
      const auto greatest = std::ranges::max_element(logits);
      EXPECT_EQ(ArgMax(logits), static_cast<std::size_t>(greatest - logits.begin())) << size;
      EXPECT_EQ(ScanLogits(logits).greatest, *greatest);
      EXPECT_TRUE(ScanLogits(logits).sound);
    }
  }
}

TEST(LogitScan, MinusInfinityIsALogitAndNothingElseThatIsNoNumber) {
  for (const std::size_t size : {1, 16, 17, 700}) {
    std::vector<float> logits(size, -INFINITY);
    EXPECT_TRUE(ScanLogits(logits).sound);
    EXPECT_EQ(ScanLogits(logits).greatest, -INFINITY);
    EXPECT_EQ(ArgMax(logits), 0U);
    for (const std::size_t at : {std::size_t{0}, size / 2, size - 1}) {
      for (const float bad : {NAN, INFINITY}) {
        std::vector<float> some(size, 1);
        some[at] = bad;
        EXPECT_FALSE(ScanLogits(some).sound) << bad << " at " << at << " of " << size;
      }
    }
  }
}

}  // namespace
}  // namespace loquat::engine
