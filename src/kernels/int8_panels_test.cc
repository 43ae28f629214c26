// Weights under one scale a row: each within half a scale of what it was, at the place that the drawing gives it, and
// products that equal those in doubles, to the bit the same under any split.

#include "kernels/int8_panels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/random.h"
#include "kernels/activation_test_data.h"
#include "kernels/interleave.h"
#include "kernels/weight_test_data.h"

namespace loquat::kernels {
namespace {

constexpr std::uint64_t kSeed = 991;

struct Int8 {
  explicit Int8(const TestMatrix& from) : bytes(Int8Bytes(from.matrix())) {
    const std::size_t panels = (from.rows + kInterleavedRows - 1) / kInterleavedRows;
    // Panels one by one and together land in the same places.
    RoundPanels(kTransformerKernelsScalar, from.matrix(), 0, panels / 2, bytes.data());
    for (std::size_t panel = panels / 2; panel < panels; ++panel) {
      RoundPanels(kTransformerKernelsScalar, from.matrix(), panel, panel + 1, bytes.data());
    }
    matrix = Int8Matrix(from.matrix(), bytes.data());
  }

  // As docs/weight_types.md draws it.
  double scale(std::size_t row) const {
    float value;
    std::memcpy(&value, &bytes[row / 16 * panel_bytes() + row % 16 * 4], sizeof value);
    return value;
  }
  std::int32_t sum(std::size_t row) const {
    std::int32_t value;
    std::memcpy(&value, &bytes[row / 16 * panel_bytes() + 64 + row % 16 * 4], sizeof value);
    return value;
  }
  int number(std::size_t row, std::size_t col) const {
    return static_cast<std::int8_t>(bytes[row / 16 * panel_bytes() + 128 + col / 4 * 64 + row % 16 * 4 + col % 4]);
  }
  std::size_t panel_bytes() const { return 128 + (matrix.cols + 3) / 4 * 64; }

