#include "observe/latency_histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <thread>
#include <vector>

#include "base/random.h"

namespace loquat::observe {
namespace {

TEST(LatencyHistogram, PercentilesAreWithinOnePercentOfTheSortedValues) {
  constexpr std::uint64_t kSeed = 42;
  base::Random random(kSeed);
  auto histogram = std::make_unique<LatencyHistogram>();
  std::vector<std::uint64_t> values;
  for (int i = 0; i < 20'000; ++i) values.push_back(random.Next() >> (22 + random.Below(40)));
  for (const std::uint64_t value : values) histogram->Record(value);
  std::ranges::sort(values);
  for (const double percent : {0.0, 1.0, 25.0, 50.0, 90.0, 99.0, 99.9, 100.0}) {
    const auto rank =
        static_cast<std::size_t>(std::max(1.0, std::ceil(percent / 100 * static_cast<double>(values.size()))));
    const auto exact = static_cast<double>(values[rank - 1]);
    const auto got = static_cast<double>(histogram->Percentile(percent));
    EXPECT_GE(got, exact) << "seed " << kSeed << " p" << percent;
    EXPECT_LE(got, exact * 1.01) << "seed " << kSeed << " p" << percent;
  }
  EXPECT_EQ(histogram->max(), values.back());
  EXPECT_EQ(histogram->min(), values.front());
}

TEST(LatencyHistogram, SmallValuesAreExact) {
  LatencyHistogram histogram;
  for (std::uint64_t value = 0; value < 256; ++value) histogram.Record(value);
  EXPECT_EQ(histogram.Percentile(50), 127u);
  EXPECT_EQ(histogram.Percentile(100), 255u);
  EXPECT_EQ(histogram.mean(), 127.5);
}

TEST(LatencyHistogram, EdgesOfTheRange) {
  LatencyHistogram histogram;
  EXPECT_EQ(histogram.Percentile(50), 0u);
  EXPECT_EQ(histogram.min(), 0u);
  EXPECT_EQ(histogram.mean(), 0);
  histogram.Record(5, 0);
  EXPECT_EQ(histogram.count(), 0u);
  histogram.Record(LatencyHistogram::ValueMax());
  EXPECT_EQ(histogram.Percentile(50), LatencyHistogram::ValueMax());
  histogram.Record(UINT64_MAX);
  EXPECT_EQ(histogram.max(), UINT64_MAX);
  EXPECT_EQ(histogram.Percentile(100), UINT64_MAX);
  EXPECT_EQ(histogram.count(), 2u);
}

TEST(LatencyHistogram, MergingIsAsIfOneHadRecordedAll) {
  base::Random random(7);
  LatencyHistogram a, b, both;
  for (int i = 0; i < 1000; ++i) {
    const std::uint64_t value = random.Below(1'000'000);
    (i % 3 == 0 ? a : b).Record(value);
    both.Record(value);
  }
  a.Merge(b);
  EXPECT_EQ(a.count(), both.count());
  EXPECT_EQ(a.max(), both.max());
  EXPECT_EQ(a.min(), both.min());
  for (const double percent : {1.0, 50.0, 99.0}) EXPECT_EQ(a.Percentile(percent), both.Percentile(percent));
}

TEST(AtomicLatencyHistogram, LosesNothingOverThreads) {
  auto histogram = std::make_unique<AtomicLatencyHistogram>();
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (std::uint64_t i = 1; i <= 5000; ++i) histogram->Record(i);
      });
    }
  }
  const LatencyHistogram snapshot = histogram->Snapshot();
  EXPECT_EQ(snapshot.count(), 20'000u);
  EXPECT_NEAR(static_cast<double>(snapshot.Percentile(50)), 2500, 25);
  EXPECT_NEAR(static_cast<double>(snapshot.max()), 5000, 50);
}

}  // namespace
}  // namespace loquat::observe
