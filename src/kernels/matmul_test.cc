// Weights times activations in every stored type and tier: against doubles, against scalar, and to the bit under any
// split of rows and tokens. Where a tier rounds activations, the rounding is held to its bound and the product is that
// of the rounded ones.

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/random.h"
#include "kernels/activation_test_data.h"
#include "kernels/transformer_kernels.h"
#include "kernels/weight_test_data.h"

namespace loquat::kernels {
namespace {

constexpr std::uint64_t kSeed = 20240917;

using Parameter = std::tuple<Isa, std::size_t>;

class MatmulTest : public testing::TestWithParam<Parameter> {
 protected:
  void SetUp() override {
    if (!Supports(std::get<0>(GetParam()))) GTEST_SKIP() << "this machine lacks it";
  }
  const TransformerKernels& tier() const { return TransformerKernelsFor(std::get<0>(GetParam())); }
  WeightType type() const { return static_cast<WeightType>(std::get<1>(GetParam())); }
  bool plain() const { return LayoutOf(type()).block_weights == 1; }

  // Lengths around the lanes and the block of columns; whole blocks of the stored type.
  std::vector<std::size_t> Columns() const {
    if (plain()) return {1, 15, 16, 17, 300, 1023, 1024, 1025, 2100};
    if (LayoutOf(type()).block_weights == 32) return {32, 64, 320, 1024, 1056};
    return {256, 1024, 1280, 2304};
  }

  std::vector<float> Activations(std::size_t n) {
    std::vector<float> x(n);
    for (float& value : x) value = random_.Float() * 2 - 1;
    return x;
  }

