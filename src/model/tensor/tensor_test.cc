// Shapes, bytes and overlaps of tensors, at the edges of what numbers hold.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "base/random.h"
#include "kernels/interleave.h"
#include "model/tensor/layout.h"
#include "model/tensor/mapped_weights.h"

namespace loquat::model {
namespace {

using kernels::WeightType;
using testing::HasSubstr;

using Shape = std::vector<std::uint64_t>;
constexpr std::uint64_t kHuge = std::numeric_limits<std::uint64_t>::max();

TEST(TensorLayout, CountsElements) {
  EXPECT_EQ(ElementsOf(Shape{}), 1U);
  EXPECT_EQ(ElementsOf(Shape{7}), 7U);
  EXPECT_EQ(ElementsOf(Shape{2, 3, 5}), 30U);
  EXPECT_EQ(ElementsOf(Shape{2, 0, 5}), 0U);
  EXPECT_EQ(ElementsOf(Shape{kHuge / 2}), kHuge / 2);
  EXPECT_EQ(ElementsOf(Shape{kHuge}), std::nullopt);
  EXPECT_EQ(ElementsOf(Shape{std::uint64_t{1} << 32, std::uint64_t{1} << 32}), std::nullopt);
  EXPECT_EQ(ElementsOf(Shape{0, kHuge}), std::nullopt) << "absurd even beside a zero";
}

TEST(TensorLayout, BytesFollowTheBlocksOfEachType) {
  for (std::size_t i = 0; i < kernels::kWeightTypes; ++i) {
    const auto type = static_cast<WeightType>(i);
    const kernels::WeightLayout& layout = kernels::LayoutOf(type);
    EXPECT_EQ(TensorBytes(Shape{3, 512}, type).value(), 3 * 512 / layout.block_weights * layout.block_bytes);
    if (layout.block_weights == 1) continue;
    const auto partial = TensorBytes(Shape{layout.block_weights, layout.block_weights + 1}, type);
    ASSERT_FALSE(partial.has_value()) << layout.name;
    EXPECT_THAT(partial.error().message, HasSubstr(fmt::format("blocks of {}", layout.block_weights)));
  }
}

TEST(TensorLayout, AbsurdShapesAreRefusedNotWrappedAround) {
  for (const Shape& shape : {Shape{kHuge, 32}, Shape{kHuge / 2}, Shape{1ULL << 62, 4}, Shape{1ULL << 61, 2}}) {
    const auto bytes = TensorBytes(shape, WeightType::kF32);
    ASSERT_FALSE(bytes.has_value()) << ShapeText(shape);
    EXPECT_THAT(bytes.error().message, HasSubstr(ShapeText(shape)));
  }
  EXPECT_EQ(TensorBytes(Shape{1ULL << 60}, WeightType::kF32).value(), 1ULL << 62);
}

TEST(TensorLayout, PanelsTakeWhatTheirKernelsLayOut) {
  for (std::size_t i = 0; i < kernels::kWeightTypes; ++i) {
    const auto type = static_cast<WeightType>(i);
    for (const std::uint64_t cols : {1, 7, 32, 64, 96, 253, 256, 312}) {
      for (const std::uint64_t rows : {1, 16, 17}) {
        if (cols % kernels::LayoutOf(type).block_weights != 0) continue;
        const Tensor tensor{
            .name = {}, .type = type, .shape = {rows, cols}, .bytes = {}, .order = kernels::RowOrder::kInterleaved};
        const auto bytes = tensor.bytes_expected();
        ASSERT_TRUE(bytes.has_value()) << kernels::LayoutOf(type).name;
        EXPECT_EQ(*bytes, kernels::InterleavedBytes(tensor.matrix())) << rows << "x" << cols;
      }
    }
  }
}

TEST(TensorLayout, AbsurdPanelsAreRefusedNotWrappedAround) {
  constexpr std::uint64_t kMost = kHuge / 2;
  for (const Shape& shape : {Shape{kHuge, 32}, Shape{32, kMost / 32}, Shape{kHuge / 32 * 32, 0},
                             Shape{1ULL << 41, 1ULL << 21}, Shape{3, kMost / 16}, Shape{kMost / 64, 1}}) {
    for (const WeightType type : {WeightType::kF32, WeightType::kBF16}) {
      const Tensor tensor{
          .name = {}, .type = type, .shape = shape, .bytes = {}, .order = kernels::RowOrder::kInterleaved};
      EXPECT_FALSE(tensor.bytes_expected().has_value()) << ShapeText(shape);
    }
  }
}

TEST(TensorLayout, FindsAnOverlapExactlyWhereBytesAreShared) {
  EXPECT_EQ(FindOverlap(std::vector<Extent>{}), std::nullopt);
  EXPECT_EQ(FindOverlap(std::vector<Extent>{{0, 4}, {4, 8}}), std::nullopt);
  EXPECT_EQ(FindOverlap(std::vector<Extent>{{4, 8}, {0, 5}}), std::pair(std::size_t{1}, std::size_t{0}));
  EXPECT_EQ(FindOverlap(std::vector<Extent>{{0, 9}, {3, 3}}), std::nullopt) << "an empty one shares nothing";

  constexpr std::uint64_t kSeed = 20261121;
  base::Random random(kSeed);
  for (int round = 0; round < 2000; ++round) {
    std::vector<Extent> extents(2 + random.Below(5));
    for (Extent& extent : extents) {
      extent.begin = random.Below(40);
      extent.end = extent.begin + random.Below(8);
    }
    bool expected = false;
    for (std::size_t a = 0; a < extents.size(); ++a) {
      for (std::size_t b = 0; b < a; ++b) {
        expected |= std::max(extents[a].begin, extents[b].begin) < std::min(extents[a].end, extents[b].end);
      }
    }
    EXPECT_EQ(FindOverlap(extents).has_value(), expected) << "seed " << kSeed << " round " << round;
  }
}

TEST(MappedWeights, FindsTensorsByNameAndViewsThemAsMatrices) {
  const std::vector<std::byte> bytes(64);
  std::vector<Tensor> tensors;
  tensors.push_back({.name = "a", .type = WeightType::kF32, .shape = {2, 8}, .bytes = bytes});
  tensors.push_back({.name = "b", .type = WeightType::kF16, .shape = {32}, .bytes = bytes});
  const MappedWeights weights({}, std::move(tensors));
  ASSERT_NE(weights.Find("a"), nullptr);
  EXPECT_EQ(weights.Find("a"), weights.tensors().data());
  EXPECT_EQ(weights.Find("c"), nullptr);
  const kernels::Matrix matrix = weights.Find("a")->matrix();
  EXPECT_EQ(matrix.rows, 2U);
  EXPECT_EQ(matrix.cols, 8U);
  EXPECT_EQ(matrix.row(1), bytes.data() + 32);
  EXPECT_EQ(weights.Find("a")->elements(), 16U);
  EXPECT_EQ(weights.Find("b")->matrix().rows, 1U);
  EXPECT_EQ(weights.Find("b")->matrix().cols, 32U);
}

}  // namespace
}  // namespace loquat::model
