// Which vector instructions the arithmetic uses: found once at start, passed down as a value.
// Pure functions; safe from any thread. Every tier gives the same bits (rows.h), so the choice is one of speed alone.

#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace loquat::kernels {

enum class Isa : std::uint8_t {
  kScalar,  // Baseline x86-64, one lane at a time: the oracle.
  kAvx2,
  kAvx512,  // F, BW, DQ and VL.
};

// The best tier that this processor and operating system support.
Isa DetectIsa();

// "scalar", "avx2", "avx512".
std::string_view IsaName(Isa isa);

// The tier of that name; an empty name is DetectIsa(). kInvalidArgument: no such name; kFailedPrecondition: this
// machine lacks it. The composition root passes the environment's LOQUAT_FORCE_ISA.
base::Result<Isa> ChooseIsa(std::string_view name);

}  // namespace loquat::kernels
