// Weights times activations in every stored type and tier: against doubles, against scalar, and to the bit under any
// split of rows and tokens.

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/random.h"
#include "kernels/transformer_kernels.h"
#include "kernels/weight_test_data.h"

namespace loquat::kernels {
namespace {

constexpr std::uint64_t kSeed = 20240917;

using Parameter = std::tuple<Isa, std::size_t>;

class MatmulTest : public testing::TestWithParam<Parameter> {
 protected:
  void SetUp() override {
    if (std::get<0>(GetParam()) > DetectIsa()) GTEST_SKIP() << "this machine lacks it";
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
      const std::vector<float> x = Activations(tokens * cols);
      std::vector<float> out(tokens * rows), scalar(tokens * rows);
      MatmulIo io{.x = x.data(), .x_stride = cols, .out = out.data(), .out_stride = rows, .tokens = tokens};
      tier().matmul(weights.matrix(), 0, rows, io);
      io.out = scalar.data();
      kTransformerKernelsScalar.matmul(weights.matrix(), 0, rows, io);
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
  const std::vector<float> x = Activations(kTokens * cols);
  std::vector<float> whole(kTokens * kRows);
  const MatmulIo all{.x = x.data(), .x_stride = cols, .out = whole.data(), .out_stride = kRows, .tokens = kTokens};
  tier().matmul(weights.matrix(), 0, kRows, all);
  for (int round = 0; round < 20; ++round) {
    std::vector<float> split(kTokens * kRows, -1.0F);
    for (std::size_t token = 0; token < kTokens;) {
      const std::size_t tokens = 1 + random_.Below(kTokens - token);
      MatmulIo io = all;
      io.x += token * cols;
      io.out = split.data() + token * kRows;
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
  const std::vector<float> x = Activations(cols);
  std::vector<float> out(5), moved(5);
  MatmulIo io{.x = x.data(), .x_stride = cols, .out = out.data(), .out_stride = 5, .tokens = 1};
  tier().matmul(weights.matrix(), 0, 5, io);
  Matrix matrix = weights.matrix();
  matrix.data = shifted.data() + 1;
  io.out = moved.data();
  tier().matmul(matrix, 0, 5, io);
  EXPECT_EQ(out, moved);
}

std::string CaseName(const testing::TestParamInfo<Parameter>& info) {
  return std::string(IsaName(std::get<0>(info.param))) + "_" +
         std::string(kWeightLayouts[std::get<1>(info.param)].name);
}

INSTANTIATE_TEST_SUITE_P(Types, MatmulTest,
                         testing::Combine(testing::Values(Isa::kScalar, Isa::kAvx2, Isa::kAvx512),
                                          testing::Range<std::size_t>(0, kWeightTypes)),
                         CaseName);

}  // namespace
}  // namespace loquat::kernels
