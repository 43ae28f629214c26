// Sixteen floats at a time, in the compiler's vector types: the words in which the kernels are written once and
// compiled per instruction set. Included only by the sources of one tier (transformer_avx2.cc and its like); all is in
// an unnamed namespace, so that code for newer instructions cannot leak into other objects. For the same reason nothing
// here calls inline functions of other headers. Pure functions; any thread.
//
// A vector is sixteen lanes wide in every tier (one, two or four registers), sums run in the same order, and products
// are fused into sums wherever the instructions allow it. So avx2 and avx512 give the same bits, and scalar differs
// from them by rounding alone.

#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__F16C__)
#include <immintrin.h>
#endif

namespace loquat::kernels {
namespace {

inline constexpr std::size_t kVector = 16;  // Lanes.
inline constexpr std::size_t kLine = 64;    // Bytes that memory brings together.

using F32x16 = float __attribute__((vector_size(64)));
using F32x8 = float __attribute__((vector_size(32)));
using F32x4 = float __attribute__((vector_size(16)));
using I32x16 = std::int32_t __attribute__((vector_size(64)));
using U32x16 = std::uint32_t __attribute__((vector_size(64)));
using U16x16 = std::uint16_t __attribute__((vector_size(32)));
using U8x16 = std::uint8_t __attribute__((vector_size(16)));
using I8x16 = std::int8_t __attribute__((vector_size(16)));
using I8x8 = std::int8_t __attribute__((vector_size(8)));

#define LOQUAT_SIMD [[gnu::always_inline]] inline

template <typename To, typename From>
LOQUAT_SIMD To BitsAs(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  __builtin_memcpy(&to, &from, sizeof to);
  return to;
}

// No alignment is needed.
template <typename Vector>
LOQUAT_SIMD Vector LoadAs(const void* p) {
  Vector v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

LOQUAT_SIMD F32x16 Load(const float* p) {
  return LoadAs<F32x16>(p);
}

LOQUAT_SIMD void Store(float* p, F32x16 v) {
  __builtin_memcpy(p, &v, sizeof v);
}

// The first `count` of sixteen, zeros after them. REQUIRES: count <= 16.
LOQUAT_SIMD F32x16 Load(const float* p, std::size_t count) {
  if (count == kVector) return Load(p);
#if defined(__AVX512F__)
  return BitsAs<F32x16>(_mm512_maskz_loadu_ps(static_cast<__mmask16>((1U << count) - 1), p));
#else
  float lanes[kVector] = {};
  for (std::size_t i = 0; i < count; ++i) lanes[i] = p[i];
  return Load(lanes);
#endif
}

LOQUAT_SIMD void Store(float* p, F32x16 v, std::size_t count) {
  if (count == kVector) return Store(p, v);
#if defined(__AVX512F__)
  _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1U << count) - 1), BitsAs<__m512>(v));
#else
  float lanes[kVector];
  Store(lanes, v);
  for (std::size_t i = 0; i < count; ++i) p[i] = lanes[i];
#endif
}

// Which lanes are meant: lane i by bit i.
using LaneMask = std::uint16_t;
inline constexpr LaneMask kAllLanes = 0xFFFF;

[[gnu::noinline]] inline void CopyLanes(const float* from, float* to, LaneMask lanes) {
  for (std::size_t i = 0; i < kVector; ++i) {
    if ((lanes >> i & 1) != 0) to[i] = from[i];
  }
}

// Those lanes alone are read, the others are zeros;
LOQUAT_SIMD F32x16 LoadLanes(const float* p, LaneMask lanes) {
#if defined(__AVX512F__)
  return BitsAs<F32x16>(_mm512_maskz_loadu_ps(lanes, p));
#else
  if (lanes == kAllLanes) return Load(p);
  float read[kVector] = {};
  CopyLanes(p, read, lanes);
  return Load(read);
#endif
}

// or written.
LOQUAT_SIMD void StoreLanes(float* p, F32x16 v, LaneMask lanes) {
#if defined(__AVX512F__)
  _mm512_mask_storeu_ps(p, lanes, BitsAs<__m512>(v));
#else
  if (lanes == kAllLanes) return Store(p, v);
  float written[kVector];
  Store(written, v);
  CopyLanes(written, p, lanes);
#endif
}

