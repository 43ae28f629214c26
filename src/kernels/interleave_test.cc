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

// Blocks of a row as the drawing scatters them: words of four bytes, and perhaps a half number before those of one
// block or two.
struct Drawn {
  WeightType type;
  int half_at;  // In the file's block; -1: none.
  std::size_t together;
};
constexpr Drawn kDrawn[] = {{WeightType::kQ8_0, 0, 2},  {WeightType::kQ4_0, 0, 2},  {WeightType::kQ4_1, -1, 1},
                            {WeightType::kQ5_0, 0, 2},  {WeightType::kQ5_1, -1, 1}, {WeightType::kQ4_K, -1, 1},
                            {WeightType::kQ5_K, -1, 1}, {WeightType::kQ6_K, 208, 1}};

double WeightAt(const std::byte* data, WeightType type, std::size_t cols, std::size_t row, std::size_t col) {
  const WeightLayout layout = LayoutOf(type);
  if (layout.block_weights == 1) return PlainAt(data, type, cols, row, col);
  const Drawn& drawn = *std::ranges::find(kDrawn, type, &Drawn::type);
  const std::size_t words = layout.block_bytes / 4;
  const std::size_t head = drawn.half_at < 0 ? 0 : 64;
  const std::size_t group_bytes = head + drawn.together * words * 64;
  const std::size_t blocks = cols / layout.block_weights, block = col / layout.block_weights;
  const std::byte* const panel = data + row / 16 * ((blocks + drawn.together - 1) / drawn.together * group_bytes);
  const std::byte* const group = panel + block / drawn.together * group_bytes;
  const std::size_t in_group = block % drawn.together, r = row % 16;
  std::vector<std::byte> bytes(layout.block_bytes);
  for (std::size_t i = 0, at = 0; i < words; ++i, at += 4) {
    if (static_cast<int>(at) == drawn.half_at) at += 2;
    std::memcpy(&bytes[at], group + head + (in_group * words + i) * 64 + r * 4, 4);
    for (std::size_t j = at; j < at + 4 && type == WeightType::kQ8_0; ++j) bytes[j] ^= std::byte{0x80};
  }
  if (drawn.half_at >= 0)
    std::memcpy(&bytes[static_cast<std::size_t>(drawn.half_at)], group + in_group * 32 + r * 2, 2);
  return ReferenceBlock(bytes.data()).Weight(type, col % layout.block_weights);
}

class InterleaveTest : public testing::TestWithParam<WeightType> {
 protected:
  base::Random random_{kSeed};
};

// Those that the type can have, and some that not every type can.
std::vector<std::size_t> Columns(WeightType type, std::vector<std::size_t> cols) {
  const std::size_t block = LayoutOf(type).block_weights;
  if (block == 1) cols.insert(cols.end(), {1, 2, 7, 255, 257, 513, 600});
  if (block == 256) cols.insert(cols.end(), {256, 768, 1280});
  std::erase_if(cols, [block](std::size_t n) { return n % block != 0; });
  return cols;
}

// `cols`, or the next number that the type can have.
std::size_t Whole(WeightType type, std::size_t cols) {
  const std::size_t block = LayoutOf(type).block_weights;
  return (cols + block - 1) / block * block;
}

std::vector<float> Activations(base::Random& random, std::size_t n) {
  std::vector<float> x(n);
  for (float& value : x) value = random.Float() * 2 - 1;
  return x;
}

class InterleavedProducts : public testing::TestWithParam<std::tuple<Isa, WeightType>> {
 protected:
  void SetUp() override {
    if (!Supports(std::get<Isa>(GetParam()))) GTEST_SKIP() << "this machine lacks the tier";
    ASSERT_TRUE(tier().panels);
  }
  const TransformerKernels& tier() const { return TransformerKernelsFor(std::get<Isa>(GetParam())); }
  WeightType type() const { return std::get<WeightType>(GetParam()); }
  base::Random random_{kSeed};
};

