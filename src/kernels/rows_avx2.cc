// Compiled with -mavx2 and without contraction of a * b + c.

#include <immintrin.h>

#include "kernels/rows.h"

namespace loquat::kernels {
namespace {

constexpr std::size_t kWidth = 8;     // Floats a register.
constexpr std::size_t kTile = 64;     // Columns whose sums stay in registers: eight of the sixteen.
constexpr std::size_t kPrefetch = 6;  // Rows ahead.

void Axpy(float a, const float* x, float* y, std::size_t n) {
  const __m256 factor = _mm256_set1_ps(a);
  for (std::size_t i = 0; i < n; i += kWidth) {
    const __m256 product = _mm256_mul_ps(factor, _mm256_loadu_ps(x + i));
    _mm256_storeu_ps(y + i, _mm256_add_ps(_mm256_loadu_ps(y + i), product));
  }
}

float Dot(const float* x, const float* y, std::size_t n) {
  __m256 low = _mm256_setzero_ps();
  __m256 high = _mm256_setzero_ps();
  for (std::size_t i = 0; i < n; i += kLanes) {
    low = _mm256_add_ps(low, _mm256_mul_ps(_mm256_loadu_ps(x + i), _mm256_loadu_ps(y + i)));
    high = _mm256_add_ps(high, _mm256_mul_ps(_mm256_loadu_ps(x + i + kWidth), _mm256_loadu_ps(y + i + kWidth)));
  }
  const __m256 eight = _mm256_add_ps(low, high);
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}

__m256 Load8(const std::int8_t* p) {
  const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes));
}

template <std::size_t kRegisters>
void AccumulateTile(const std::int8_t* rows, const std::uint32_t* ids, const float* coefficients, std::size_t count,
                    float* y, std::size_t n) {
  __m256 sums[kRegisters];
  for (std::size_t k = 0; k < kRegisters; ++k) sums[k] = _mm256_loadu_ps(y + k * kWidth);
  for (std::size_t r = 0; r < count; ++r) {
    if (r + kPrefetch < count) _mm_prefetch(reinterpret_cast<const char*>(rows + ids[r + kPrefetch] * n), _MM_HINT_T0);
    const std::int8_t* row = rows + ids[r] * n;
    const __m256 factor = _mm256_set1_ps(coefficients[r]);
    for (std::size_t k = 0; k < kRegisters; ++k) {
      sums[k] = _mm256_add_ps(sums[k], _mm256_mul_ps(factor, Load8(row + k * kWidth)));
    }
  }
  for (std::size_t k = 0; k < kRegisters; ++k) _mm256_storeu_ps(y + k * kWidth, sums[k]);
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
  const __m256 factor = _mm256_set1_ps(a);
  const __m256 rate = _mm256_set1_ps(step.rate);
  const __m256 epsilon = _mm256_set1_ps(step.epsilon);
  for (std::size_t i = 0; i < n; i += kWidth) {
    const __m256 g = _mm256_mul_ps(factor, _mm256_loadu_ps(gradient + i));
    const __m256 square = _mm256_add_ps(_mm256_loadu_ps(squares + i), _mm256_mul_ps(g, g));
    _mm256_storeu_ps(squares + i, square);
    const __m256 change = _mm256_div_ps(_mm256_mul_ps(rate, g), _mm256_sqrt_ps(_mm256_add_ps(square, epsilon)));
    _mm256_storeu_ps(weights + i, _mm256_sub_ps(_mm256_loadu_ps(weights + i), change));
  }
}

}  // namespace

const RowKernels kRowKernelsAvx2 = {.axpy = Axpy, .dot = Dot, .accumulate_int8 = AccumulateInt8, .adagrad = AdaGrad};

}  // namespace loquat::kernels
