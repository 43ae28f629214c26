// Arithmetic on rows of floats for sparse linear layers: one source a tier, compiled with that tier's flags, chosen by
// RowKernelsFor. Pure functions; safe from any thread.
//
// Every tier gives the same bits: products are rounded before they are added (no fused multiply-add), element i depends
// on element i alone, and reductions use kLanes partial sums in a fixed tree. The scalar tier is the oracle in tests.

#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/isa.h"

namespace loquat::kernels {

// Widths are multiples of it; Dot keeps this many partial sums.
inline constexpr std::size_t kLanes = 16;

struct AdaGradStep {
  float rate;     // Learning rate.
  float epsilon;  // Added under the root.
};

struct RowKernels {
  // y[i] += a * x[i].
  void (*axpy)(float a, const float* x, float* y, std::size_t n);

  // The sum of x[i] * y[i]: lane j sums i = j, j + 16, ...; then lanes j and j + 8, j + 4, j + 2, j + 1 are added.
  float (*dot)(const float* x, const float* y, std::size_t n);

  // y[i] += coefficients[r] * rows[ids[r] * n + i] for r = 0 .. count - 1 in this order.
  void (*accumulate_int8)(const std::int8_t* rows, const std::uint32_t* ids, const float* coefficients,
                          std::size_t count, float* y, std::size_t n);

  // g = a * gradient[i]; squares[i] += g * g; weights[i] -= rate * g / sqrt(squares[i] + epsilon).
  // Duchi, Hazan, Singer, "Adaptive subgradient methods", JMLR 12, 2011.
  void (*adagrad)(float a, const float* gradient, float* weights, float* squares, std::size_t n,
                  const AdaGradStep& step);
};

// REQUIRES (all): n is a multiple of kLanes. Pointers need no alignment. REQUIRES: this machine has `isa`.
const RowKernels& RowKernelsFor(Isa isa);

// One table a tier; RowKernelsFor is the way in.
extern const RowKernels kRowKernelsScalar;
extern const RowKernels kRowKernelsAvx2;
extern const RowKernels kRowKernelsAvx512;

}  // namespace loquat::kernels
