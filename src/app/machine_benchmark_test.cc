// A small buffer through the machine's benchmark. How fast is nobody's promise here.

#include "app/machine_benchmark.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/isa.h"

namespace loquat::app {
namespace {

using testing::AllOf;
using testing::Each;
using testing::Gt;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::size_t kPart = std::size_t{2} << 20;

TEST(MachineBenchmark, MeasuresWhatTheTierHasOnceARound) {
  for (const kernels::Isa isa : kernels::kIsas) {
    if (!kernels::Supports(isa)) continue;
    const auto result = RunMachineBenchmark(
        {.buffer_bytes = 4 * kPart, .rounds = 2, .threads = 2, .isa = std::string(kernels::IsaName(isa))});
    ASSERT_TRUE(result.has_value()) << result.error().message;
    EXPECT_EQ(result->isa, kernels::IsaName(isa));
    EXPECT_EQ(result->threads, 2U);
    EXPECT_THAT(result->read_gb_per_second, AllOf(SizeIs(2), Each(Gt(0))));
    EXPECT_THAT(result->f32_gflop_per_second, AllOf(SizeIs(2), Each(Gt(0))));
    const std::size_t narrow = isa >= kernels::Isa::kAvx512Vnni ? 2 : 0;
    EXPECT_THAT(result->bf16_gflop_per_second, AllOf(SizeIs(narrow), Each(Gt(0))));
    EXPECT_THAT(result->int8_gop_per_second, AllOf(SizeIs(narrow), Each(Gt(0))));
  }
}

TEST(MachineBenchmark, TheBufferIsOfWholeParts) {
  const auto bytes = [](std::size_t asked) {
    const auto result = RunMachineBenchmark({.buffer_bytes = asked, .rounds = 1, .threads = 1, .isa = "scalar"});
    return result.has_value() ? result->buffer_bytes : 0;
  };
  EXPECT_EQ(bytes(1), kPart);
  EXPECT_EQ(bytes(3 * kPart - 1), 2 * kPart);
}

TEST(MachineBenchmark, AnUnknownInstructionSetIsSaid) {
  const auto refused = RunMachineBenchmark({.buffer_bytes = kPart, .rounds = 1, .isa = "mmx"});
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().message, HasSubstr("unknown instruction set 'mmx'"));
}

TEST(MachineBenchmark, ABufferThatCannotBeHadIsSaid) {
  const auto refused = RunMachineBenchmark({.buffer_bytes = std::size_t{1} << 62U, .rounds = 1, .isa = "scalar"});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, base::Code::kResourceExhausted);
  EXPECT_EQ(refused.error().reason, "memory");
}

}  // namespace
}  // namespace loquat::app
