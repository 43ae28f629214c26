// Linear layers side by side: rounded ahead or not, split among threads or not, the bits are the same.

#include "model/arch/compute.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "base/random.h"
#include "kernels/weight_test_data.h"

namespace loquat::model {
namespace {

using kernels::WeightType;

constexpr std::size_t kTokens = 21, kCols = 256;

class ComputeTest : public testing::TestWithParam<kernels::Isa> {
 protected:
  void SetUp() override {
    if (!kernels::Supports(GetParam())) GTEST_SKIP() << "this machine lacks " << kernels::IsaName(GetParam());
    base::Random random(20261122);
    x_.resize(kTokens * kCols);
    for (float& value : x_) value = random.Float() * 2 - 1;
    for (const WeightType type : {WeightType::kQ8_0, WeightType::kQ4_0, WeightType::kF32, WeightType::kBF16}) {
      matrices_.push_back(kernels::RandomMatrix(random, type, 40, kCols, 0.1));
      layers_.push_back({.weight = matrices_.back().matrix(), .bias = std::vector<float>(40, 0.25F)});
    }
  }

  std::vector<float> Out(std::span<const Linear> layers, unsigned threads, bool ahead,
                         void (*activation)(float*, std::size_t) = nullptr) {
    kernels::ThreadTeam team({.threads = threads});
    const kernels::TransformerKernels& kernels = kernels::TransformerKernelsFor(GetParam());
    const Compute compute(kernels, team, kTokens, x_.size());
    const Rows x{.data = x_.data(), .stride = kCols};
    std::size_t rows = 0;
    for (const Linear& layer : layers) rows += layer.weight.rows;
    std::vector<float> out(kTokens * rows);
    for (std::size_t t = 0; t < kTokens && ahead; ++t) compute.Round(layers, x[t], t);
    compute.Project(layers, x, kTokens, {.data = out.data(), .stride = rows},
                    {.rounded = ahead, .activation = activation});
    return out;
  }

  std::vector<float> x_;
  std::vector<kernels::TestMatrix> matrices_;
  std::vector<Linear> layers_;
};

TEST_P(ComputeTest, RoundingAheadChangesNothing) {
  const std::span<const Linear> all(layers_);
  // One; two that take the same; and those that differ, which are rounded when their turn comes.
  for (const auto layers : {all.first(1), all.first(2), all.subspan(1, 2), all, all.last(1)}) {
    const std::vector<float> expected = Out(layers, 1, false);
    for (const unsigned threads : {1U, 3U}) {
      for (const bool ahead : {false, true}) {
        const std::vector<float> out = Out(layers, threads, ahead);
        EXPECT_EQ(std::memcmp(out.data(), expected.data(), out.size() * sizeof(float)), 0)
            << layers.size() << " layers, " << threads << " threads";
      }
    }
  }
}

TEST_P(ComputeTest, AnActivationMeetsEveryOutputOnce) {
  const kernels::TransformerKernels& kernels = kernels::TransformerKernelsFor(GetParam());
  std::vector<float> expected = Out(layers_, 1, false);
  kernels.gelu_erf(expected.data(), expected.size());
  for (const unsigned threads : {1U, 3U}) {
    const std::vector<float> out = Out(layers_, threads, true, kernels.gelu_erf);
    EXPECT_EQ(std::memcmp(out.data(), expected.data(), out.size() * sizeof(float)), 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Tiers, ComputeTest, testing::ValuesIn(kernels::kIsas),
                         [](const auto& info) { return std::string(kernels::IsaName(info.param)); });

}  // namespace
}  // namespace loquat::model
