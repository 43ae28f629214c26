// Which layers are copied into the order that a tier streams, and that the copies are what the model then computes
// with.

#include "model/arch/interleaved_weights.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/random.h"
#include "kernels/int8_panels.h"
#include "kernels/interleave.h"
#include "kernels/weight_test_data.h"

namespace loquat::model {
namespace {

using kernels::RowOrder;
using kernels::WeightType;

class ForgetfulWeights final : public Weights {
 public:
  std::span<const Tensor> tensors() const override { return {}; }
  const Tensor* Find(std::string_view) const override { return nullptr; }
  void Forget(std::span<const std::byte> bytes) const override { forgotten.push_back(bytes.size()); }
  mutable std::vector<std::size_t> forgotten;
};

struct Layers {
  Layers() {
    base::Random random(3);
    for (const WeightType type : {WeightType::kQ8_0, WeightType::kF32, WeightType::kQ4_0, WeightType::kQ6_K}) {
      matrices.push_back(kernels::RandomMatrix(random, type, 40, 256, 0.1));
      linears.push_back({.weight = matrices.back().matrix(), .bias = {}});
    }
  }
  std::vector<Linear*> all() {
    std::vector<Linear*> pointers;
    for (Linear& linear : linears) pointers.push_back(&linear);
    return pointers;
  }
  std::vector<kernels::TestMatrix> matrices;
  std::vector<Linear> linears;
};

TEST(InterleavedWeights, CopiesWhatTheTierTakesAndLetsTheFileGo) {
  Layers layers;
  const ForgetfulWeights weights;
  const InterleavedWeights interleaved(layers.all(), kernels::kTransformerKernelsAvx2, weights);
  std::vector<std::size_t> forgotten;
  for (std::size_t i = 0; i < layers.linears.size(); ++i) {
    const kernels::Matrix& was = layers.matrices[i].matrix();
    const kernels::Matrix& is = layers.linears[i].weight;
    EXPECT_EQ(is.order, RowOrder::kInterleaved);
    EXPECT_EQ(is.rows, was.rows);
    EXPECT_EQ(is.cols, was.cols);
    EXPECT_NE(is.data, was.data);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(is.data) % kernels::kInterleavedAlignment, 0U);
    std::vector<std::byte> expected(kernels::InterleavedBytes(was));
    kernels::InterleavePanels(was, 0, 3, expected.data());
    EXPECT_EQ(std::memcmp(is.data, expected.data(), expected.size()), 0);
    forgotten.push_back(was.rows * was.row_bytes());
  }
  EXPECT_EQ(weights.forgotten, forgotten);
}

TEST(InterleavedWeights, RoundsPlainFloatsOfManyOutputsWhereThatIsAskedFor) {
  if (!kernels::Supports(kernels::Isa::kAvx2)) GTEST_SKIP() << "this machine lacks the tiers that take them";
  base::Random random(4);
  struct Case {
    WeightType type;
    std::size_t rows;
    RowOrder order;
  };
  for (const Case& given : {Case{WeightType::kF32, kInt8RowsMin, RowOrder::kInt8Panels},
                            Case{WeightType::kBF16, kInt8RowsMin + 1, RowOrder::kInt8Panels},
                            Case{WeightType::kF32, kInt8RowsMin - 1, RowOrder::kInterleaved},
                            Case{WeightType::kQ8_0, kInt8RowsMin, RowOrder::kInterleaved},
                            Case{WeightType::kQ6_K, kInt8RowsMin, RowOrder::kInterleaved}}) {
    const kernels::TestMatrix matrix = kernels::RandomMatrix(random, given.type, given.rows, 256, 0.1);
    Linear linear{.weight = matrix.matrix(), .bias = {}};
    Linear* const layer = &linear;
    const ForgetfulWeights weights;
    const kernels::TransformerKernels& tier = kernels::kTransformerKernelsAvx2;
    const InterleavedWeights copies({&layer, 1}, tier, weights, LinearNumbers::kInt8);
    ASSERT_EQ(linear.weight.order, given.order) << kernels::LayoutOf(given.type).name << " " << given.rows;
    if (given.order != RowOrder::kInt8Panels) continue;
    std::vector<std::byte> expected(kernels::Int8Bytes(matrix.matrix()));
    kernels::RoundPanels(tier, matrix.matrix(), 0, (given.rows + 15) / 16, expected.data());
    EXPECT_EQ(std::memcmp(linear.weight.data, expected.data(), expected.size()), 0);
  }
}

TEST(InterleavedWeights, LeavesAllToTiersThatTakeNone) {
  Layers layers;
  const ForgetfulWeights weights;
  const InterleavedWeights interleaved(layers.all(), kernels::kTransformerKernelsScalar, weights);
  for (const Linear& linear : layers.linears) EXPECT_EQ(linear.weight.order, RowOrder::kRows);
  EXPECT_TRUE(weights.forgotten.empty());
}

TEST(InterleavedWeights, LeavesAllWhereItLiesOnRequest) {
  Layers layers;
  const ForgetfulWeights weights;
  const InterleavedWeights interleaved(layers.all(), kernels::kTransformerKernelsAvx2, weights,
                                       LinearNumbers::kInPlace);
  for (std::size_t i = 0; i < layers.linears.size(); ++i) {
    EXPECT_EQ(layers.linears[i].weight.order, RowOrder::kRows);
    EXPECT_EQ(layers.linears[i].weight.data, layers.matrices[i].matrix().data);
  }
}

// What a file made for another machine looks like here.
TEST(InterleavedWeights, CopiesPanelsBackToRowsForTiersThatTakeNone) {
  Layers layers;
  std::vector<std::vector<std::byte>> panels;
  for (Linear& linear : layers.linears) {
    panels.emplace_back(kernels::InterleavedBytes(linear.weight));
    kernels::InterleavePanels(linear.weight, 0, 3, panels.back().data());
    linear.weight = kernels::InterleavedMatrix(linear.weight, panels.back().data());
  }
  const ForgetfulWeights weights;
  std::vector<std::uint64_t> done;
  const InterleavedWeights rows(layers.all(), kernels::kTransformerKernelsAvx512, weights, LinearNumbers::kStored,
                                [&](std::uint64_t at, std::uint64_t total) {
                                  done.push_back(at);
                                  EXPECT_LE(at, total);
                                });
  for (std::size_t i = 0; i < layers.linears.size(); ++i) {
    const kernels::Matrix& was = layers.matrices[i].matrix();
    const kernels::Matrix& is = layers.linears[i].weight;
    EXPECT_EQ(is.order, RowOrder::kRows);
    EXPECT_NE(is.data, was.data);
    EXPECT_EQ(std::memcmp(is.data, was.data, was.rows * was.row_bytes()), 0);
  }
  EXPECT_EQ(done.size(), panels.size()) << "progress after each layer";
  std::vector<std::size_t> forgotten;
  for (const auto& one : panels) forgotten.push_back(one.size());
  EXPECT_EQ(weights.forgotten, forgotten);
}

TEST(InterleavedWeights, LeavesPanelsInTheFileForTheTierThatTakesThem) {
  Layers layers;
  std::vector<Linear*> one = {&layers.linears[0]};
  std::vector<std::byte> panels(kernels::InterleavedBytes(one[0]->weight));
  kernels::InterleavePanels(one[0]->weight, 0, 3, panels.data());
  one[0]->weight = kernels::InterleavedMatrix(one[0]->weight, panels.data());
  const ForgetfulWeights weights;
  const InterleavedWeights interleaved(one, kernels::kTransformerKernelsAvx2, weights);
  EXPECT_EQ(one[0]->weight.data, panels.data());
  EXPECT_TRUE(weights.forgotten.empty());
}

}  // namespace
}  // namespace loquat::model
