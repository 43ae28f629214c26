// Arithmetic in registers and reading of memory, and nothing else: the roofs of this processor, to hold what real
// kernels reach against (Williams, Waterman and Patterson, "Roofline: an insightful visual performance model", CACM
// 2009).
//
// Pure functions; any thread. The tables are constant for the life of the process.

#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/isa.h"

namespace loquat::kernels {

// Dot products of one kind of number, as many of them side by side as hide the instruction's latency.
struct PeakKernel {
  double operations_per_step = 0;  // A product and the sum that takes it are two.
  // The result depends on every step, so that none can be left out; it means nothing else. `seed` keeps the operands
  // from being known beforehand. Null: this tier has no instruction for them.
  float (*run)(std::size_t steps, float seed) = nullptr;
};

struct PeakKernels {
  PeakKernel f32;
  PeakKernel bf16;  // Pairs into floats (AVX512-BF16, AMX).
  PeakKernel int8;  // Unsigned times signed bytes, fours into 32 bits (VNNI, AMX).
  // Loads every byte once, in order; a sum of them all. REQUIRES: bytes is a multiple of kPeakReadBytes.
  std::uint32_t (*read)(const std::byte* from, std::size_t bytes);
};

inline constexpr std::size_t kPeakReadBytes = 512;

// Those of the instructions that the tier may use.
const PeakKernels& PeakKernelsFor(Isa isa);

extern const PeakKernels kPeakKernelsScalar;
extern const PeakKernels kPeakKernelsAvx2;
extern const PeakKernels kPeakKernelsAvx512;
extern const PeakKernels kPeakKernelsAvx512Vnni;
extern const PeakKernels kPeakKernelsAmx;

}  // namespace loquat::kernels