LOQUAT_SIMD F32x16 Broadcast(float x) {
  return F32x16{x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x};
}

// a * b + c, rounded once where the tier can.
LOQUAT_SIMD F32x16 MultiplyAdd(F32x16 a, F32x16 b, F32x16 c) {
#if defined(__FMA__)
  return __builtin_elementwise_fma(a, b, c);
#else
  return a * b + c;
#endif
}

// Lanes j and j + 8 are added, then j + 4, j + 2, j + 1.
LOQUAT_SIMD float Sum(F32x16 v) {
  const F32x8 eight = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7) +
                      __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
  const F32x4 four =
      __builtin_shufflevector(eight, eight, 0, 1, 2, 3) + __builtin_shufflevector(eight, eight, 4, 5, 6, 7);
  const F32x4 two = four + __builtin_shufflevector(four, four, 2, 3, 2, 3);
  return two[0] + two[1];
}

LOQUAT_SIMD float Max(F32x16 v) {
  const F32x8 low = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7);
  const F32x8 high = __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
  const F32x8 eight = low > high ? low : high;
  const F32x4 upper = __builtin_shufflevector(eight, eight, 4, 5, 6, 7);
  const F32x4 lower = __builtin_shufflevector(eight, eight, 0, 1, 2, 3);
  const F32x4 four = upper > lower ? upper : lower;
  const F32x4 turned = __builtin_shufflevector(four, four, 2, 3, 0, 1);
  const F32x4 two = turned > four ? turned : four;
  return two[1] > two[0] ? two[1] : two[0];
}

// Sixteen signed bytes. In halves where registers hold eight lanes: each is then loaded and widened by one instruction.
LOQUAT_SIMD F32x16 FromInt8(const std::int8_t* p) {
#if defined(__AVX512F__)
  return __builtin_convertvector(LoadAs<I8x16>(p), F32x16);
#else
  const F32x8 low = __builtin_convertvector(LoadAs<I8x8>(p), F32x8);
  const F32x8 high = __builtin_convertvector(LoadAs<I8x8>(p + 8), F32x8);
  return __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
#endif
}

// Calls f(first, count) for each sixteen of n elements; only the last count may be less than sixteen.
template <typename F>
LOQUAT_SIMD void ForVectors(std::size_t n, F&& f) {
  const std::size_t whole = n / kVector * kVector;
  for (std::size_t i = 0; i < whole; i += kVector) f(i, kVector);
  if (whole < n) f(whole, n - whole);
}

// e^x within 2 units in the last place; 0 below -87.3, where it leaves the normal numbers; at most 2.4e38. The argument
// is split as x = n ln 2 + r; the polynomial for e^r on |r| <= ln(2)/2 is that of Cephes' expf (Moshier, 1992).
LOQUAT_SIMD F32x16 Exp(F32x16 x) {
  constexpr float kRound = 12582912.0F;  // 1.5 * 2^23: adding it leaves the nearest integer in the low bits.
  const F32x16 bounded = x > 88.37626F ? Broadcast(88.37626F) : (x < -87.33654F ? Broadcast(-87.33654F) : x);
  const F32x16 shifted = MultiplyAdd(bounded, Broadcast(1.44269504F), Broadcast(kRound));
  const F32x16 n = shifted - kRound;
  F32x16 r = MultiplyAdd(n, Broadcast(-0.693359375F), bounded);
  r = MultiplyAdd(n, Broadcast(2.12194440e-4F), r);
  F32x16 p = MultiplyAdd(Broadcast(1.9875691500e-4F), r, Broadcast(1.3981999507e-3F));
  p = MultiplyAdd(p, r, Broadcast(8.3334519073e-3F));
  p = MultiplyAdd(p, r, Broadcast(4.1665795894e-2F));
  p = MultiplyAdd(p, r, Broadcast(1.6666665459e-1F));
  p = MultiplyAdd(p, r, Broadcast(5.0000001201e-1F));
  p = MultiplyAdd(p, r * r, r + 1.0F);
  // Unsigned: a NaN's bits may wrap, and the product below is NaN whatever they are.
  const U32x16 power = (BitsAs<U32x16>(shifted) - BitsAs<std::uint32_t>(kRound) + 127U) << 23U;
  return x < -87.33654F ? F32x16{} : p * BitsAs<F32x16>(power);
}

