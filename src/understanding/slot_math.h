// The inner loops of the slot tagger: element by element over rows of a few dozen numbers. Compiled for several vector
// widths and chosen by the machine at load time; as no element meets another one, every width gives the same bits.
// Pure functions; rows do not overlap unless they are the same.

#pragma once

#include <cstddef>
#include <cstdint>

namespace loquat::understanding {

// y += a * x
void AddScaled(float a, const float* x, float* y, std::size_t n);
// y += x
void AddRow(const float* x, float* y, std::size_t n);
// y = keep * y - step * g
void StepRow(float keep, float step, const float* g, float* y, std::size_t n);
// y = a * x * y
void MultiplyRow(float a, const float* x, float* y, std::size_t n);
// y = e^(scale * (x - offset)), by DeterministicExp.
void ExpRow(const float* x, float offset, float scale, float* y, std::size_t n);
// Where x + offset > best: best is that, and from is `label`.
void TakeBetter(const float* x, float offset, std::uint32_t label, float* best, std::uint32_t* from, std::size_t n);
// y = scale * x
void WidenRow(const std::int32_t* x, float scale, float* y, std::size_t n);
// y += x
void AddIntegers(const std::int32_t* x, std::int32_t* y, std::size_t n);
// The largest number; n > 0.
float MaxOf(const float* x, std::size_t n);
// The sum, in eight lanes added up in one order.
float SumOf(const float* x, std::size_t n);
float SquaredNorm(const float* x, std::size_t n);

}  // namespace loquat::understanding
