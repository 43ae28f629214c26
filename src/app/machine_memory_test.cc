// What the kernel's files say, and what is said when a model does not fit.

#include "app/machine_memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "base/file.h"
#include "pipeline/test_assistant.h"

namespace loquat::app {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class MachineMemory : public testing::Test {
 protected:
  std::string Write(std::string_view name, std::string_view text) const {
    const std::string path = folder_.File(name);
    EXPECT_TRUE(base::WriteFileAtomically(path, text).has_value());
    return path;
  }
  MemoryFiles None() const {
    const std::string none = folder_.File("none");
    return {none, none, none, none, none, none, none};
  }
  const pipeline::TempFolder folder_;
};

TEST_F(MachineMemory, TheLeastOfWhatTheKernelSaysCounts) {
  MemoryFiles files = None();
  EXPECT_EQ(AvailableMemory(files), std::nullopt);
  files.meminfo = Write("meminfo", "MemTotal:       9000 kB\nMemFree: 1 kB\nMemAvailable:    2000 kB\n");
  EXPECT_EQ(AvailableMemory(files), 2000u * 1024);
  files.limit = Write("max", "max\n");
  files.usage = Write("current", "700000\n");
  EXPECT_EQ(AvailableMemory(files), 2000u * 1024);  // No limit.
  files.limit = Write("max", "1000000\n");
  EXPECT_EQ(AvailableMemory(files), 300'000u);
  files.usage_parts = Write("stat", "anon 400000\ninactive_file 300000\n");
  EXPECT_EQ(AvailableMemory(files), 600'000u);
  files.old_limit = Write("limit_in_bytes", "500000\n");
  files.old_usage = Write("usage_in_bytes", "900000\n");
  EXPECT_EQ(AvailableMemory(files), 0u);  // Past its limit: nothing is left.
  files.old_usage_parts = Write("old_stat", "inactive_file 1\ntotal_inactive_file 800000\n");
  EXPECT_EQ(AvailableMemory(files), 400'000u);
}

TEST_F(MachineMemory, ThisMachineHasSome) {
  ASSERT_TRUE(AvailableMemory().has_value());
  EXPECT_GT(*AvailableMemory(), std::uint64_t{1} << 20);
}

TEST_F(MachineMemory, ThisProcessHasHadSome) {
  ASSERT_TRUE(PeakMemory().has_value());
  EXPECT_GT(*PeakMemory(), std::uint64_t{1} << 20);
  EXPECT_EQ(PeakMemory(Write("status", "VmPeak:\t  99 kB\nVmHWM:\t    12 kB\nVmRSS:\t 3 kB\n")), 12u * 1024);
  EXPECT_EQ(PeakMemory(folder_.File("none")), std::nullopt);
}

TEST_F(MachineMemory, WhatFitsExactlyIsTaken) {
  constexpr std::uint64_t kMiB = 1 << 20;
  const MemoryNeed need{.weights_bytes = 10 * kMiB, .kv_bytes = 5 * kMiB};
  EXPECT_TRUE(CheckMemory(need, 0, 15 * kMiB).has_value());
  EXPECT_TRUE(CheckMemory(need, kMiB, 16 * kMiB).has_value());
  const auto kv = CheckMemory(need, 0, 15 * kMiB - 1);
  ASSERT_FALSE(kv.has_value());
  EXPECT_EQ(kv.error().code, base::Code::kResourceExhausted);
  EXPECT_EQ(kv.error().reason, "memory");
  EXPECT_THAT(kv.error().message, AllOf(HasSubstr("10 MiB for its weights and 5 MiB for keys and values (kv_bytes)"),
                                        HasSubstr("give it less kv_bytes")));
  const auto weights = CheckMemory(need, 2 * kMiB, 11 * kMiB);
  EXPECT_THAT(weights.error().message,
              AllOf(HasSubstr("9 MiB left beside the 2 MiB of the models before it"), HasSubstr("smaller model")));
  constexpr std::uint64_t kAll = std::numeric_limits<std::uint64_t>::max();
  EXPECT_FALSE(CheckMemory({.weights_bytes = kMiB, .kv_bytes = kAll}, 0, kAll).has_value());
  EXPECT_FALSE(CheckMemory(need, kAll, 100 * kMiB).has_value());
}

}  // namespace
}  // namespace loquat::app
