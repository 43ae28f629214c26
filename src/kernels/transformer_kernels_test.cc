// Norms, rotations, activations and conversions in every tier, against their formulas in doubles and against scalar.

#include "kernels/transformer_kernels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>
#include <string>
#include <vector>

#include "base/random.h"
#include "kernels/weight_test_data.h"

namespace loquat::kernels {
namespace {

constexpr std::uint64_t kSeed = 20240918;
constexpr std::size_t kLengths[] = {1, 2, 15, 16, 17, 31, 32, 33, 100, 896};

class TransformerKernelsTest : public testing::TestWithParam<Isa> {
 protected:
  void SetUp() override {
    if (!Supports(GetParam())) GTEST_SKIP() << "this machine lacks " << IsaName(GetParam());
  }
  const TransformerKernels& tier() const { return TransformerKernelsFor(GetParam()); }
  std::vector<float> Randoms(std::size_t n, float size = 1) {
    std::vector<float> values(n);
    for (float& value : values) value = (random_.Float() * 2 - 1) * size;
    return values;
  }
  // In-place op: of each x alone.
  void ExpectPointwise(void (*op)(float*, std::size_t), void (*scalar)(float*, std::size_t),
                       const std::function<double(double)>& formula, double tolerance) {
    for (const std::size_t n : kLengths) {
      for (const float size : {1.0F, 12.0F, 150.0F}) {
        const std::vector<float> x = Randoms(n, size);
        std::vector<float> y = x, expected = x;
        op(y.data(), n);
        scalar(expected.data(), n);
        for (std::size_t i = 0; i < n; ++i) {
          const double bound = tolerance * std::max(1.0, std::abs(static_cast<double>(x[i])));
          ASSERT_NEAR(y[i], formula(x[i]), bound) << "at " << x[i];
          ASSERT_NEAR(y[i], expected[i], bound) << "at " << x[i];
        }
      }
    }
  }
  base::Random random_{kSeed};
};

TEST_P(TransformerKernelsTest, RmsNormIsItsFormula) {
  for (const std::size_t n : kLengths) {
    const auto x = Randoms(n, 3), weight = Randoms(n);
    std::vector<float> y(n), scalar(n);
    tier().rms_norm(x.data(), weight.data(), 1e-5F, y.data(), n);
    kTransformerKernelsScalar.rms_norm(x.data(), weight.data(), 1e-5F, scalar.data(), n);
    double squares = 0;
    for (const float v : x) squares += static_cast<double>(v) * v;
    for (std::size_t i = 0; i < n; ++i) {
      const double expected = x[i] / std::sqrt(squares / static_cast<double>(n) + 1e-5) * weight[i];
      ASSERT_NEAR(y[i], expected, 2e-6) << n;
      ASSERT_NEAR(y[i], scalar[i], 2e-6) << n;
    }
  }
}

TEST_P(TransformerKernelsTest, LayerNormIsItsFormulaFarFromZeroToo) {
  for (const std::size_t n : kLengths) {
    auto x = Randoms(n, 3);
    const auto weight = Randoms(n), bias = Randoms(n);
    for (float& v : x) v += 20;
    std::vector<float> y(n), scalar(n);
    tier().layer_norm(x.data(), weight.data(), bias.data(), 1e-5F, y.data(), n);
    kTransformerKernelsScalar.layer_norm(x.data(), weight.data(), bias.data(), 1e-5F, scalar.data(), n);
    double mean = 0, variance = 0;
    for (const float v : x) mean += static_cast<double>(v) / static_cast<double>(n);
    for (const float v : x) variance += (v - mean) * (v - mean) / static_cast<double>(n);
    for (std::size_t i = 0; i < n; ++i) {
      const double expected = (x[i] - mean) / std::sqrt(variance + 1e-5) * weight[i] + bias[i];
      // One element has no variance: what is left of x - mean is divided by sqrt(epsilon) alone.
      ASSERT_NEAR(y[i], expected, n == 1 ? 1e-3 : 1e-5) << n;
      ASSERT_NEAR(y[i], scalar[i], n == 1 ? 1e-3 : 1e-5) << n;
    }
  }
}

TEST_P(TransformerKernelsTest, RopeTurnsPairsByTheirAngles) {
  for (const std::size_t half : {1, 4, 15, 16, 17, 32, 64}) {
    const auto x = Randoms(2 * half), angles = Randoms(half, 4);
    std::vector<float> cosine(half), sine(half);
    for (std::size_t i = 0; i < half; ++i) {
      cosine[i] = std::cos(angles[i]);
      sine[i] = std::sin(angles[i]);
    }
    auto adjacent = x, halves = x;
    tier().rope_adjacent(adjacent.data(), cosine.data(), sine.data(), half);
    tier().rope_halves(halves.data(), cosine.data(), sine.data(), half);
    const auto expect_turned = [&](double a, double b, std::size_t i, float now_a, float now_b) {
      EXPECT_NEAR(now_a, a * std::cos(angles[i]) - b * std::sin(angles[i]), 1e-6);
      EXPECT_NEAR(now_b, a * std::sin(angles[i]) + b * std::cos(angles[i]), 1e-6);
    };
    for (std::size_t i = 0; i < half; ++i) {
      expect_turned(x[2 * i], x[2 * i + 1], i, adjacent[2 * i], adjacent[2 * i + 1]);
      expect_turned(x[i], x[i + half], i, halves[i], halves[i + half]);
    }
  }
}

TEST_P(TransformerKernelsTest, SoftmaxIsItsFormula) {
  for (const std::size_t n : kLengths) {
    const auto x = Randoms(n, 40);
    auto y = x;
    tier().softmax(y.data(), n);
    double total = 0;
    for (const float v : x) total += std::exp(static_cast<double>(v));
    for (std::size_t i = 0; i < n; ++i) EXPECT_NEAR(y[i], std::exp(static_cast<double>(x[i])) / total, 1e-6);
  }
}

TEST_P(TransformerKernelsTest, ActivationsAreTheirFormulas) {
  const auto& scalar = kTransformerKernelsScalar;
  ExpectPointwise(
      tier().gelu_erf, scalar.gelu_erf, [](double x) { return x * 0.5 * std::erfc(-x / std::sqrt(2)); }, 1e-6);
  const auto tanh_gelu = [](double x) {
    return 0.5 * x * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
  };
  ExpectPointwise(tier().gelu_tanh, scalar.gelu_tanh, tanh_gelu, 1e-6);
  ExpectPointwise(
      tier().tanh, scalar.tanh, [](double x) { return std::tanh(x); }, 1e-6);
}

TEST_P(TransformerKernelsTest, SiluTimesUpAndSumsAreTheirFormulas) {
  for (const std::size_t n : kLengths) {
    const auto gate = Randoms(n, 30), up = Randoms(n);
    std::vector<float> out(n);
    tier().silu_multiply(gate.data(), up.data(), out.data(), n);
    auto sum = gate;
    tier().add(sum.data(), up.data(), n);
    for (std::size_t i = 0; i < n; ++i) {
      const double g = gate[i];
      EXPECT_NEAR(out[i], g / (1 + std::exp(-g)) * up[i], 1e-6 * std::max(1.0, std::abs(g)));
      EXPECT_EQ(sum[i], gate[i] + up[i]);
    }
  }
}

TEST_P(TransformerKernelsTest, ExtremesSaturateAndNaNsStay) {
  std::vector<float> x = {-1e30F, -200, -88, 88, 200, 1e30F, INFINITY, NAN};
  auto y = x;
  tier().tanh(y.data(), y.size());
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(y[i], -1) << i;
  for (std::size_t i = 3; i < 7; ++i) EXPECT_EQ(y[i], 1) << i;
  EXPECT_TRUE(std::isnan(y[7]));
  const std::vector<float> ones(x.size(), 1.0F);
  tier().silu_multiply(x.data(), ones.data(), y.data(), x.size());
  EXPECT_NEAR(y[1], 0, 1e-30);
  EXPECT_EQ(y[4], 200);
  EXPECT_TRUE(std::isnan(y[7]));
}

TEST_P(TransformerKernelsTest, EveryHalfIsReadExactlyAndWrittenBack) {
  std::vector<std::uint16_t> all(65536), back(65536);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint16_t>(i);
  std::vector<float> floats(all.size());
  for (const HalfType type : {HalfType::kF16, HalfType::kBF16}) {
    tier().from_half(type, all.data(), floats.data(), all.size());
    tier().to_half(type, floats.data(), back.data(), all.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
      const double expected = type == HalfType::kF16 ? HalfValue(all[i]) : Bf16Value(all[i]);
      if (std::isnan(expected)) {
        ASSERT_TRUE(std::isnan(floats[i])) << i;
        tier().from_half(type, &back[i], &floats[i], 1);
        ASSERT_TRUE(std::isnan(floats[i])) << i;
      } else {
        ASSERT_EQ(floats[i], expected) << i;
        ASSERT_EQ(back[i], all[i]);
      }
    }
  }
}

TEST_P(TransformerKernelsTest, FloatsRoundToTheNearestHalfTiesToEven) {
  std::vector<float> x = {65504, 65519.99F, 65520, 1e9F, 0x1p-24F, 0x1p-25F, 0x1.8p-25F, 0x1.000002p-25F, 0, -0.0F};
  for (int i = 0; i < 20000; ++i) {
    x.push_back(std::ldexp(random_.Float() * 2 - 1, static_cast<int>(random_.Between(-28, 17))));
  }
  for (std::uint16_t h = 0; h < 3000; ++h) x.push_back(static_cast<float>((HalfValue(h) + HalfValue(h + 1)) / 2));
  std::vector<std::uint16_t> f16(x.size()), bf16(x.size());
  tier().to_half(HalfType::kF16, x.data(), f16.data(), x.size());
  tier().to_half(HalfType::kBF16, x.data(), bf16.data(), x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    ASSERT_EQ(f16[i], HalfBits(x[i])) << x[i];
    ASSERT_EQ(bf16[i], Bf16Bits(x[i])) << x[i];
  }
}

TEST_P(TransformerKernelsTest, FloatsRoundToInt8UnderTheirGreatest) {
  for (const std::size_t n : {1, 2, 15, 16, 17, 64, 100}) {
    for (const float size : {1.0F, 1e-20F, 1e20F}) {
      std::vector<float> x(n);
      for (float& value : x) value = (random_.Float() * 2 - 1) * size;
      std::vector<std::int8_t> out(n + 1, 77);
      const float scale = tier().to_int8(x.data(), out.data(), n);
      float greatest = 0;
      for (const float value : x) greatest = std::max(greatest, std::abs(value));
      EXPECT_FLOAT_EQ(scale, greatest / 127);
      EXPECT_EQ(out[n], 77);
      for (std::size_t i = 0; i < n; ++i) {
        EXPECT_NEAR(x[i], scale * static_cast<float>(out[i]), scale * 0.50001F) << i;
        EXPECT_GE(out[i], -127);
      }
    }
  }
}

TEST_P(TransformerKernelsTest, InInt8ZerosStayAndWhatIsNoNumberShows) {
  std::vector<float> x(40);
  std::vector<std::int8_t> out(x.size(), 5);
  EXPECT_EQ(tier().to_int8(x.data(), out.data(), x.size()), 0);
  EXPECT_EQ(std::ranges::count(out, 0), 40);
  x[3] = 1e-42F;
  EXPECT_EQ(tier().to_int8(x.data(), out.data(), x.size()), 0);
  for (const float bad : {NAN, INFINITY, -INFINITY}) {
    for (const std::size_t at : {0, 20, 39}) {
      std::vector<float> y(x.size(), 1);
      y[at] = bad;
      EXPECT_TRUE(std::isnan(tier().to_int8(y.data(), out.data(), y.size()))) << bad << " at " << at;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Tiers, TransformerKernelsTest, testing::ValuesIn(kIsas),
                         [](const auto& info) { return std::string(IsaName(info.param)); });

}  // namespace
}  // namespace loquat::kernels
