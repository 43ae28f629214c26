#include "base/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <numeric>
#include <vector>

#include "base/backoff.h"

namespace loquat::base {
namespace {

// The numbers that the authors' C programs print for these seeds.
TEST(SplitMix64, MatchesPublishedOutput) {
  SplitMix64 words(1234567);
  EXPECT_EQ(words.Next(), 6457827717110365317U);
  EXPECT_EQ(words.Next(), 3203168211198807973U);
  EXPECT_EQ(words.Next(), 9817491932198370423U);
}

TEST(Random, MatchesPublishedOutputOfXoshiro256StarStar) {
  Random random(std::array<std::uint64_t, 4>{1, 2, 3, 4});
  EXPECT_EQ(random.Next(), 11520U);
  EXPECT_EQ(random.Next(), 0U);
  EXPECT_EQ(random.Next(), 1509978240U);
  EXPECT_EQ(random.Next(), 1215971899390074240U);
}

TEST(Random, SameSeedSameFutureAndStateGoesOn) {
  Random first(9);
  Random second(9);
  Random other(10);
  EXPECT_EQ(first(), second());
  EXPECT_NE(first.Next(), other.Next());
  Random resumed(first.state());
  EXPECT_EQ(first.Next(), resumed.Next());
}

TEST(Random, BelowIsFairAndInRange) {
  Random random(3);
  std::map<std::uint64_t, int> counts;
  constexpr int kDraws = 70000;
  for (int i = 0; i < kDraws; ++i) ++counts[random.Below(7)];
  ASSERT_EQ(counts.size(), 7U);
  EXPECT_LT(counts.rbegin()->first, 7U);
  // Six standard deviations of a binomial count are 556.
  for (const auto& [value, count] : counts) EXPECT_NEAR(count, kDraws / 7, 560) << value;
  EXPECT_EQ(random.Below(1), 0U);
}

TEST(Random, BelowAHugeBoundRejectsTheUnfairPart) {
  // With a bound of 3 * 2^62, a quarter of all words would favour some numbers.
  constexpr std::uint64_t kBound = std::uint64_t{3} << 62;
  Random random(4);
  int lowest_third = 0;
  constexpr int kDraws = 30000;
  for (int i = 0; i < kDraws; ++i) {
    const std::uint64_t value = random.Below(kBound);
    ASSERT_LT(value, kBound);
    lowest_third += value < kBound / 3 ? 1 : 0;
  }
  EXPECT_NEAR(lowest_third, kDraws / 3, 500);
}

TEST(Random, BetweenIncludesBothEnds) {
  Random random(5);
  std::map<std::int64_t, int> counts;
  for (int i = 0; i < 1000; ++i) ++counts[random.Between(-2, 2)];
  EXPECT_EQ(counts.begin()->first, -2);
  EXPECT_EQ(counts.rbegin()->first, 2);
  EXPECT_EQ(random.Between(8, 8), 8);
  // The widest range is every word.
  Random twin = random;
  const std::int64_t widest =
      random.Between(std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(static_cast<std::uint64_t>(widest) - (std::uint64_t{1} << 63), twin.Next());
}

TEST(Random, FractionsStayBelowOneAndAverageHalf) {
  Random random(6);
  double sum = 0;
  float largest = 0;
  for (int i = 0; i < 100000; ++i) {
    const double number = random.Double();
    ASSERT_GE(number, 0);
    ASSERT_LT(number, 1);
    sum += number;
    largest = std::max(largest, random.Float());
  }
  EXPECT_NEAR(sum / 100000, 0.5, 0.006);
  EXPECT_LT(largest, 1.0F);
  EXPECT_GT(largest, 0.99F);
  EXPECT_FALSE(random.Chance(0));
  EXPECT_TRUE(random.Chance(1));
}

TEST(Random, ShuffleReachesEveryOrderEquallyOften) {
  Random random(7);
  std::map<std::vector<int>, int> orders;
  for (int i = 0; i < 24000; ++i) {
    std::vector<int> items(4);
    std::iota(items.begin(), items.end(), 0);
    random.Shuffle(std::span(items));
    ++orders[items];
  }
  EXPECT_EQ(orders.size(), 24U);
  for (const auto& [order, count] : orders) EXPECT_NEAR(count, 1000, 190);
}

TEST(RandomDeathTest, AnEmptyRangeIsAMistakeOfOurs) {
  Random random(1);
  EXPECT_DEATH(random.Below(0), "empty range");
  EXPECT_DEATH(random.Between(2, 1), "empty range");
}

using std::chrono::milliseconds;

TEST(Backoff, WaitsStayUnderADoublingLimitUpToTheCeiling) {
  constexpr milliseconds kFirst(10);
  constexpr milliseconds kCeiling(75);
  Duration longest[6] = {};
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    Backoff backoff({.first = kFirst, .ceiling = kCeiling}, seed);
    for (Duration& slot : longest) {
      const Duration wait = backoff.Next();
      ASSERT_GE(wait, Duration::zero());
      slot = std::max(slot, wait);
    }
  }
  const milliseconds limits[] = {milliseconds(10), milliseconds(20), milliseconds(40), kCeiling, kCeiling, kCeiling};
  for (int i = 0; i < 6; ++i) {
    EXPECT_LE(longest[i], limits[i]);
    EXPECT_GT(longest[i], limits[i] * 9 / 10) << "full jitter reaches the limit";
  }
}

TEST(Backoff, ResetStartsOverAndSeedsRepeat) {
  Backoff first({.first = milliseconds(5), .ceiling = std::chrono::hours(1)}, 8);
  Backoff second({.first = milliseconds(5), .ceiling = std::chrono::hours(1)}, 8);
  for (int i = 0; i < 40; ++i) EXPECT_EQ(first.Next(), second.Next());
  first.Reset();
  EXPECT_LE(first.Next(), milliseconds(5));
}

TEST(BackoffDeathTest, RefusesAFirstWaitPastTheCeiling) {
  EXPECT_DEATH(Backoff({.first = milliseconds(2), .ceiling = milliseconds(1)}, 0), "ceiling");
}

}  // namespace
}  // namespace loquat::base
