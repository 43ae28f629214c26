// Every tier of the row kernels against the scalar one, to the bit.

#include "kernels/rows.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "base/random.h"

namespace loquat::kernels {
namespace {

constexpr std::uint64_t kSeed = 20240611;
constexpr std::size_t kWidths[] = {0, 16, 32, 48, 64, 80, 160, 192, 208, 288, 400, 1024};

std::vector<float> RandomFloats(base::Random& random, std::size_t n) {
  std::vector<float> values(n);
  for (float& value : values) value = (random.Float() - 0.5F) * (random.Chance(0.1) ? 1e4F : 1.0F);
  return values;
}

bool SameBits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

class RowKernelsTest : public testing::TestWithParam<Isa> {
 protected:
  void SetUp() override {
    if (!Supports(GetParam())) GTEST_SKIP() << "this machine lacks " << IsaName(GetParam());
    SCOPED_TRACE(kSeed);
  }
  const RowKernels& tier() const { return RowKernelsFor(GetParam()); }
  base::Random random_{kSeed};
};

TEST_P(RowKernelsTest, AxpyEqualsScalarToTheBit) {
  for (const std::size_t n : kWidths) {
    const auto x = RandomFloats(random_, n);
    auto expected = RandomFloats(random_, n);
    auto y = expected;
    kRowKernelsScalar.axpy(0.37F, x.data(), expected.data(), n);
    tier().axpy(0.37F, x.data(), y.data(), n);
    EXPECT_TRUE(SameBits(expected, y)) << n;
  }
}

TEST_P(RowKernelsTest, DotEqualsScalarToTheBit) {
  for (const std::size_t n : kWidths) {
    const auto x = RandomFloats(random_, n);
    const auto y = RandomFloats(random_, n);
    EXPECT_EQ(kRowKernelsScalar.dot(x.data(), y.data(), n), tier().dot(x.data(), y.data(), n)) << n;
  }
}

TEST_P(RowKernelsTest, AccumulateInt8EqualsScalarToTheBitAndNearDoubles) {
  constexpr std::size_t kRows = 37;
  for (const std::size_t n : kWidths) {
    std::vector<std::int8_t> rows(kRows * n);
    for (auto& value : rows) value = static_cast<std::int8_t>(random_.Between(-128, 127));
    std::vector<std::uint32_t> ids(random_.Below(90));
    for (auto& id : ids) id = static_cast<std::uint32_t>(random_.Below(kRows));
    const auto coefficients = RandomFloats(random_, ids.size());
    auto expected = RandomFloats(random_, n);
    std::vector<double> exact(expected.begin(), expected.end());
    auto y = expected;
    kRowKernelsScalar.accumulate_int8(rows.data(), ids.data(), coefficients.data(), ids.size(), expected.data(), n);
    tier().accumulate_int8(rows.data(), ids.data(), coefficients.data(), ids.size(), y.data(), n);
    EXPECT_TRUE(SameBits(expected, y)) << n;
    for (std::size_t r = 0; r < ids.size(); ++r) {
      for (std::size_t i = 0; i < n; ++i) exact[i] += static_cast<double>(coefficients[r]) * rows[ids[r] * n + i];
    }
    for (std::size_t i = 0; i < n; ++i) EXPECT_NEAR(y[i], exact[i], 1.0 + 1e-4 * std::abs(exact[i])) << n;
  }
}

TEST_P(RowKernelsTest, AdaGradEqualsScalarToTheBit) {
  for (const std::size_t n : kWidths) {
    const auto gradient = RandomFloats(random_, n);
    auto expected_weights = RandomFloats(random_, n);
    auto weights = expected_weights;
    std::vector<float> expected_squares(n, 0.25F);
    auto squares = expected_squares;
    const AdaGradStep step{.rate = 0.3F, .epsilon = 1e-6F};
    kRowKernelsScalar.adagrad(0.7F, gradient.data(), expected_weights.data(), expected_squares.data(), n, step);
    tier().adagrad(0.7F, gradient.data(), weights.data(), squares.data(), n, step);
    EXPECT_TRUE(SameBits(expected_weights, weights)) << n;
    EXPECT_TRUE(SameBits(expected_squares, squares)) << n;
  }
}

INSTANTIATE_TEST_SUITE_P(Tiers, RowKernelsTest, testing::ValuesIn(kIsas),
                         [](const auto& info) { return std::string(IsaName(info.param)); });

TEST(Isa, NamesAreChosenOrRefused) {
  EXPECT_EQ(ChooseIsa("").value(), DetectIsa());
  EXPECT_EQ(ChooseIsa("scalar").value(), Isa::kScalar);
  EXPECT_EQ(ChooseIsa("sse9").error().code, base::Code::kInvalidArgument);
  for (const Isa isa : kIsas) {
    const auto chosen = ChooseIsa(IsaName(isa));
    EXPECT_EQ(chosen.has_value(), Supports(isa));
    EXPECT_TRUE(!Supports(isa) || isa <= DetectIsa());
    if (!chosen.has_value()) {
      EXPECT_EQ(chosen.error().code, base::Code::kFailedPrecondition);
    }
  }
}

}  // namespace
}  // namespace loquat::kernels
