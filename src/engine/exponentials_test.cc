// Exponentials of logits beside those of the C library.

#include "engine/exponentials.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "base/random.h"

namespace loquat::engine {
namespace {

TEST(Exponentials, AreThoseOfTheLibraryWithinRounding) {
  constexpr std::uint64_t kSeed = 5;
  SCOPED_TRACE(kSeed);
  base::Random random(kSeed);
  for (int i = 0; i < 200'000; ++i) {
    const double x = -std::pow(10.0, random.Float() * 12 - 9.2);  // To -630.
    ASSERT_NEAR(ExpOfNegative(x) / std::exp(x), 1, 6e-16) << x;
  }
  EXPECT_EQ(ExpOfNegative(0), 1);
  EXPECT_EQ(ExpOfNegative(-0.0), 1);
}

TEST(Exponentials, OfVastNumbersAreNextToNothing) {
  const double least = ExpOfNegative(kExpLeast);
  EXPECT_NEAR(least / std::exp(kExpLeast), 1, 6e-16);
  for (const double x : {std::nextafter(kExpLeast, -1e9), -1e9, -std::numeric_limits<double>::max(),
                         -std::numeric_limits<double>::infinity()}) {
    EXPECT_EQ(ExpOfNegative(x), least) << x;
  }
}

TEST(Exponentials, OfAllLogitsAreThoseOfEach) {
  const std::vector<float> logits = {3, 1, -2.5F, -INFINITY, 3, 0, -87.5F};
  std::vector<double> out(logits.size());
  Exponentials(logits, 3, 1 / 0.7, out);
  for (std::size_t i = 0; i < logits.size(); ++i) {
    EXPECT_EQ(out[i], ExpOfNegative((static_cast<double>(logits[i]) - 3) * (1 / 0.7))) << i;
  }
}

}  // namespace
}  // namespace loquat::engine
