// What this machine can do at most: how fast its memory is read and its registers multiply, by so many threads. Uses
// all threads asked for and a buffer far larger than the caches, and returns when done; call it from one thread.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace loquat::app {

struct MachineBenchmarkPlan {
  std::size_t buffer_bytes = std::size_t{512} << 20;  // Rounded down to whole parts of 2 MiB; at least one.
  std::uint32_t rounds = 5;
  std::uint32_t threads = 0;  // Zero: one a core.
  std::string isa;            // As kernels::ChooseIsa takes it.
};

// A number a round, of all threads together. Empty: the instruction set has no such numbers.
struct MachineBenchmarkResult {
  std::string isa;
  std::uint32_t threads = 0;
  std::size_t buffer_bytes = 0;
  std::vector<double> read_gb_per_second;     // 10^9 bytes, in order, from memory.
  std::vector<double> f32_gflop_per_second;   // Fused where the tier can; a product and a sum are two.
  std::vector<double> bf16_gflop_per_second;  // Pairs into floats.
  std::vector<double> int8_gop_per_second;    // Fours into 32 bits.
};

// Errors: those of ChooseIsa; kResourceExhausted where there is no memory for the buffer.
base::Result<MachineBenchmarkResult> RunMachineBenchmark(const MachineBenchmarkPlan& plan);

}  // namespace loquat::app
