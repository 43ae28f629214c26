// Verification finds each number that cannot be right, where it stands.

#include "model/formats/verify.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "model/tensor/layout.h"
#include "model/tensor/mapped_weights.h"

namespace loquat::model {
namespace {

using kernels::WeightType;

constexpr std::uint16_t kHalfNan = 0x7E00, kHalfInfinity = 0xFC00;

// Where each type's scales stand in a block, by the formulas of the formats.
std::vector<std::size_t> ScaleOffsets(WeightType type) {
  switch (type) {
    case WeightType::kQ4_1:
    case WeightType::kQ5_1:
    case WeightType::kQ4_K:
    case WeightType::kQ5_K:
      return {0, 2};
    case WeightType::kQ6_K:
      return {208};
    default:
      return {0};
  }
}

VerifyReport Verify(WeightType type, std::span<const std::byte> bytes, std::vector<std::uint64_t> shape) {
  std::vector<Tensor> tensors;
  tensors.push_back({.name = "t", .type = type, .shape = std::move(shape), .bytes = bytes});
  return VerifyModel(MappedWeights({}, std::move(tensors))).value();
}

TEST(VerifyModel, FindsEveryBadNumberOfEveryTypeAndNothingElse) {
  for (std::size_t i = 0; i < kernels::kWeightTypes; ++i) {
    const auto type = static_cast<WeightType>(i);
    const kernels::WeightLayout& layout = kernels::LayoutOf(type);
    const std::vector<std::uint64_t> shape = {4, 512};
    std::vector<std::byte> bytes(TensorBytes(shape, type).value());
    // Every byte that is no scale may hold anything.
    const std::vector<std::size_t> scales = ScaleOffsets(type);
    const bool blocks = layout.block_weights > 1;
    if (blocks) {
      std::ranges::fill(bytes, std::byte{0xFF});
      for (std::size_t at = 0; at < bytes.size(); at += layout.block_bytes) {
        for (const std::size_t scale : scales) std::memset(bytes.data() + at + scale, 0x2C, 2);
      }
    }
    EXPECT_TRUE(Verify(type, bytes, shape).ok()) << layout.name;
    EXPECT_EQ(Verify(type, bytes, shape).bytes, bytes.size());
    EXPECT_EQ(Verify(type, bytes, shape).weights, 4U * 512);

    constexpr std::size_t kBadBlock = 3;
    for (const std::size_t scale : scales) {
      for (const std::uint16_t bad : {kHalfNan, kHalfInfinity}) {
        std::vector<std::byte> spoilt = bytes;
        const std::size_t at = kBadBlock * layout.block_bytes + scale;
        const std::uint16_t wide = bad == kHalfNan ? 0x7FC0 : 0xFF80;  // In the upper half of a float.
        std::memcpy(spoilt.data() + at + (type == WeightType::kF32 ? 2 : 0),
                    type == WeightType::kF32 || type == WeightType::kBF16 ? &wide : &bad, sizeof bad);
        const VerifyReport report = Verify(type, spoilt, shape);
        ASSERT_EQ(report.fault_count, 1U) << layout.name;
        EXPECT_EQ(report.faults[0].tensor, "t");
        EXPECT_EQ(report.faults[0].byte, at);
        EXPECT_EQ(report.faults[0].element, kBadBlock * layout.block_weights);
        EXPECT_THAT(report.faults[0].what, testing::HasSubstr("not finite"));
      }
    }
  }
}

TEST(VerifyModel, CountsAllFaultsAndReportsTheFirst) {
  std::vector<float> numbers(100, std::numeric_limits<float>::quiet_NaN());
  const VerifyReport report = Verify(WeightType::kF32, std::as_bytes(std::span(numbers)), {100});
  EXPECT_EQ(report.fault_count, 100U);
  EXPECT_EQ(report.faults.size(), kVerifyFaultsMax);
  EXPECT_EQ(report.faults.back().element, kVerifyFaultsMax - 1);
  EXPECT_THAT(VerifyText("m", report), testing::EndsWith("m: 100 weights in 1 tensors, 400 bytes read: 100 faults\n"));
  EXPECT_THAT(VerifyText("m", report), testing::StartsWith("m: tensor 't', weight 0 (byte 0) is not finite\n"));
  EXPECT_THAT(VerifyJson("m", report), testing::StartsWith(R"({"path":"m","ok":false,"tensors":1,"weights":100,)"));
}

TEST(VerifyModel, TellsItsProgressAndStopsWhenTold) {
  std::vector<std::byte> bytes(std::size_t{9} << 20);
  std::vector<Tensor> tensors;
  tensors.push_back({.name = "t", .type = WeightType::kF32, .shape = {bytes.size() / 4}, .bytes = bytes});
  const MappedWeights weights({}, std::move(tensors));
  std::vector<std::uint64_t> calls;
  ASSERT_TRUE(VerifyModel(weights, [&](std::uint64_t done, std::uint64_t total) {
                EXPECT_EQ(total, bytes.size());
                calls.push_back(done);
                return true;
              }).has_value());
  EXPECT_THAT(calls, testing::ElementsAre(4U << 20, 8U << 20, 9U << 20));
  const auto stopped = VerifyModel(weights, [](std::uint64_t, std::uint64_t) { return false; });
  ASSERT_FALSE(stopped.has_value());
  EXPECT_EQ(stopped.error().code, base::Code::kCancelled);
}

}  // namespace
}  // namespace loquat::model
