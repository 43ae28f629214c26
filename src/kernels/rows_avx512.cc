// Compiled with -mavx512f -mavx512bw -mavx512dq -mavx512vl and without contraction of a * b + c.

#include <immintrin.h>

#include "kernels/rows.h"

namespace loquat::kernels {
namespace {

constexpr std::size_t kWidth = 16;    // Floats a register.
constexpr std::size_t kTile = 192;    // Columns whose sums stay in registers: twelve of the thirty-two.
constexpr std::size_t kPrefetch = 6;  // Rows ahead.

void Axpy(float a, const float* x, float* y, std::size_t n) {
  const __m512 factor = _mm512_set1_ps(a);
  for (std::size_t i = 0; i < n; i += kWidth) {
    const __m512 product = _mm512_mul_ps(factor, _mm512_loadu_ps(x + i));
    _mm512_storeu_ps(y + i, _mm512_add_ps(_mm512_loadu_ps(y + i), product));
  }
}

float Dot(const float* x, const float* y, std::size_t n) {
  __m512 sum = _mm512_setzero_ps();
  for (std::size_t i = 0; i < n; i += kLanes) {
    sum = _mm512_add_ps(sum, _mm512_mul_ps(_mm512_loadu_ps(x + i), _mm512_loadu_ps(y + i)));
  }
  const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(sum), _mm512_extractf32x8_ps(sum, 1));
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}

__m512 Load16(const std::int8_t* p) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes));
}

template <std::size_t kRegisters>
void AccumulateTile(const std::int8_t* rows, const std::uint32_t* ids, const float* coefficients, std::size_t count,
                    float* y, std::size_t n) {
  __m512 sums[kRegisters];
  for (std::size_t k = 0; k < kRegisters; ++k) sums[k] = _mm512_loadu_ps(y + k * kWidth);
  for (std::size_t r = 0; r < count; ++r) {
    if (r + kPrefetch < count) _mm_prefetch(reinterpret_cast<const char*>(rows + ids[r + kPrefetch] * n), _MM_HINT_T0);
    const std::int8_t* row = rows + ids[r] * n;
    const __m512 factor = _mm512_set1_ps(coefficients[r]);
    for (std::size_t k = 0; k < kRegisters; ++k) {
      sums[k] = _mm512_add_ps(sums[k], _mm512_mul_ps(factor, Load16(row + k * kWidth)));
    }
  }
  for (std::size_t k = 0; k < kRegisters; ++k) _mm512_storeu_ps(y + k * kWidth, sums[k]);
}

void AccumulateInt8(const std::int8_t* rows, const std::uint32_t* ids, const float* coefficients, std::size_t count,
                    float* y, std::size_t n) {
  std::size_t i = 0;
  for (; i + kTile <= n; i += kTile) {
    AccumulateTile<kTile / kWidth>(rows + i, ids, coefficients, count, y + i, n);
  }
  for (; i < n; i += kLanes) AccumulateTile<kLanes / kWidth>(rows + i, ids, coefficients, count, y + i, n);
}

void AdaGrad(float a, const float* gradient, float* weights, float* squares, std::size_t n, const AdaGradStep& step) {
  const __m512 factor = _mm512_set1_ps(a);
  const __m512 rate = _mm512_set1_ps(step.rate);
  const __m512 epsilon = _mm512_set1_ps(step.epsilon);
  for (std::size_t i = 0; i < n; i += kWidth) {
    const __m512 g = _mm512_mul_ps(factor, _mm512_loadu_ps(gradient + i));
    const __m512 square = _mm512_add_ps(_mm512_loadu_ps(squares + i), _mm512_mul_ps(g, g));
    _mm512_storeu_ps(squares + i, square);
    const __m512 change = _mm512_div_ps(_mm512_mul_ps(rate, g), _mm512_sqrt_ps(_mm512_add_ps(square, epsilon)));
    _mm512_storeu_ps(weights + i, _mm512_sub_ps(_mm512_loadu_ps(weights + i), change));
  }
}

}  // namespace

const RowKernels kRowKernelsAvx512 = {.axpy = Axpy, .dot = Dot, .accumulate_int8 = AccumulateInt8, .adagrad = AdaGrad};

}  // namespace loquat::kernels
