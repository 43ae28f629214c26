// Products of bytes summed in 32 bits, sixteen rows at a time: what the tiers' instructions make of the numbers in
// panels. All sums are exact, so that every tier gives the same ones. A vector of numbers is 64 bytes, four columns of
// each of sixteen rows; the same four columns of a token are one word, which all rows meet. AVX512-VNNI and AVX-VNNI
// multiply bytes without signs by bytes with signs and add four products in one step. AVX2 adds two products in 16
// bits, where two of 255 * 127 would not fit: see each type. Included as simd.h says, by those tiers; pure functions.
//
// kUnrolled: steps of a block that are written out. Plain sums stay a loop: the compiler changes the order of those
// that are written out, and then lacks registers.

#pragma once

#include <immintrin.h>

#include "kernels/simd.h"
#include "kernels/transformer_kernels.h"

namespace loquat::kernels {
namespace {

LOQUAT_SIMD I32x16 BroadcastWord(const void* p) {
  return I32x16{} + LoadAs<std::int32_t>(p);
}

#if !defined(__AVX512VNNI__)
using I32x8 = std::int32_t __attribute__((vector_size(32)));

// Each half of vectors through an instruction of eight lanes.
template <typename Op, typename... Vectors>
LOQUAT_SIMD I32x16 ByHalves(Op op, Vectors... v) {
  const auto low = BitsAs<I32x8>(op(BitsAs<__m256i>(__builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7))...));
  const auto high = BitsAs<I32x8>(op(BitsAs<__m256i>(__builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15))...));
  return __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}
#endif

// The nibbles of each byte.
LOQUAT_SIMD I32x16 LowNibbles(I32x16 v) {
  return v & 0x0F0F0F0F;
}
LOQUAT_SIMD I32x16 HighNibbles(I32x16 v) {
  return BitsAs<I32x16>(BitsAs<U32x16>(v) >> 4U) & 0x0F0F0F0F;
}

#if defined(__AVX512VNNI__) || defined(__AVXVNNI__)

// sum + the products of four columns: bytes without signs by bytes with signs.
LOQUAT_SIMD I32x16 AddProducts(I32x16 sum, I32x16 bytes, I32x16 signed_bytes) {
#if defined(__AVX512VNNI__)
  return BitsAs<I32x16>(
      _mm512_dpbusd_epi32(BitsAs<__m512i>(sum), BitsAs<__m512i>(bytes), BitsAs<__m512i>(signed_bytes)));
#else
  return ByHalves(
      [](__m256i s, __m256i b, __m256i w) __attribute__((always_inline)) { return _mm256_dpbusd_avx_epi32(s, b, w); },
      sum, bytes, signed_bytes);
#endif
}

// The same of bytes below 128.
LOQUAT_SIMD I32x16 AddSmallProducts(I32x16 sum, I32x16 bytes, I32x16 signed_bytes) {
  return AddProducts(sum, bytes, signed_bytes);
}

// Of q8_0, which lies as q + 128.
struct DotsQ8_0 {
  static constexpr int kUnrolled = 8;
  using Numbers = I32x16;
  using Columns = I32x16;

  LOQUAT_SIMD static Numbers Load(const std::byte* at) { return LoadAs<I32x16>(at); }
  LOQUAT_SIMD static Columns Of(const std::int8_t* x) { return BroadcastWord(x); }
  LOQUAT_SIMD static I32x16 Add(I32x16 sum, const Numbers& w, const Columns& x) { return AddProducts(sum, w, x); }
  LOQUAT_SIMD static I32x16 Start(const ActivationBlock& x) { return BroadcastWord(&x.less_128); }
  LOQUAT_SIMD static I32x16 Total(I32x16 sum, const ActivationBlock&) { return sum; }
};

// Of q4_0, which lies as q + 8, columns c and c + 16 in one byte.
struct DotsQ4_0 {
  static constexpr int kUnrolled = 4;
  struct Numbers {
    I32x16 low, high;
  };
  using Columns = Numbers;

  LOQUAT_SIMD static Numbers Load(const std::byte* at) {
    const auto both = LoadAs<I32x16>(at);
    return {LowNibbles(both), HighNibbles(both)};
  }
  LOQUAT_SIMD static Columns Of(const std::int8_t* x) { return {BroadcastWord(x), BroadcastWord(x + 16)}; }
  LOQUAT_SIMD static I32x16 Add(I32x16 sum, const Numbers& w, const Columns& x) {
    return AddProducts(AddProducts(sum, w.low, x.low), w.high, x.high);
  }
  LOQUAT_SIMD static I32x16 Start(const ActivationBlock& x) { return BroadcastWord(&x.less_8); }
  LOQUAT_SIMD static I32x16 Total(I32x16 sum, const ActivationBlock&) { return sum; }
};

// Of numbers with signs (kernels/int8_panels.h) and activations without.
struct DotsInt8 {
  using Numbers = I32x16;
  using Columns = I32x16;

  LOQUAT_SIMD static Numbers Load(const std::byte* at) { return LoadAs<I32x16>(at); }
  LOQUAT_SIMD static Columns Of(const std::byte* x) { return BroadcastWord(x); }
  LOQUAT_SIMD static I32x16 Add(I32x16 sum, const Numbers& w, const Columns& x) { return AddProducts(sum, x, w); }
};