// 1 / (1 + e^-x).
LOQUAT_SIMD F32x16 Sigmoid(F32x16 x) {
  return 1.0F / (1.0F + Exp(-x));
}

// IEEE 754 binary16 to binary32, exact.
LOQUAT_SIMD F32x16 FromF16(U16x16 h) {
#if defined(__AVX512F__)
  return BitsAs<F32x16>(_mm512_cvtph_ps(BitsAs<__m256i>(h)));
#elif defined(__F16C__)
  const F32x8 low = BitsAs<F32x8>(_mm256_cvtph_ps(LoadAs<__m128i>(&h)));
  const F32x8 high = BitsAs<F32x8>(_mm256_cvtph_ps(LoadAs<__m128i>(reinterpret_cast<const char*>(&h) + 16)));
  return __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
#else
  const U32x16 wide = __builtin_convertvector(h, U32x16);
  const U32x16 sign = (wide & 0x8000U) << 16U;
  // The fraction and exponent in place; the product moves the exponent's bias and makes subnormals normal.
  const F32x16 magnitude = BitsAs<F32x16>((wide & 0x7FFFU) << 13U) * 0x1p112F;
  const U32x16 special = (wide & 0x7C00U) == 0x7C00U ? U32x16{} + 0x7F800000U : U32x16{};
  return BitsAs<F32x16>(BitsAs<U32x16>(magnitude) | special | sign);
#endif
}

// To the nearest binary16, ties to even; beyond its range infinity.
LOQUAT_SIMD U16x16 ToF16(F32x16 v) {
#if defined(__AVX512F__)
  return BitsAs<U16x16>(_mm512_cvtps_ph(BitsAs<__m512>(v), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
#elif defined(__F16C__)
  U16x16 out;
  for (std::size_t half = 0; half < 2; ++half) {
    const __m256 part = LoadAs<__m256>(reinterpret_cast<const char*>(&v) + half * sizeof(__m256));
    const __m128i bits = _mm256_cvtps_ph(part, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __builtin_memcpy(reinterpret_cast<char*>(&out) + half * sizeof bits, &bits, sizeof bits);
  }
  return out;
#else
  const U32x16 bits = BitsAs<U32x16>(v);
  const U32x16 sign = bits >> 16U & 0x8000U;
  const U32x16 magnitude = bits & 0x7FFFFFFFU;
  const U32x16 normal = (magnitude - (112U << 23U) + 0xFFFU + (magnitude >> 13U & 1U)) >> 13U;
  // Below 2^-14 the sum with 0.5 rounds to a multiple of 2^-24, binary16's smallest step.
  const U32x16 small = BitsAs<U32x16>(BitsAs<F32x16>(magnitude) + 0.5F) - BitsAs<std::uint32_t>(0.5F);
  U32x16 half = magnitude < (113U << 23U) ? small : normal;
  half = magnitude >= 0x477FF000U ? U32x16{} + 0x7C00U : half;
  half = magnitude > 0x7F800000U ? (0x7E00U | (magnitude >> 13U & 0x3FFU)) : half;
  return __builtin_convertvector(half | sign, U16x16);
#endif
}

// The upper half of a binary32.
LOQUAT_SIMD F32x16 FromBF16(U16x16 h) {
  return BitsAs<F32x16>(__builtin_convertvector(h, U32x16) << 16U);
}

// To the nearest bfloat16, ties to even; a NaN stays one.
LOQUAT_SIMD U16x16 ToBF16(F32x16 v) {
  const U32x16 bits = BitsAs<U32x16>(v);
  const U32x16 rounded = (bits + 0x7FFFU + (bits >> 16U & 1U)) >> 16U;
  const U32x16 quiet = bits >> 16U | 0x40U;
  return __builtin_convertvector((bits & 0x7FFFFFFFU) > 0x7F800000U ? quiet : rounded, U16x16);
}

// One binary16.
LOQUAT_SIMD float HalfAt(const std::byte* p) {
  std::uint16_t bits;
  __builtin_memcpy(&bits, p, sizeof bits);
#if defined(__F16C__)
  return _cvtsh_ss(bits);
#else
  return FromF16(U16x16{} + bits)[0];
#endif
}

}  // namespace
}  // namespace loquat::kernels
