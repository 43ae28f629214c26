// Which vector instructions the arithmetic uses: found once at start, passed down as a value.
// Pure functions; safe from any thread. The tiers of rows.h give the same bits; those of transformer_kernels.h agree
// within rounding, each giving the same bits every time.

#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace loquat::kernels {

enum class Isa : std::uint8_t {
  kScalar,      // Baseline x86-64: the oracle.
  kAvx2,        // With FMA and F16C, as every processor with AVX2 has but a few of VIA's.
  kAvxVnni,     // With AVX-VNNI: integer dot products in registers of 256 bits.
  kAvx512,      // F, BW, DQ and VL.
  kAvx512Vnni,  // With VNNI and BF16: weights of few bits meet activations that are rounded to as few.
  kAmx,         // With AMX of bytes and bfloat16: products of tiles, sixteen rows by sixteen.
};

// The best tier that this processor and operating system support.
Isa DetectIsa();

// From the least to the best. A machine that has one need not have all before it: many with AVX-512 lack AVX-VNNI, and
// many lack BF16. For those kAvx2 is better than kAvx512, which multiplies floats alone.
inline constexpr Isa kIsas[] = {Isa::kScalar, Isa::kAvx512, Isa::kAvx2, Isa::kAvxVnni, Isa::kAvx512Vnni, Isa::kAmx};

// Whether this processor and operating system support the tier. For kAmx the process asks the operating system for the
// tiles, which it then has to its end.
bool Supports(Isa isa);

// "scalar", "avx2", "avx_vnni", "avx512", "avx512_vnni", "amx".
std::string_view IsaName(Isa isa);

// The tier of that name; an empty name is DetectIsa(). kInvalidArgument: no such name; kFailedPrecondition: this
// machine lacks it. The composition root passes the environment's LOQUAT_FORCE_ISA.
base::Result<Isa> ChooseIsa(std::string_view name);

}  // namespace loquat::kernels
