// The peak kernels do the steps that they are asked for, on every tier that this machine has.

#include "kernels/peak_kernels.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace loquat::kernels {
namespace {

class PeakKernelsTest : public testing::TestWithParam<Isa> {
 protected:
  void SetUp() override {
    if (!Supports(GetParam())) GTEST_SKIP() << "this machine lacks " << IsaName(GetParam());
  }
  const PeakKernels& kernels() const { return PeakKernelsFor(GetParam()); }
};

INSTANTIATE_TEST_SUITE_P(Tiers, PeakKernelsTest, testing::ValuesIn(kIsas),
                         [](const auto& tier) { return std::string(IsaName(tier.param)); });

TEST_P(PeakKernelsTest, EachStepOfFloatsIsDone) {
  const PeakKernel& f32 = kernels().f32;
  ASSERT_NE(f32.run, nullptr);
  EXPECT_GT(f32.operations_per_step, 0);
  // One after the other goes to x / 2 + 1 / 2, which stands still at 1, as far as floats of many sums tell.
  const double sums = f32.operations_per_step / 2;
  EXPECT_NE(f32.run(0, 0.5F), f32.run(1, 0.5F));
  EXPECT_NE(f32.run(1, 0.5F), f32.run(2, 0.5F));
  EXPECT_NEAR(f32.run(100, 0.5F), sums, 1e-3 * sums);
}

TEST_P(PeakKernelsTest, EachStepOfNarrowNumbersAddsItsProducts) {
  // What a step adds: half of its operations are products, of 0.5 by 0.5, or of 1 by 1.
  if (const PeakKernel& bf16 = kernels().bf16; bf16.run != nullptr) {
    EXPECT_FLOAT_EQ(bf16.run(3, 0.5F) - bf16.run(1, 0.5F), 2 * bf16.operations_per_step / 2 * 0.25);
  }
  if (const PeakKernel& int8 = kernels().int8; int8.run != nullptr) {
    EXPECT_FLOAT_EQ(int8.run(3, 0.5F) - int8.run(1, 0.5F), 2 * int8.operations_per_step / 2);
  }
}

TEST_P(PeakKernelsTest, NarrowNumbersAreWhereTheirInstructionsAre) {
  const bool has = GetParam() >= Isa::kAvx512Vnni;
  EXPECT_EQ(kernels().bf16.run != nullptr, has);
  EXPECT_EQ(kernels().int8.run != nullptr, has);
}

TEST_P(PeakKernelsTest, EveryByteIsRead) {
  std::vector<std::uint32_t> words(3 * kPeakReadBytes / sizeof(std::uint32_t));
  std::iota(words.begin(), words.end(), 1U);
  const auto read = [&](std::size_t bytes) {
    return kernels().read(reinterpret_cast<const std::byte*>(words.data()), bytes);
  };
  EXPECT_EQ(read(0), 0U);
  EXPECT_EQ(read(words.size() * sizeof(std::uint32_t)), std::reduce(words.begin(), words.end()));
  EXPECT_EQ(read(kPeakReadBytes), std::reduce(words.begin(), words.begin() + kPeakReadBytes / sizeof(std::uint32_t)));
}

}  // namespace
}  // namespace loquat::kernels