  std::vector<std::byte> bytes;
  Matrix matrix;
};

std::vector<float> Activations(base::Random& random, std::size_t n) {
  std::vector<float> x(n);
  for (float& value : x) value = random.Float() * 3 - 1;  // More above zero than below.
  return x;
}

class Int8PanelsTest : public testing::Test {
 protected:
  base::Random random_{kSeed};
};

class Int8Products : public testing::TestWithParam<Isa> {
 protected:
  void SetUp() override {
    if (!Supports(GetParam())) GTEST_SKIP() << "this machine lacks the tier";
    ASSERT_TRUE(tier().panels);
  }
  const TransformerKernels& tier() const { return TransformerKernelsFor(GetParam()); }
  TestActivations Given(std::vector<float> x, std::size_t cols) const {
    return {tier(), ActivationForm::kInt8Token, std::move(x), cols};
  }
  base::Random random_{kSeed};
};

TEST_F(Int8PanelsTest, EveryNumberIsWithinHalfAScaleAtItsPlace) {
  for (const WeightType type : {WeightType::kF32, WeightType::kF16, WeightType::kBF16}) {
    for (const std::size_t rows : {1, 15, 16, 17, 40}) {
      for (const std::size_t cols : {16, 17, 18, 64, 313}) {
        const TestMatrix weights = RandomMatrix(random_, type, rows, cols, 0.1);
        const Int8 rounded(weights);
        ASSERT_EQ(rounded.bytes.size(), (rows + 15) / 16 * rounded.panel_bytes());
        for (std::size_t row = 0; row < rows; ++row) {
          double greatest = 0;
          std::int32_t sum = 0;
          for (std::size_t col = 0; col < cols; ++col) {
            const double value = weights.values[row * cols + col];
            greatest = std::max(greatest, std::abs(value));
            sum += rounded.number(row, col);
            ASSERT_NEAR(rounded.number(row, col) * rounded.scale(row), value, rounded.scale(row) * 0.50001)
                << row << "," << col << " of " << rows << "x" << cols;
          }
          EXPECT_NEAR(rounded.scale(row), greatest / 127, greatest * 1e-6);
          EXPECT_EQ(rounded.sum(row), sum);
        }
      }
    }
  }
}

TEST_F(Int8PanelsTest, OfInterleavedFloatsTheyAreTheSame) {
  for (const WeightType type : {WeightType::kF32, WeightType::kF16, WeightType::kBF16}) {
    const TestMatrix weights = RandomMatrix(random_, type, 37, 101, 0.1);
    std::vector<std::byte> panels(InterleavedBytes(weights.matrix()));
    InterleavePanels(weights.matrix(), 0, 3, panels.data());
    const Matrix interleaved = InterleavedMatrix(weights.matrix(), panels.data());
    std::vector<std::byte> rounded(Int8Bytes(interleaved));
    RoundPanels(kTransformerKernelsScalar, interleaved, 1, 3, rounded.data());
    RoundPanels(kTransformerKernelsScalar, interleaved, 0, 1, rounded.data());
    EXPECT_EQ(rounded, Int8(weights).bytes);
  }
}

TEST_F(Int8PanelsTest, OnlyPlainFloatsOfSomeLengthAreRounded) {
  Matrix matrix{.rows = 4, .cols = kInt8ColumnsMin, .type = WeightType::kF32};
  EXPECT_TRUE(RoundsToInt8(matrix));
  matrix.cols = kInt8ColumnsMin - 1;
  EXPECT_FALSE(RoundsToInt8(matrix));
  matrix.cols = kInt8ColumnsMax;
  EXPECT_TRUE(RoundsToInt8(matrix));
  matrix.cols = kInt8ColumnsMax + 1;
  EXPECT_FALSE(RoundsToInt8(matrix));
  matrix.cols = 64;
  matrix.type = WeightType::kQ8_0;
  EXPECT_FALSE(RoundsToInt8(matrix));
  matrix.type = WeightType::kF16;
  matrix.order = RowOrder::kInterleaved;
  EXPECT_TRUE(RoundsToInt8(matrix));
  matrix.order = RowOrder::kInt8Panels;
  EXPECT_FALSE(RoundsToInt8(matrix));
}

TEST_P(Int8Products, ActivationsAreWithinHalfAScaleAndZeroIsExact) {
  for (const std::size_t cols : {16, 19, 64, 333}) {
    std::vector<float> x = Activations(random_, 3 * cols);
    x[1] = 0;
    std::fill_n(&x[cols], cols, 0.0F);        // A token of zeros,
    std::fill_n(&x[2 * cols], cols, 1e-36F);  // and one that vanishes.
    const std::vector<float> seen = Given(x, cols).Seen();
    EXPECT_EQ(seen[1], 0.0F);
    const auto [least, greatest] = std::minmax_element(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(cols));
    for (std::size_t c = 0; c < cols; ++c) {
      ASSERT_NEAR(seen[c], x[c], (*greatest - *least) / 255 * 0.501) << c;
      ASSERT_EQ(seen[cols + c], 0.0F);
      ASSERT_EQ(seen[2 * cols + c], 0.0F);
    }
  }
}

TEST_P(Int8Products, ProductsEqualDoublesOfTheRoundedNumbers) {
  for (const std::size_t rows : {1, 16, 17, 31, 32, 53}) {
    for (const std::size_t cols : {16, 17, 30, 64, 512, 1054}) {
      for (const std::size_t tokens : {1, 2, 3, 11, 12, 13, 31, 37}) {
        const Int8 weights(RandomMatrix(random_, WeightType::kF32, rows, cols, 0.1));
        const TestActivations given = Given(Activations(random_, tokens * cols), cols);
        const std::vector<float> x = given.Seen();
        std::vector<float> out(tokens * rows);
        tier().matmul(weights.matrix, 0, rows, given.Io(out.data(), rows));
        for (std::size_t i = 0; i < out.size(); ++i) {
          const std::size_t t = i / rows, r = i % rows;
          double sum = 0, size = 0;
          for (std::size_t c = 0; c < cols; ++c) {
            const double product = weights.number(r, c) * weights.scale(r) * static_cast<double>(x[t * cols + c]);
            sum += product;
            size += std::abs(product);
          }
          ASSERT_NEAR(out[i], sum, 1e-6 * size + 1e-7) << rows << "x" << cols << ", token " << t << ", row " << r;
        }
      }
    }
  }
}

TEST_P(Int8Products, TheLongestRowsOfTheGreatestNumbersDoNotOverflow) {
  constexpr std::size_t kCols = kInt8ColumnsMax;
  TestMatrix weights = RandomMatrix(random_, WeightType::kF32, 1, kCols, 0.1);
  const std::vector<float> ones(kCols, 1.0F);
  std::memcpy(weights.bytes.data(), ones.data(), kCols * sizeof(float));
  const Int8 rounded(weights);
  for (const float x : {2.0F, -2.0F}) {
    const TestActivations given = Given(std::vector<float>(kCols, x), kCols);
    float out = 0;
    tier().matmul(rounded.matrix, 0, 1, given.Io(&out, 1));
    EXPECT_NEAR(out, x * kCols, 1e-5 * 2 * kCols);
  }
}

TEST_P(Int8Products, AnySplitOfRowsAndTokensGivesTheSameBits) {
  SCOPED_TRACE(kSeed);
  constexpr std::size_t kRows = 85, kTokens = 51, kCols = 310;
  const Int8 weights(RandomMatrix(random_, WeightType::kBF16, kRows, kCols, 0.1));
  const TestActivations x = Given(Activations(random_, kTokens * kCols), kCols);
  std::vector<float> whole(kTokens * kRows);
  tier().matmul(weights.matrix, 0, kRows, x.Io(whole.data(), kRows));
  for (int round = 0; round < 30; ++round) {
    std::vector<float> split(kTokens * kRows, -1.0F);
    for (std::size_t token = 0; token < kTokens;) {
      MatmulIo io = x.Io(split.data() + token * kRows, kRows, token);
      io.tokens = 1 + random_.Below(kTokens - token);
      for (std::size_t row = 0; row < kRows;) {
        const std::size_t rows = 1 + random_.Below(kRows - row);
        tier().matmul(weights.matrix, row, row + rows, io);
        row += rows;
      }
      token += io.tokens;
    }
    ASSERT_EQ(std::memcmp(split.data(), whole.data(), whole.size() * sizeof(float)), 0) << "round " << round;
  }
}

TEST_P(Int8Products, WhatIsNoNumberStaysWithItsTokenOrRow) {
  constexpr std::size_t kRows = 20, kTokens = 14, kCols = 64;
  for (const float odd : {NAN, INFINITY, -INFINITY}) {
    TestMatrix weights = RandomMatrix(random_, WeightType::kF32, kRows, kCols, 0.1);
    std::memcpy(weights.bytes.data() + (17 * kCols + 5) * sizeof odd, &odd, sizeof odd);
    const Int8 rounded(weights);
    std::vector<float> x = Activations(random_, kTokens * kCols);
    x[3 * kCols + kCols - 1] = odd;
    const TestActivations given = Given(x, kCols);
    std::vector<float> out(kTokens * kRows);
    tier().matmul(rounded.matrix, 0, kRows, given.Io(out.data(), kRows));
    for (std::size_t i = 0; i < out.size(); ++i) {
      EXPECT_EQ(std::isfinite(out[i]), i / kRows != 3 && i % kRows != 17) << odd << " " << i;
    }
  }
}

TEST_P(Int8Products, AreTheSameBitsInEveryTier) {
  for (const std::size_t cols : {16, 30, 1054}) {
    constexpr std::size_t kRows = 37, kTokens = 35;
    const Int8 weights(RandomMatrix(random_, WeightType::kF32, kRows, cols, 0.1));
    const TestActivations x = Given(Activations(random_, kTokens * cols), cols);
    std::vector<float> out(kTokens * kRows), expected(out.size());
    tier().matmul(weights.matrix, 0, kRows, x.Io(out.data(), kRows));
    kTransformerKernelsAvx2.matmul(weights.matrix, 0, kRows, x.Io(expected.data(), kRows));
    EXPECT_EQ(std::memcmp(out.data(), expected.data(), out.size() * sizeof(float)), 0) << cols;
  }
}

INSTANTIATE_TEST_SUITE_P(Tiers, Int8Products, testing::Values(Isa::kAvx2, Isa::kAvxVnni, Isa::kAvx512Vnni, Isa::kAmx),
                         [](const auto& info) { return std::string(IsaName(info.param)); });

}  // namespace
}  // namespace loquat::kernels
