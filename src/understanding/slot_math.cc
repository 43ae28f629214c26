#include "understanding/slot_math.h"

#include "understanding/deterministic_math.h"

// Sanitizers instrument the resolvers that pick a clone, which run before the sanitizer does; there one version is
// enough.
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define LOQUAT_EVERY_WIDTH
#elif defined(__x86_64__)
#define LOQUAT_EVERY_WIDTH __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define LOQUAT_EVERY_WIDTH
#endif

namespace loquat::understanding {

LOQUAT_EVERY_WIDTH void AddScaled(float a, const float* __restrict x, float* __restrict y, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) y[i] += a * x[i];
}

LOQUAT_EVERY_WIDTH void AddRow(const float* __restrict x, float* __restrict y, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) y[i] += x[i];
}

LOQUAT_EVERY_WIDTH void StepRow(float keep, float step, const float* __restrict g, float* __restrict y, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) y[i] = keep * y[i] - step * g[i];
}

LOQUAT_EVERY_WIDTH void MultiplyRow(float a, const float* __restrict x, float* __restrict y, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) y[i] = a * x[i] * y[i];
}

LOQUAT_EVERY_WIDTH void ExpRow(const float* __restrict x, float offset, float scale, float* __restrict y,
                               std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) y[i] = DeterministicExp(scale * (x[i] - offset));
}

LOQUAT_EVERY_WIDTH void TakeBetter(const float* __restrict x, float offset, std::uint32_t label, float* __restrict best,
                                   std::uint32_t* __restrict from, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    const float candidate = x[i] + offset;
    const bool better = candidate > best[i];
    best[i] = better ? candidate : best[i];
    from[i] = better ? label : from[i];
  }
}

LOQUAT_EVERY_WIDTH void WidenRow(const std::int32_t* __restrict x, float scale, float* __restrict y, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) y[i] = scale * static_cast<float>(x[i]);
}

LOQUAT_EVERY_WIDTH void AddIntegers(const std::int32_t* __restrict x, std::int32_t* __restrict y, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) y[i] += x[i];
}

LOQUAT_EVERY_WIDTH float MaxOf(const float* x, std::size_t n) {
  float lanes[8];
  for (std::size_t k = 0; k < 8; ++k) lanes[k] = x[0];
  std::size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    for (std::size_t k = 0; k < 8; ++k) lanes[k] = x[i + k] > lanes[k] ? x[i + k] : lanes[k];
  }
  for (; i < n; ++i) lanes[0] = x[i] > lanes[0] ? x[i] : lanes[0];
  for (std::size_t k = 1; k < 8; ++k) lanes[0] = lanes[k] > lanes[0] ? lanes[k] : lanes[0];
  return lanes[0];
}

LOQUAT_EVERY_WIDTH float SumOf(const float* x, std::size_t n) {
  float lanes[8] = {};
  std::size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    for (std::size_t k = 0; k < 8; ++k) lanes[k] += x[i + k];
  }
  for (std::size_t k = 0; i < n; ++i, ++k) lanes[k] += x[i];
  return ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) + ((lanes[2] + lanes[6]) + (lanes[3] + lanes[7]));
}

LOQUAT_EVERY_WIDTH float SquaredNorm(const float* x, std::size_t n) {
  float lanes[8] = {};
  std::size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    for (std::size_t k = 0; k < 8; ++k) lanes[k] += x[i + k] * x[i + k];
  }
  for (std::size_t k = 0; i < n; ++i, ++k) lanes[k] += x[i] * x[i];
  return ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) + ((lanes[2] + lanes[6]) + (lanes[3] + lanes[7]));
}

}  // namespace loquat::understanding
