// Interleaved weights: every number of the file at the place that the drawing gives it, and products that equal those
// in doubles, to the bit the same under any split.

#include "kernels/interleave.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/random.h"
#include "kernels/activation_test_data.h"
#include "kernels/transformer_kernels.h"
#include "kernels/weight_test_data.h"

namespace loquat::kernels {
namespace {

constexpr std::uint64_t kSeed = 7349;

struct Interleaved {
  explicit Interleaved(const TestMatrix& from) : bytes(InterleavedBytes(from.matrix()) + kInterleavedAlignment) {
    const auto address = reinterpret_cast<std::uintptr_t>(bytes.data());
    data = bytes.data() + (kInterleavedAlignment - address % kInterleavedAlignment) % kInterleavedAlignment;
    const std::size_t panels = (from.rows + kInterleavedRows - 1) / kInterleavedRows;
    // Panels one by one and together land in the same places.
    InterleavePanels(from.matrix(), 0, panels / 2, data);
    for (std::size_t panel = panels / 2; panel < panels; ++panel) {
      InterleavePanels(from.matrix(), panel, panel + 1, data);
    }
    matrix = InterleavedMatrix(from.matrix(), data);
  }

  std::vector<std::byte> bytes;
  std::byte* data = nullptr;
  Matrix matrix;
};

// As docs/weight_types.md draws it.
double PlainAt(const std::byte* data, WeightType type, std::size_t cols, std::size_t row, std::size_t col) {
  const std::size_t r = row % 16;
  std::uint16_t half;
  if (type == WeightType::kF32) {
    float value;
    std::memcpy(&value, data + row / 16 * cols * 64 + col * 64 + r * 4, sizeof value);
    return value;
  }
  const std::byte* const panel = data + row / 16 * ((cols + 1) / 2 * 64);
  if (type == WeightType::kF16) {
    std::memcpy(&half, panel + col * 32 + r * 2, sizeof half);
    return HalfValue(half);
  }
  std::memcpy(&half, panel + col / 2 * 64 + r * 4 + col % 2 * 2, sizeof half);
  return Bf16Value(half);
}

double WeightAt(const std::byte* data, WeightType type, std::size_t cols, std::size_t row, std::size_t col) {
  if (LayoutOf(type).block_weights == 1) return PlainAt(data, type, cols, row, col);
  const std::size_t quants = type == WeightType::kQ8_0 ? 512 : 256;
  const std::size_t pair_bytes = 2 * (32 + quants);
  const std::byte* const panel = data + row / 16 * ((cols + 63) / 64 * pair_bytes);
  const std::byte* const pair = panel + col / 64 * pair_bytes;
  const std::size_t block = col / 32 % 2, r = row % 16, c = col % 32;
  std::uint16_t scale;
  std::memcpy(&scale, pair + block * 32 + r * 2, sizeof scale);
  const std::byte* const numbers = pair + 64 + block * quants;
  if (type == WeightType::kQ8_0) {
    return HalfValue(scale) * (static_cast<int>(numbers[c / 4 * 64 + r * 4 + c % 4]) - 128);
  }
  const int both = static_cast<int>(numbers[c % 16 / 4 * 64 + r * 4 + c % 4]);
  return HalfValue(scale) * ((c < 16 ? both % 16 : both / 16) - 8);
}

class InterleaveTest : public testing::TestWithParam<WeightType> {
 protected:
  const TransformerKernels& tier() const { return kTransformerKernelsAvx512Vnni; }
  bool here() const { return Isa::kAvx512Vnni <= DetectIsa(); }
  std::vector<float> Activations(std::size_t n) {
    std::vector<float> x(n);
    for (float& value : x) value = random_.Float() * 2 - 1;
    return x;
  }
  // And those that only plain floats have.
  std::vector<std::size_t> Columns(std::vector<std::size_t> cols) {
    if (LayoutOf(GetParam()).block_weights == 1) cols.insert(cols.end(), {1, 2, 7, 255, 257, 513, 600});
    return cols;
  }
  base::Random random_{kSeed};
};

TEST_P(InterleaveTest, RowsComeOutAgainBitForBit) {
  for (const std::size_t rows : {1, 15, 16, 17, 40, 96}) {
    for (const std::size_t cols : {32, 64, 96, 320, 2048}) {
      const TestMatrix weights = RandomMatrix(random_, GetParam(), rows, cols, 0.1);
      const Interleaved panels(weights);
      std::vector<std::byte> back(weights.bytes.size());
      const std::size_t all = (rows + kInterleavedRows - 1) / kInterleavedRows;
      DeinterleavePanels(panels.matrix, all / 2, all, back.data());
      DeinterleavePanels(panels.matrix, 0, all / 2, back.data());
      EXPECT_EQ(back, weights.bytes) << rows << "x" << cols;
      const std::size_t skipped = cols / 64 * 32;
      const std::size_t skipped_bytes = skipped / LayoutOf(GetParam()).block_weights * LayoutOf(GetParam()).block_bytes;
      std::vector<std::byte> row(weights.matrix().row_bytes() - skipped_bytes);
      CopyInterleavedColumns(panels.matrix, rows - 1, skipped, cols - skipped, row.data());
      EXPECT_EQ(std::memcmp(row.data(), weights.matrix().row(rows - 1) + skipped_bytes, row.size()), 0);
    }
  }
}

TEST_P(InterleaveTest, EveryNumberIsWhereTheDrawingSays) {
  for (const std::size_t rows : {1, 15, 16, 17, 40}) {
    for (const std::size_t cols : Columns({32, 64, 96, 320})) {
      const TestMatrix weights = RandomMatrix(random_, GetParam(), rows, cols, 0.1);
      const Interleaved panels(weights);
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(panels.data) % kInterleavedAlignment, 0U);
      EXPECT_EQ(PanelBytes(GetParam(), cols) % kInterleavedAlignment, 0U);
      for (std::size_t row = 0; row < rows; ++row) {
        for (std::size_t col = 0; col < cols; ++col) {
          ASSERT_EQ(WeightAt(panels.data, GetParam(), cols, row, col), weights.values[row * cols + col])
              << row << "," << col << " of " << rows << "x" << cols;
        }
      }
    }
  }
}

TEST_P(InterleaveTest, ProductsEqualDoublesWithinRounding) {
  if (!here()) GTEST_SKIP() << "this machine lacks the tier that takes them";
  for (const std::size_t rows : {1, 16, 17, 31, 32, 53}) {
    for (const std::size_t cols : Columns({32, 64, 96, 512, 544, 1056})) {
      for (const std::size_t tokens : {1, 2, 3, 6, 7, 15}) {
        const TestMatrix weights = RandomMatrix(random_, GetParam(), rows, cols, 0.1);
        const Interleaved panels(weights);
        const TestActivations given(tier(), GetParam(), Activations(tokens * cols), cols);
        const std::vector<float> x = given.Seen();
        std::vector<float> out(tokens * rows);
        tier().matmul(panels.matrix, 0, rows, given.Io(out.data(), rows));
        for (std::size_t i = 0; i < out.size(); ++i) {
          const std::size_t t = i / rows, r = i % rows;
          double sum = 0, size = 0;
          for (std::size_t c = 0; c < cols; ++c) {
            const double product = weights.values[r * cols + c] * static_cast<double>(x[t * cols + c]);
            sum += product;
            size += std::abs(product);
          }
          ASSERT_NEAR(out[i], sum, 2e-6 * size + 1e-7) << rows << "x" << cols << ", token " << t << ", row " << r;
        }
      }
    }
  }
}

TEST_P(InterleaveTest, AnySplitOfRowsAndTokensGivesTheSameBits) {
  if (!here()) GTEST_SKIP() << "this machine lacks the tier that takes them";
  SCOPED_TRACE(kSeed);
  constexpr std::size_t kRows = 85, kTokens = 19, kCols = 1120;
  const TestMatrix weights = RandomMatrix(random_, GetParam(), kRows, kCols, 0.1);
  const Interleaved panels(weights);
  const TestActivations x(tier(), GetParam(), Activations(kTokens * kCols), kCols);
  std::vector<float> whole(kTokens * kRows);
  tier().matmul(panels.matrix, 0, kRows, x.Io(whole.data(), kRows));
  for (int round = 0; round < 30; ++round) {
    std::vector<float> split(kTokens * kRows, -1.0F);
    for (std::size_t token = 0; token < kTokens;) {
      const std::size_t tokens = 1 + random_.Below(kTokens - token);
      MatmulIo io = x.Io(split.data() + token * kRows, kRows, token);
      io.tokens = tokens;
      for (std::size_t row = 0; row < kRows;) {
        const std::size_t rows = 1 + random_.Below(kRows - row);
        tier().matmul(panels.matrix, row, row + rows, io);
        row += rows;
      }
      token += tokens;
    }
    ASSERT_EQ(std::memcmp(split.data(), whole.data(), whole.size() * sizeof(float)), 0) << "round " << round;
  }
}

TEST_P(InterleaveTest, RowsThatAreNotAskedForAreNotTouched) {
  if (!here()) GTEST_SKIP() << "this machine lacks the tier that takes them";
  constexpr std::size_t kRows = 40, kCols = 64;
  const Interleaved panels(RandomMatrix(random_, GetParam(), kRows, kCols, 0.1));
  const TestActivations x(tier(), GetParam(), Activations(kCols), kCols);
  for (const auto [begin, end] : {std::pair(3, 4), std::pair(15, 17), std::pair(20, 40), std::pair(0, 33)}) {
    std::vector<float> out(kRows, -5.0F);
    tier().matmul(panels.matrix, begin, end, x.Io(out.data(), kRows));
    for (int r = 0; r < static_cast<int>(kRows); ++r) {
      EXPECT_EQ(out[static_cast<std::size_t>(r)] == -5.0F, r < begin || r >= end) << r << " of " << begin << "-" << end;
    }
  }
}

TEST_P(InterleaveTest, CarriesWhatIsNoNumberToItsOwnTokenAlone) {
  if (!here()) GTEST_SKIP() << "this machine lacks the tier that takes them";
  constexpr std::size_t kRows = 3, kTokens = 7, kCols = 128;
  const Interleaved panels(RandomMatrix(random_, GetParam(), kRows, kCols, 0.1));
  for (const float odd : {NAN, INFINITY, -INFINITY}) {
    std::vector<float> x = Activations(kTokens * kCols);
    x[3 * kCols + kCols - 1] = odd;
    const TestActivations given(tier(), GetParam(), x, kCols);
    std::vector<float> out(kTokens * kRows);
    tier().matmul(panels.matrix, 0, kRows, given.Io(out.data(), kRows));
    for (std::size_t i = 0; i < out.size(); ++i) EXPECT_EQ(std::isfinite(out[i]), i / kRows != 3) << odd << " " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Types, InterleaveTest,
                         testing::Values(WeightType::kF32, WeightType::kF16, WeightType::kBF16, WeightType::kQ8_0,
                                         WeightType::kQ4_0),
                         [](const auto& info) { return std::string(LayoutOf(info.param).name); });

TEST(Interleave, OnlyTypesThatCanBeAreTakenByAnyTier) {
  for (const Isa isa : kIsas) {
    for (std::size_t i = 0; i < kWeightTypes; ++i) {
      const auto type = static_cast<WeightType>(i);
      const bool taken = TransformerKernelsFor(isa <= DetectIsa() ? isa : Isa::kScalar).takes_interleaved(type);
      EXPECT_TRUE(!taken || Interleaves(type)) << IsaName(isa) << " " << LayoutOf(type).name;
    }
  }
}

}  // namespace
}  // namespace loquat::kernels