TEST_P(InterleaveTest, RowsComeOutAgainBitForBit) {
  for (const std::size_t rows : {1, 15, 16, 17, 40, 96}) {
    for (const std::size_t cols : Columns(GetParam(), {32, 64, 96, 320, 2048})) {
      const TestMatrix weights = RandomMatrix(random_, GetParam(), rows, cols, 0.1);
      const Interleaved panels(weights);
      std::vector<std::byte> back(weights.bytes.size());
      const std::size_t all = (rows + kInterleavedRows - 1) / kInterleavedRows;
      DeinterleavePanels(panels.matrix, all / 2, all, back.data());
      DeinterleavePanels(panels.matrix, 0, all / 2, back.data());
      EXPECT_EQ(back, weights.bytes) << rows << "x" << cols;
      const std::size_t block = std::max(2U, LayoutOf(GetParam()).block_weights);
      const std::size_t skipped = cols / 2 / block * block;
      const std::size_t skipped_bytes = skipped / LayoutOf(GetParam()).block_weights * LayoutOf(GetParam()).block_bytes;
      std::vector<std::byte> row(weights.matrix().row_bytes() - skipped_bytes);
      CopyInterleavedColumns(panels.matrix, rows - 1, skipped, cols - skipped, row.data());
      EXPECT_EQ(std::memcmp(row.data(), weights.matrix().row(rows - 1) + skipped_bytes, row.size()), 0);
    }
  }
}