#else

LOQUAT_SIMD I32x16 MultiplyPairs(I32x16 a, I32x16 b) {  // Of 16 bits with signs, added in 32.
  return ByHalves(
      [](__m256i x, __m256i y) __attribute__((always_inline)) { return _mm256_madd_epi16(x, y); }, a, b);
}

// Of bytes without signs and with, added in 16 bits.
LOQUAT_SIMD I32x16 MultiplyBytes(I32x16 bytes, I32x16 signed_bytes) {
  return ByHalves(
      [](__m256i b, __m256i w) __attribute__((always_inline)) { return _mm256_maddubs_epi16(b, w); }, bytes,
      signed_bytes);
}

using I16x32 = std::int16_t __attribute__((vector_size(64)));
LOQUAT_SIMD I32x16 AddPairs(I32x16 a, I32x16 b) {  // In 16 bits.
  return BitsAs<I32x16>(BitsAs<I16x32>(a) + BitsAs<I16x32>(b));
}

inline constexpr std::int32_t kOnes16 = 0x00010001;

// sum + the products of four columns: bytes below 128 by bytes with signs, two of which fit 16 bits.
LOQUAT_SIMD I32x16 AddSmallProducts(I32x16 sum, I32x16 bytes, I32x16 signed_bytes) {
  return sum + MultiplyPairs(MultiplyBytes(bytes, signed_bytes), I32x16{} + kOnes16);
}

// q8_0: the weight's sign goes to the activation, so that two products are 2 * 128 * 127 at most.
struct DotsQ8_0 {
  static constexpr int kUnrolled = 1;
  struct Numbers {
    I32x16 signs, magnitudes;
  };
  using Columns = I32x16;

  LOQUAT_SIMD static Numbers Load(const std::byte* at) {
    const I32x16 q = LoadAs<I32x16>(at) ^ static_cast<std::int32_t>(0x80808080);
    return {q, ByHalves(
                   [](__m256i v) __attribute__((always_inline)) { return _mm256_abs_epi8(v); }, q)};
  }
  LOQUAT_SIMD static Columns Of(const std::int8_t* x) { return BroadcastWord(x); }
  LOQUAT_SIMD static I32x16 Add(I32x16 sum, const Numbers& w, const Columns& x) {
    const I32x16 turned = ByHalves(
        [](__m256i v, __m256i by) __attribute__((always_inline)) { return _mm256_sign_epi8(v, by); }, x, w.signs);
    return sum + MultiplyPairs(MultiplyBytes(w.magnitudes, turned), I32x16{} + kOnes16);
  }
  LOQUAT_SIMD static I32x16 Start(const ActivationBlock&) { return {}; }
  LOQUAT_SIMD static I32x16 Total(I32x16 sum, const ActivationBlock&) { return sum; }
};

// q4_0: a block's 32 products of a row are added in two times 16 bits: sixteen of 15 * 127 at most in each.
struct DotsQ4_0 {
  static constexpr int kUnrolled = 1;
  struct Numbers {
    I32x16 low, high;
  };
  using Columns = Numbers;

  LOQUAT_SIMD static Numbers Load(const std::byte* at) {
    const auto both = LoadAs<I32x16>(at);
    return {LowNibbles(both), HighNibbles(both)};
  }
  LOQUAT_SIMD static Columns Of(const std::int8_t* x) { return {BroadcastWord(x), BroadcastWord(x + 16)}; }
  LOQUAT_SIMD static I32x16 Add(I32x16 sums, const Numbers& w, const Columns& x) {
    return AddPairs(sums, AddPairs(MultiplyBytes(w.low, x.low), MultiplyBytes(w.high, x.high)));
  }
  LOQUAT_SIMD static I32x16 Start(const ActivationBlock&) { return {}; }
  LOQUAT_SIMD static I32x16 Total(I32x16 sums, const ActivationBlock& x) {
    return MultiplyPairs(sums, I32x16{} + kOnes16) + BroadcastWord(&x.less_8);
  }
};

// Numbers with signs and activations without: neither's sign can move, so even and odd columns are widened to 16 bits.
struct DotsInt8 {
  struct Numbers {
    I32x16 even, odd;
  };
  using Columns = Numbers;

  LOQUAT_SIMD static Numbers Load(const std::byte* at) {
    const auto numbers = LoadAs<I16x32>(at);
    return {BitsAs<I32x16>(numbers << 8 >> 8), BitsAs<I32x16>(numbers >> 8)};
  }
  LOQUAT_SIMD static Columns Of(const std::byte* x) {
    const I32x16 four = BroadcastWord(x);
    return {four & 0x00FF00FF, BitsAs<I32x16>(BitsAs<U32x16>(four) >> 8U) & 0x00FF00FF};
  }
  LOQUAT_SIMD static I32x16 Add(I32x16 sum, const Numbers& w, const Columns& x) {
    return sum + MultiplyPairs(w.even, x.even) + MultiplyPairs(w.odd, x.odd);
  }
};

#endif

}  // namespace
}  // namespace loquat::kernels