  base::Random random_{kSeed};
};

TEST_P(MatmulTest, DecodesEachWeightAsItsDrawingSays) {
  for (const std::size_t cols : Columns()) {
    const TestMatrix weights = RandomMatrix(random_, type(), 3, cols, 0.1);
    std::vector<float> row(cols);
    for (std::size_t r = 0; r < 3; ++r) {
      tier().decode_row(weights.matrix(), r, row.data());
      for (std::size_t c = 0; c < cols; ++c) {
        const double expected = weights.values[r * cols + c];
        ASSERT_NEAR(row[c], expected, 1e-6 * (0.1 + std::abs(expected))) << "column " << c << " of " << cols;
      }
    }
  }
}

TEST_P(MatmulTest, EqualsDoublesAndScalarWithinRounding) {
  for (const std::size_t cols : Columns()) {
    for (const std::size_t tokens : {1, 2, 3, 4, 5, 11}) {
      const std::size_t rows = 1 + random_.Below(40);
      const TestMatrix weights = RandomMatrix(random_, type(), rows, cols, 0.1);
      const TestActivations given(tier(), weights.matrix(), Activations(tokens * cols));
      const std::vector<float> x = given.Seen();
      std::vector<float> out(tokens * rows), scalar(tokens * rows);
      tier().matmul(weights.matrix(), 0, rows, given.Io(out.data(), rows));
      kTransformerKernelsScalar.matmul(
          weights.matrix(), 0, rows,
          {.x = x.data(), .x_stride = cols, .out = scalar.data(), .out_stride = rows, .tokens = tokens});
      for (std::size_t t = 0; t < tokens; ++t) {
        for (std::size_t r = 0; r < rows; ++r) {
          double sum = 0, size = 0;
          for (std::size_t c = 0; c < cols; ++c) {
            const double product = weights.values[r * cols + c] * static_cast<double>(x[t * cols + c]);
            sum += product;
            size += std::abs(product);
          }
          ASSERT_NEAR(out[t * rows + r], sum, 2e-6 * size + 1e-7) << rows << "x" << cols << ", token " << t;
          ASSERT_NEAR(out[t * rows + r], scalar[t * rows + r], 2e-6 * size + 1e-7);
        }
      }
    }
  }
}

TEST_P(MatmulTest, AnySplitOfRowsAndTokensGivesTheSameBits) {
  SCOPED_TRACE(kSeed);
  const std::size_t cols = Columns().back();
  constexpr std::size_t kRows = 53, kTokens = 19;
  const TestMatrix weights = RandomMatrix(random_, type(), kRows, cols, 0.1);
  const TestActivations x(tier(), weights.matrix(), Activations(kTokens * cols));
  std::vector<float> whole(kTokens * kRows);
  tier().matmul(weights.matrix(), 0, kRows, x.Io(whole.data(), kRows));
  for (int round = 0; round < 20; ++round) {
    std::vector<float> split(kTokens * kRows, -1.0F);
    for (std::size_t token = 0; token < kTokens;) {
      const std::size_t tokens = 1 + random_.Below(kTokens - token);
      MatmulIo io = x.Io(split.data() + token * kRows, kRows, token);
      io.tokens = tokens;
      for (std::size_t row = 0; row < kRows;) {
        const std::size_t rows = 1 + random_.Below(kRows - row);
        tier().matmul(weights.matrix(), row, row + rows, io);
        row += rows;
      }
      token += tokens;
    }
    ASSERT_EQ(std::memcmp(split.data(), whole.data(), whole.size() * sizeof(float)), 0) << "round " << round;
  }
}

TEST_P(MatmulTest, ReadsBytesAtAnyAddress) {
  const std::size_t cols = Columns().front();
  const TestMatrix weights = RandomMatrix(random_, type(), 5, cols, 0.1);
  std::vector<std::byte> shifted(weights.bytes.size() + 1);
  std::copy(weights.bytes.begin(), weights.bytes.end(), shifted.begin() + 1);
  const TestActivations x(tier(), weights.matrix(), Activations(cols));
  std::vector<float> out(5), moved(5);
  tier().matmul(weights.matrix(), 0, 5, x.Io(out.data(), 5));
  Matrix matrix = weights.matrix();
  matrix.data = shifted.data() + 1;
  tier().matmul(matrix, 0, 5, x.Io(moved.data(), 5));
  EXPECT_EQ(out, moved);
}

TEST_P(MatmulTest, StaysWithinTheRoundingOfActivations) {
  const std::size_t cols = Columns().back();
  constexpr std::size_t kRows = 20, kTokens = 7;
  const TestMatrix weights = RandomMatrix(random_, type(), kRows, cols, 0.1);
  const std::vector<float> exact = Activations(kTokens * cols);
  const TestActivations x(tier(), weights.matrix(), exact);
  const std::vector<float> seen = x.Seen();
  for (std::size_t i = 0; i < exact.size(); ++i) {
    double bound = 0;
    if (tier().form(weights.matrix()) == ActivationForm::kInt8) {
      bound = x.block(i / cols, i % cols / kActivationBlock).scale / 2;
    } else if (tier().form(weights.matrix()) == ActivationForm::kBF16) {
      bound = std::abs(exact[i]) / 256;
    }
    ASSERT_NEAR(seen[i], exact[i], bound * 1.00001) << i;
  }
  std::vector<float> out(kTokens * kRows);
  tier().matmul(weights.matrix(), 0, kRows, x.Io(out.data(), kRows));
  for (std::size_t t = 0; t < kTokens; ++t) {
    for (std::size_t r = 0; r < kRows; ++r) {
      double sum = 0, size = 0;
      for (std::size_t c = 0; c < cols; ++c) {
        const double w = weights.values[r * cols + c];
        sum += w * static_cast<double>(exact[t * cols + c]);
        size += std::abs(w);  // Activations are at most 1.
      }
      // Half a step of 1/127 for each, or of 2^-8.
      ASSERT_NEAR(out[t * kRows + r], sum,
                  size / (tier().form(weights.matrix()) == ActivationForm::kFloats ? 4e5 : 254))
          << "token " << t;
    }
  }
}

TEST_P(MatmulTest, CarriesWhatIsNoNumberToItsOwnTokenAlone) {
  const std::size_t cols = Columns().back();
  constexpr std::size_t kRows = 3, kTokens = 7;
  const TestMatrix weights = RandomMatrix(random_, type(), kRows, cols, 0.1);
  for (const float odd : {NAN, INFINITY, -INFINITY}) {
    std::vector<float> x = Activations(kTokens * cols);
    x[3 * cols + cols - 1] = odd;
    const TestActivations given(tier(), weights.matrix(), x);
    std::vector<float> out(kTokens * kRows);
    tier().matmul(weights.matrix(), 0, kRows, given.Io(out.data(), kRows));
    for (std::size_t i = 0; i < out.size(); ++i) EXPECT_EQ(std::isfinite(out[i]), i / kRows != 3) << odd << " " << i;
  }
}

std::string CaseName(const testing::TestParamInfo<Parameter>& info) {
  return std::string(IsaName(std::get<0>(info.param))) + "_" +
         std::string(kWeightLayouts[std::get<1>(info.param)].name);
}

INSTANTIATE_TEST_SUITE_P(Types, MatmulTest,
                         testing::Combine(testing::ValuesIn(kIsas), testing::Range<std::size_t>(0, kWeightTypes)),
                         CaseName);

class RoundingTest : public testing::TestWithParam<Isa> {
 protected:
  void SetUp() override {
    if (!Supports(GetParam())) GTEST_SKIP() << "this machine lacks it";
  }
  static ActivationBlock Round(const std::vector<float>& x) {
    const TransformerKernels& tier = TransformerKernelsFor(GetParam());
    return TestActivations(tier, ActivationForm::kInt8, x, kActivationBlock).block(0, 0);
  }
};

TEST(ActivationForms, AreFloatsWhereverATierDoesNotSayThatItRounds) {
  for (const Isa isa : {Isa::kScalar, Isa::kAvx512}) {
    for (std::size_t i = 0; i < kWeightTypes; ++i) {
      EXPECT_EQ(TransformerKernelsFor(isa).form(static_cast<WeightType>(i), RowOrder::kRows), ActivationForm::kFloats);
    }
    EXPECT_FALSE(TransformerKernelsFor(isa).panels);
  }
  for (const Isa isa : {Isa::kAvx2, Isa::kAvxVnni, Isa::kAvx512Vnni, Isa::kAmx}) {
    const TransformerKernels& tier = TransformerKernelsFor(isa);
    const auto bf16 = isa >= Isa::kAvx512Vnni ? ActivationForm::kBF16 : ActivationForm::kFloats;
    EXPECT_TRUE(tier.panels);
    for (std::size_t i = 0; i < kWeightTypes; ++i) {
      const auto type = static_cast<WeightType>(i);
      const bool plain = LayoutOf(type).block_weights == 1;
      const auto of_panels =
          !plain ? ActivationForm::kInt8 : (type == WeightType::kBF16 ? bf16 : ActivationForm::kFloats);
      EXPECT_EQ(tier.form(type, RowOrder::kRows), ActivationForm::kFloats) << i;
      EXPECT_EQ(tier.form(type, RowOrder::kInterleaved), of_panels) << i;
      EXPECT_EQ(tier.form(type, RowOrder::kInt8Panels), ActivationForm::kInt8Token);
    }
  }
}

TEST_P(RoundingTest, ScalesTheGreatestTo127AndRoundsToTheNearest) {
  base::Random random(kSeed);
  for (int round = 0; round < 300; ++round) {
    std::vector<float> x(kActivationBlock);
    const double size = std::pow(10.0, random.Double() * 50 - 28);
    for (float& value : x) value = static_cast<float>(size * (2 * random.Double() - 1));
    double greatest = 0;
    for (const float value : x) greatest = std::max(greatest, std::abs(static_cast<double>(value)));
    const ActivationBlock block = Round(x);
    EXPECT_NEAR(block.scale, greatest / 127, 1e-6 * block.scale);
    int sums[2] = {};
    for (std::size_t i = 0; i < x.size(); ++i) {
      ASSERT_NEAR(block.quants[i], x[i] / greatest * 127, 0.50002) << i;
      sums[i / 16] += block.quants[i];
    }
    EXPECT_EQ(block.less_8, -8 * (sums[0] + sums[1]));
    EXPECT_EQ(block.less_128, -128 * (sums[0] + sums[1]));
    EXPECT_EQ(block.sum, block.scale * static_cast<float>(sums[0] + sums[1]));
    EXPECT_EQ(block.half_sums[0], block.scale * static_cast<float>(sums[0]));
    EXPECT_EQ(block.half_sums[1], block.scale * static_cast<float>(sums[1]));
  }
}

TEST_P(RoundingTest, TakesWhatIsTooSmallToScaleForZero) {
  for (const float size : {0.0F, 1e-45F, 1e-38F, 0x1.FFFFFEp-101F}) {
    const ActivationBlock block = Round(std::vector<float>(kActivationBlock, size));
    EXPECT_EQ(block.scale, 0) << size;
    EXPECT_EQ(block.sum, 0) << size;
    for (const std::int8_t quant : block.quants) EXPECT_EQ(quant, 0) << size;
  }
  EXPECT_EQ(Round(std::vector<float>(kActivationBlock, -0x1p-100F)).quants[31], -127);
}

TEST_P(RoundingTest, GivesTheBitsOfEveryOtherTier) {
  base::Random random(kSeed);
  constexpr std::size_t kCols = 32 * 40;
  std::vector<float> x(kCols);
  for (float& value : x) value = static_cast<float>(std::pow(10.0, random.Double() * 3)) * (random.Float() - 0.5F);
  x[70] = NAN;
  x[100] = INFINITY;
  x[200] = -INFINITY;
  std::fill_n(&x[256], 32, 1e-37F);
  for (std::size_t c = 320; c < 352; ++c) x[c] = static_cast<float>(c) - 335.5F;  // Ties.
  for (const ActivationForm form : {ActivationForm::kInt8, ActivationForm::kInt8Token}) {
    for (const std::size_t from : {std::size_t{0}, std::size_t{256}}) {
      const std::size_t cols = kCols - from - (form == ActivationForm::kInt8Token ? 3U : 0U);
      std::vector<std::byte> expected(RoundedBytes(form, kCols)), rounded(expected.size());
      kTransformerKernelsAvx2.round(form, &x[from], cols, expected.data());
      TransformerKernelsFor(GetParam()).round(form, &x[from], cols, rounded.data());
      EXPECT_EQ(rounded, expected) << "from " << from;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Tiers, RoundingTest, testing::Values(Isa::kAvx2, Isa::kAvxVnni, Isa::kAvx512Vnni, Isa::kAmx),
                         [](const auto& info) { return std::string(IsaName(info.param)); });

}  // namespace
}  // namespace loquat::kernels
