#include <cmath>

#include "kernels/rows.h"

namespace loquat::kernels {
namespace {

void Axpy(float a, const float* x, float* y, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) y[i] += a * x[i];
}

float Dot(const float* x, const float* y, std::size_t n) {
  float lanes[kLanes] = {};
  for (std::size_t i = 0; i < n; i += kLanes) {
    for (std::size_t j = 0; j < kLanes; ++j) lanes[j] += x[i + j] * y[i + j];
  }
  for (std::size_t half = kLanes / 2; half > 0; half /= 2) {
    for (std::size_t j = 0; j < half; ++j) lanes[j] += lanes[j + half];
  }
  return lanes[0];
}

void AccumulateInt8(const std::int8_t* rows, const std::uint32_t* ids, const float* coefficients, std::size_t count,
                    float* y, std::size_t n) {
  for (std::size_t r = 0; r < count; ++r) {
    const std::int8_t* row = rows + ids[r] * n;
    for (std::size_t i = 0; i < n; ++i) y[i] += coefficients[r] * static_cast<float>(row[i]);
  }
}

void AdaGrad(float a, const float* gradient, float* weights, float* squares, std::size_t n, const AdaGradStep& step) {
  for (std::size_t i = 0; i < n; ++i) {
    const float g = a * gradient[i];
    squares[i] += g * g;
    weights[i] -= step.rate * g / std::sqrt(squares[i] + step.epsilon);
  }
}

}  // namespace

const RowKernels kRowKernelsScalar = {.axpy = Axpy, .dot = Dot, .accumulate_int8 = AccumulateInt8, .adagrad = AdaGrad};

}  // namespace loquat::kernels