TEST_P(InterleaveTest, EveryNumberIsWhereTheDrawingSays) {
  for (const std::size_t rows : {1, 15, 16, 17, 40}) {
    for (const std::size_t cols : Columns(GetParam(), {32, 64, 96, 320})) {
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

TEST_P(InterleavedProducts, ProductsEqualDoublesWithinRounding) {
  for (const std::size_t rows : {1, 16, 17, 31, 32, 53}) {
    for (const std::size_t cols : Columns(type(), {32, 64, 96, 512, 544, 1056})) {
      for (const std::size_t tokens : {1, 2, 3, 6, 7, 15, 37}) {
        const TestMatrix weights = RandomMatrix(random_, type(), rows, cols, 0.1);
        const Interleaved panels(weights);
        const TestActivations given(tier(), panels.matrix, Activations(random_, tokens * cols));
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

TEST_P(InterleavedProducts, AnySplitOfRowsAndTokensGivesTheSameBits) {
  SCOPED_TRACE(kSeed);
  constexpr std::size_t kRows = 85, kTokens = 51;
  const std::size_t cols = Whole(type(), 1120);
  const TestMatrix weights = RandomMatrix(random_, type(), kRows, cols, 0.1);
  const Interleaved panels(weights);
  const TestActivations x(tier(), panels.matrix, Activations(random_, kTokens * cols));
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

TEST_P(InterleavedProducts, RowsThatAreNotAskedForAreNotTouched) {
  constexpr std::size_t kRows = 40;
  const std::size_t cols = Whole(type(), 64);
  const Interleaved panels(RandomMatrix(random_, type(), kRows, cols, 0.1));
  const TestActivations x(tier(), panels.matrix, Activations(random_, cols));
  for (const auto [begin, end] : {std::pair(3, 4), std::pair(15, 17), std::pair(20, 40), std::pair(0, 33)}) {
    std::vector<float> out(kRows, -5.0F);
    tier().matmul(panels.matrix, begin, end, x.Io(out.data(), kRows));
    for (int r = 0; r < static_cast<int>(kRows); ++r) {
      EXPECT_EQ(out[static_cast<std::size_t>(r)] == -5.0F, r < begin || r >= end) << r << " of " << begin << "-" << end;
    }
  }
}

TEST_P(InterleavedProducts, CarriesWhatIsNoNumberToItsOwnTokenAlone) {
  constexpr std::size_t kRows = 3, kTokens = 7;
  const std::size_t cols = Whole(type(), 128);
  const Interleaved panels(RandomMatrix(random_, type(), kRows, cols, 0.1));
  for (const float odd : {NAN, INFINITY, -INFINITY}) {
    std::vector<float> x = Activations(random_, kTokens * cols);
    x[3 * cols + cols - 1] = odd;
    const TestActivations given(tier(), panels.matrix, x);
    std::vector<float> out(kTokens * kRows);
    tier().matmul(panels.matrix, 0, kRows, given.Io(out.data(), kRows));
    for (std::size_t i = 0; i < out.size(); ++i) EXPECT_EQ(std::isfinite(out[i]), i / kRows != 3) << odd << " " << i;
  }
}

// Sums of integers are exact, and what follows them is the same arithmetic.
TEST_P(InterleavedProducts, OfBlocksAreTheSameBitsInEveryTier) {
  if (LayoutOf(type()).block_weights == 1) return;
  for (const std::size_t cols : Columns(type(), {32, 96, 1056})) {
    constexpr std::size_t kRows = 37, kTokens = 17;
    const Interleaved panels(RandomMatrix(random_, type(), kRows, cols, 0.1));
    const std::vector<float> x = Activations(random_, kTokens * cols);
    std::vector<float> out(kTokens * kRows), expected(out.size());
    const TestActivations given(tier(), panels.matrix, x), of_avx2(kTransformerKernelsAvx2, panels.matrix, x);
    tier().matmul(panels.matrix, 0, kRows, given.Io(out.data(), kRows));
    kTransformerKernelsAvx2.matmul(panels.matrix, 0, kRows, of_avx2.Io(expected.data(), kRows));
    EXPECT_EQ(std::memcmp(out.data(), expected.data(), out.size() * sizeof(float)), 0) << cols;
  }
}

// The greatest numbers that there are, of either sign: nothing between bytes and sums of 32 bits may saturate.
TEST_P(InterleavedProducts, OfTheGreatestNumbersAreExact) {
  if (type() != WeightType::kQ8_0 && type() != WeightType::kQ4_0) return;  // Others' sums have a part in floats.
  constexpr std::size_t kRows = 18;
  const std::size_t cols = Whole(type(), 64);
  for (const int byte : {0x00, 0x0F, 0xF0, 0xFF, 0x7F, 0x80, 0x81}) {
    TestMatrix weights = RandomMatrix(random_, type(), kRows, cols, 0.1);
    const std::size_t block_bytes = LayoutOf(type()).block_bytes;
    for (std::size_t at = 0; at < weights.bytes.size(); at += block_bytes) {
      const std::uint16_t one = HalfBits(1);
      std::memcpy(&weights.bytes[at], &one, sizeof one);
      std::fill_n(&weights.bytes[at + sizeof one], block_bytes - sizeof one, static_cast<std::byte>(byte));
    }
    const Interleaved panels(weights);
    for (const float sign : {127.0F, -127.0F}) {
      const TestActivations x(tier(), panels.matrix, std::vector<float>(cols, sign));
      std::vector<float> out(kRows);
      tier().matmul(panels.matrix, 0, kRows, x.Io(out.data(), kRows));
      double expected = 0;
      const ReferenceBlock block(weights.bytes.data());
      for (std::size_t c = 0; c < 32; ++c) expected += 2 * block.Weight(type(), c) * static_cast<double>(sign);
      for (const float value : out) EXPECT_EQ(value, expected) << byte << " " << sign;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, InterleaveTest,
                         testing::Values(WeightType::kF32, WeightType::kF16, WeightType::kBF16, WeightType::kQ8_0,
                                         WeightType::kQ4_0, WeightType::kQ4_1, WeightType::kQ5_0, WeightType::kQ5_1,
                                         WeightType::kQ4_K, WeightType::kQ5_K, WeightType::kQ6_K),
                         [](const auto& info) { return std::string(LayoutOf(info.param).name); });

INSTANTIATE_TEST_SUITE_P(Tiers, InterleavedProducts,
                         testing::Combine(testing::Values(Isa::kAvx2, Isa::kAvxVnni, Isa::kAvx512Vnni, Isa::kAmx),
                                          testing::Values(WeightType::kF32, WeightType::kF16, WeightType::kBF16,
                                                          WeightType::kQ8_0, WeightType::kQ4_0, WeightType::kQ4_1,
                                                          WeightType::kQ5_0, WeightType::kQ5_1, WeightType::kQ4_K,
                                                          WeightType::kQ5_K, WeightType::kQ6_K)),
                         [](const auto& info) {
                           return std::string(IsaName(std::get<Isa>(info.param))) + "_" +
                                  std::string(LayoutOf(std::get<WeightType>(info.param)).name);
                         });

}  // namespace
}  // namespace loquat::kernels
