// Norms, rotations, activations and conversions on one row of floats; included as simd.h says.

#pragma once

#include "kernels/simd.h"
#include "kernels/transformer_kernels.h"

namespace loquat::kernels {
namespace {

inline void RmsNorm(const float* x, const float* weight, float epsilon, float* y, std::size_t n) {
  F32x16 squares = {};
  ForVectors(
      n, [&](std::size_t i, std::size_t count) __attribute__((always_inline)) {
        const F32x16 v = Load(x + i, count);
        squares = MultiplyAdd(v, v, squares);
      });
  const float scale = 1.0F / __builtin_sqrtf(Sum(squares) / static_cast<float>(n) + epsilon);
  ForVectors(
      n, [&](std::size_t i, std::size_t count) __attribute__((always_inline)) {
        Store(y + i, Load(x + i, count) * scale * Load(weight + i, count), count);
      });
}

inline void LayerNorm(const float* x, const float* weight, const float* bias, float epsilon, float* y, std::size_t n) {
  F32x16 sums = {};
  ForVectors(
      n, [&](std::size_t i, std::size_t count) __attribute__((always_inline)) { sums += Load(x + i, count); });
  const float mean = Sum(sums) / static_cast<float>(n);
  F32x16 squares = {};
  const std::size_t whole = n / kVector * kVector;
  for (std::size_t i = 0; i < whole; i += kVector) {
    const F32x16 v = Load(x + i) - mean;
    squares = MultiplyAdd(v, v, squares);
  }
  float variance = Sum(squares);
  for (std::size_t i = whole; i < n; ++i) variance += (x[i] - mean) * (x[i] - mean);
  const float scale = 1.0F / __builtin_sqrtf(variance / static_cast<float>(n) + epsilon);
  ForVectors(
      n, [&](std::size_t i, std::size_t count) __attribute__((always_inline)) {
        const F32x16 normal = (Load(x + i, count) - mean) * scale;
        Store(y + i, MultiplyAdd(normal, Load(weight + i, count), Load(bias + i, count)), count);
      });
}

inline void RopeAdjacent(float* head, const float* cosine, const float* sine, std::size_t half) {
  for (std::size_t i = 0; i < half; ++i) {
    const float a = head[2 * i];
    const float b = head[2 * i + 1];
    head[2 * i] = a * cosine[i] - b * sine[i];
    head[2 * i + 1] = a * sine[i] + b * cosine[i];
  }
}

inline void RopeHalves(float* head, const float* cosine, const float* sine, std::size_t half) {
  ForVectors(
      half, [&](std::size_t i, std::size_t count) __attribute__((always_inline)) {
        const F32x16 a = Load(head + i, count);
        const F32x16 b = Load(head + half + i, count);
        const F32x16 c = Load(cosine + i, count);
        const F32x16 s = Load(sine + i, count);
        Store(head + i, a * c - b * s, count);
        Store(head + half + i, a * s + b * c, count);
      });
}

inline void Softmax(float* x, std::size_t n) {
  float greatest = x[0];
  for (std::size_t i = 1; i < n; ++i) greatest = x[i] > greatest ? x[i] : greatest;
  F32x16 sums = {};
  float rest = 0;
  ForVectors(
      n, [&](std::size_t i, std::size_t count) __attribute__((always_inline)) {
        const F32x16 e = Exp(Load(x + i, count) - greatest);
        Store(x + i, e, count);
        if (count == kVector) {
          sums += e;
        } else {
          for (std::size_t j = 0; j < count; ++j) rest += x[i + j];
        }
      });
  const float scale = 1.0F / (Sum(sums) + rest);
  ForVectors(
      n, [&](std::size_t i, std::size_t count)
             __attribute__((always_inline)) { Store(x + i, Load(x + i, count) * scale, count); });
}

inline void SiluMultiply(const float* gate, const float* up, float* out, std::size_t n) {
  ForVectors(
      n, [&](std::size_t i, std::size_t count) __attribute__((always_inline)) {
        const F32x16 g = Load(gate + i, count);
        Store(out + i, g * Sigmoid(g) * Load(up + i, count), count);
      });
}

// erfc(|z|) = (a1 t + ... + a5 t^5) e^(-z^2), t = 1 / (1 + p |z|), within 1.5e-7: Abramowitz, Stegun, "Handbook of
// mathematical functions", 7.1.26. The tail of negative x is taken without a difference of near equals.
inline void GeluErf(float* x, std::size_t n) {
  ForVectors(
      n, [&](std::size_t i, std::size_t count) __attribute__((always_inline)) {
        const F32x16 v = Load(x + i, count);
        const F32x16 z = (v < 0.0F ? -v : v) * 0.70710678F;
        const F32x16 t = 1.0F / MultiplyAdd(z, Broadcast(0.3275911F), Broadcast(1.0F));
        F32x16 p = MultiplyAdd(Broadcast(1.061405429F), t, Broadcast(-1.453152027F));
        p = MultiplyAdd(p, t, Broadcast(1.421413741F));
        p = MultiplyAdd(p, t, Broadcast(-0.284496736F));
        p = MultiplyAdd(p, t, Broadcast(0.254829592F));
        const F32x16 tail = 0.5F * p * t * Exp(-(z * z));  // Phi(-|x|)
        Store(x + i, v * (v < 0.0F ? tail : 1.0F - tail), count);
      });
}

inline void GeluTanh(float* x, std::size_t n) {
  ForVectors(
      n, [&](std::size_t i, std::size_t count) __attribute__((always_inline)) {
        const F32x16 v = Load(x + i, count);
        const F32x16 inner = v * MultiplyAdd(v * v, Broadcast(0.044715F), Broadcast(1.0F));
        Store(x + i, v * Sigmoid(inner * 1.5957691F),
              count);  // (1 + tanh(u)) / 2 = sigmoid(2 u), u = sqrt(2 / pi) inner.
      });
}

inline void Tanh(float* x, std::size_t n) {
  ForVectors(
      n, [&](std::size_t i, std::size_t count) __attribute__((always_inline)) {
        const F32x16 v = Load(x + i, count);
        Store(x + i, 2.0F * Sigmoid(2.0F * v) - 1.0F, count);
      });
}

inline void Add(float* y, const float* x, std::size_t n) {
  ForVectors(
      n, [&](std::size_t i, std::size_t count)
             __attribute__((always_inline)) { Store(y + i, Load(y + i, count) + Load(x + i, count), count); });
}

inline void ToHalf(HalfType type, const float* x, std::uint16_t* out, std::size_t n) {
  ForVectors(
      n, [&](std::size_t i, std::size_t count) __attribute__((always_inline)) {
        const F32x16 v = Load(x + i, count);
        const U16x16 halves = type == HalfType::kF16 ? ToF16(v) : ToBF16(v);
        __builtin_memcpy(out + i, &halves, count * sizeof(std::uint16_t));
      });
}

inline float ToInt8(const float* x, std::int8_t* out, std::size_t n) {
  constexpr float kGreatest = 127;
  constexpr float kRound = 12582912.0F;  // 1.5 * 2^23: adding it leaves the nearest integer in the low bits.
  U32x16 magnitudes = {};                // As bits: a NaN's are greater than those of any number.
  ForVectors(
      n, [&](std::size_t i, std::size_t count) __attribute__((always_inline)) {
        const U32x16 bits = BitsAs<U32x16>(Load(x + i, count)) & 0x7FFFFFFFU;
        magnitudes = bits > magnitudes ? bits : magnitudes;
      });
  std::uint32_t most = 0;
  for (std::size_t lane = 0; lane < kVector; ++lane) most = magnitudes[lane] > most ? magnitudes[lane] : most;
  const auto greatest = BitsAs<float>(most);
  const bool sound = greatest < __builtin_inff();
  const bool vanishes = greatest < 0x1p-100F;  // Its inverse would be no number.
  const float inverse = !sound || vanishes ? 0.0F : kGreatest / greatest;
  ForVectors(
      n, [&](std::size_t i, std::size_t count) __attribute__((always_inline)) {
        const F32x16 v = sound ? Load(x + i, count) : F32x16{};
        const I32x16 whole =
            __builtin_convertvector(MultiplyAdd(v, Broadcast(inverse), Broadcast(kRound)) - kRound, I32x16);
        const I8x16 bytes = __builtin_convertvector(whole, I8x16);
        __builtin_memcpy(out + i, &bytes, count);
      });
  if (!sound) return __builtin_nanf("");
  return vanishes ? 0.0F : greatest / kGreatest;
}

inline void FromHalf(HalfType type, const std::uint16_t* x, float* out, std::size_t n) {
  ForVectors(
      n, [&](std::size_t i, std::size_t count) __attribute__((always_inline)) {
        U16x16 halves = {};
        __builtin_memcpy(&halves, x + i, count * sizeof(std::uint16_t));
        Store(out + i, type == HalfType::kF16 ? FromF16(halves) : FromBF16(halves), count);
      });
}

}  // namespace
}  // namespace loquat::kernels
