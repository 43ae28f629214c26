// Block weights of a few rows turned so that the rows are the lanes: the form in which integer dot products (VNNI) take
// them. Every type becomes w = scale * q + least with q in 0 to 255 and one scale and one least for a group of weights.
// Included as simd.h says, by the tier with AVX512-VNNI; pure functions on the caller's memory.

#pragma once

#include <immintrin.h>

#include "kernels/simd.h"
#include "kernels/weight_type.h"

namespace loquat::kernels {
namespace {

inline constexpr std::size_t kPanelRows = 32;      // Two vectors of rows.
inline constexpr std::size_t kPanelColumns = 512;  // With the activations of a tile, what the first-level cache holds.
inline constexpr std::size_t kQuad = 4;            // Columns that one lane multiplies at once.
inline constexpr std::size_t kGroupMin = 16;

struct WeightPanel {
  alignas(64) std::uint8_t quants[kPanelColumns / kQuad][kPanelRows][kQuad];
  alignas(64) float scale[kPanelColumns / kGroupMin][kPanelRows];  // [group, row]
  alignas(64) float least[kPanelColumns / kGroupMin][kPanelRows];
};

// Sixteen rows of blocks: where the first block of columns begins in each. Rows that the matrix lacks repeat the last.
struct RowBlocks {
  const std::byte* at[kVector];

  RowBlocks(const std::byte* data, std::size_t row_bytes, std::size_t rows) {
    for (std::size_t r = 0; r < kVector; ++r) at[r] = data + (r < rows ? r : rows - 1) * row_bytes;
  }
  LOQUAT_SIMD void Advance(std::size_t bytes) {
    for (const std::byte*& p : at) p += bytes;
  }
};

// 32 bytes of one row beside those of another.
LOQUAT_SIMD __m512i Pair(const std::byte* a, const std::byte* b) {
  return _mm512_inserti64x4(_mm512_castsi256_si512(LoadAs<__m256i>(a)), LoadAs<__m256i>(b), 1);
}

// 16 bytes each: the low nibbles of a, its high ones, those of b.
LOQUAT_SIMD __m512i PairOfNibbles(const std::byte* a, const std::byte* b) {
  const __m512i both = _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_broadcastsi128_si256(LoadAs<__m128i>(a))),
                                          _mm256_broadcastsi128_si256(LoadAs<__m128i>(b)), 1);
  const __m512i high = _mm512_srlv_epi64(both, _mm512_setr_epi64(0, 0, 4, 4, 0, 0, 4, 4));
  return _mm512_and_si512(high, _mm512_set1_epi8(15));
}

LOQUAT_SIMD __m512i AddWhere(__m512i q, std::uint64_t bits, int amount) {
  return _mm512_mask_add_epi8(q, bits, q, _mm512_set1_epi8(static_cast<char>(amount)));
}

LOQUAT_SIMD std::uint64_t WordPair(const std::byte* a, const std::byte* b) {
  return LoadAs<std::uint32_t>(a) | std::uint64_t{LoadAs<std::uint32_t>(b)} << 32U;
}

// Columns from `first` on of sixteen rows: 32 weights of each, two rows a vector as `pair` loads them, turned into
// eight vectors of four columns of all rows.
template <typename LoadPair>
LOQUAT_SIMD void StoreQuants(const RowBlocks& rows, std::size_t first, std::uint8_t* out, LoadPair pair) {
  __m512i a[8], b[8];  // Dwords, within each half of a vector:
#pragma clang loop unroll(full)
  for (std::size_t r = 0; r < 8; ++r) a[r] = pair(rows.at[r], rows.at[r + 8]);
#pragma clang loop unroll(full)
  for (std::size_t r = 0; r < 8; r += 2) {  // those of two rows in turn,
    b[r] = _mm512_unpacklo_epi32(a[r], a[r + 1]);
    b[r + 1] = _mm512_unpackhi_epi32(a[r], a[r + 1]);
  }
#pragma clang loop unroll(full)
  for (std::size_t r = 0; r < 8; r += 4) {  // one column of four rows,
    a[r] = _mm512_unpacklo_epi64(b[r], b[r + 2]);
    a[r + 1] = _mm512_unpackhi_epi64(b[r], b[r + 2]);
    a[r + 2] = _mm512_unpacklo_epi64(b[r + 1], b[r + 3]);
    a[r + 3] = _mm512_unpackhi_epi64(b[r + 1], b[r + 3]);
  }
  const __m512i even = _mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13), odd = _mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15);
  const auto store = [&](std::size_t column, __m512i v) __attribute__((always_inline)) {
    __builtin_memcpy(out + (first / kQuad + column) * kPanelRows * kQuad, &v, sizeof v);
  };
#pragma clang loop unroll(full)
  for (std::size_t c = 0; c < 4; ++c) {  // of all sixteen.
    store(c, _mm512_permutex2var_epi64(a[c], even, a[c + 4]));
    store(c + 4, _mm512_permutex2var_epi64(a[c], odd, a[c + 4]));
  }
}

// The binary16 at `offset` of each row's block.
LOQUAT_SIMD __m512 Halves(const RowBlocks& rows, std::size_t offset) {
  U16x16 bits = {};
#pragma clang loop unroll(full)
  for (std::size_t r = 0; r < kVector; ++r) bits[r] = LoadAs<std::uint16_t>(rows.at[r] + offset);
  return _mm512_cvtph_ps(BitsAs<__m256i>(bits));
}

// The four 32-bit words at `offset` of each row's block.
LOQUAT_SIMD void Words(const RowBlocks& rows, std::size_t offset, __m512i (&out)[4]) {
  __m512i a[4], b[4];
#pragma clang loop unroll(full)
  for (std::size_t r = 0; r < 4; ++r) {
    const auto word = [&](std::size_t row) { return LoadAs<__m128i>(rows.at[row] + offset); };
    a[r] = _mm512_castsi128_si512(word(r));
    a[r] = _mm512_inserti32x4(a[r], word(r + 4), 1);
    a[r] = _mm512_inserti32x4(a[r], word(r + 8), 2);
    a[r] = _mm512_inserti32x4(a[r], word(r + 12), 3);
  }
#pragma clang loop unroll(full)
  for (std::size_t r = 0; r < 4; r += 2) {
    b[r] = _mm512_unpacklo_epi32(a[r], a[r + 1]);
    b[r + 1] = _mm512_unpackhi_epi32(a[r], a[r + 1]);
  }
  out[0] = _mm512_unpacklo_epi64(b[0], b[2]);
  out[1] = _mm512_unpackhi_epi64(b[0], b[2]);
  out[2] = _mm512_unpacklo_epi64(b[1], b[3]);
  out[3] = _mm512_unpackhi_epi64(b[1], b[3]);
}

// One vector of rows of a panel, filled from the left.
class PanelWriter {
 public:
  PanelWriter(WeightPanel& panel, std::size_t vector)
      : quants_(&panel.quants[0][vector * kVector][0]),
        scale_(&panel.scale[0][vector * kVector]),
        least_(&panel.least[0][vector * kVector]) {}

  // The next 32 columns.
  template <typename LoadPair>
  LOQUAT_SIMD void Quants(const RowBlocks& rows, LoadPair pair) {
    StoreQuants(rows, 0, quants_, pair);
    quants_ += 32 * kPanelRows;
  }

  // The next group.
  LOQUAT_SIMD void Scales(__m512 scale, __m512 least) {
    _mm512_store_ps(scale_, scale);
    _mm512_store_ps(least_, least);
    scale_ += kPanelRows;
    least_ += kPanelRows;
  }
  // w = scale * (q - zero).
  LOQUAT_SIMD void ScalesAbout(__m512 scale, float zero) { Scales(scale, _mm512_mul_ps(scale, _mm512_set1_ps(-zero))); }

 private:
  std::uint8_t* quants_;
  float* scale_;
  float* least_;
};

LOQUAT_SIMD void UnpackQ8_0(const RowBlocks& rows, PanelWriter& out) {
  out.Quants(rows, [](const std::byte* a, const std::byte* b) {
    return _mm512_xor_si512(Pair(a + 2, b + 2), _mm512_set1_epi8(static_cast<char>(128)));
  });
  out.ScalesAbout(Halves(rows, 0), 128);
}

LOQUAT_SIMD void UnpackQ4_0(const RowBlocks& rows, PanelWriter& out) {
  out.Quants(rows, [](const std::byte* a, const std::byte* b) { return PairOfNibbles(a + 2, b + 2); });
  out.ScalesAbout(Halves(rows, 0), 8);
}

LOQUAT_SIMD void UnpackQ4_1(const RowBlocks& rows, PanelWriter& out) {
  out.Quants(rows, [](const std::byte* a, const std::byte* b) { return PairOfNibbles(a + 4, b + 4); });
  out.Scales(Halves(rows, 0), Halves(rows, 2));
}

LOQUAT_SIMD void UnpackQ5_0(const RowBlocks& rows, PanelWriter& out) {
  out.Quants(rows, [](const std::byte* a, const std::byte* b) {
    return AddWhere(PairOfNibbles(a + 6, b + 6), WordPair(a + 2, b + 2), 16);
  });
  out.ScalesAbout(Halves(rows, 0), 16);
}

LOQUAT_SIMD void UnpackQ5_1(const RowBlocks& rows, PanelWriter& out) {
  out.Quants(rows, [](const std::byte* a, const std::byte* b) {
    return AddWhere(PairOfNibbles(a + 8, b + 8), WordPair(a + 4, b + 4), 16);
  });
  out.Scales(Halves(rows, 0), Halves(rows, 2));
}

// The scales and minima of a Q4_K or Q5_K block, whose sixteen first bytes are alike.
LOQUAT_SIMD void UnpackScalesAndMins(const RowBlocks& rows, PanelWriter& out) {
  __m512i word[4];  // The two halves; the packed bytes 0 to 3, 4 to 7, 8 to 11.
  Words(rows, 0, word);
  const __m512 scales = _mm512_cvtph_ps(_mm512_cvtepi32_epi16(word[0]));
  const __m512 mins = _mm512_cvtph_ps(_mm512_cvtepi32_epi16(_mm512_srli_epi32(word[0], 16)));
  const auto masked = [](__m512i v, int mask) { return _mm512_and_si512(v, _mm512_set1_epi32(mask)); };
  const auto upper = [&](__m512i v) { return _mm512_slli_epi32(masked(_mm512_srli_epi32(v, 6), 0x03030303), 4); };
  const __m512i scale[2] = {masked(word[1], 0x3F3F3F3F), _mm512_or_si512(masked(word[3], 0x0F0F0F0F), upper(word[1]))};
  const __m512i least[2] = {masked(word[2], 0x3F3F3F3F),
                            _mm512_or_si512(masked(_mm512_srli_epi32(word[3], 4), 0x0F0F0F0F), upper(word[2]))};
  const auto byte = [&](__m512i v, std::size_t i) {
    return _mm512_cvtepi32_ps(masked(_mm512_srli_epi32(v, static_cast<unsigned>(8 * i)), 255));
  };
#pragma clang loop unroll(full)
  for (std::size_t s = 0; s < 8; ++s) {
    const __m512 of_sub_block = _mm512_mul_ps(byte(least[s / 4], s % 4), mins);
    out.Scales(_mm512_mul_ps(byte(scale[s / 4], s % 4), scales), _mm512_sub_ps(_mm512_setzero_ps(), of_sub_block));
  }
}

// Nibbles of 32 bytes: the low ones, or the high.
LOQUAT_SIMD __m512i HalfBytes(const std::byte* a, const std::byte* b, bool high) {
  return _mm512_and_si512(_mm512_srli_epi16(Pair(a, b), high ? 4 : 0), _mm512_set1_epi8(15));
}

LOQUAT_SIMD void UnpackQ4_K(const RowBlocks& rows, PanelWriter& out) {
  UnpackScalesAndMins(rows, out);
  for (std::size_t s = 0; s < 8; ++s) {
    const std::size_t at = 16 + s / 2 * 32;
    out.Quants(rows, [=](const std::byte* a, const std::byte* b) { return HalfBytes(a + at, b + at, s % 2 == 1); });
  }
}

LOQUAT_SIMD void UnpackQ5_K(const RowBlocks& rows, PanelWriter& out) {
  UnpackScalesAndMins(rows, out);
  for (std::size_t s = 0; s < 8; ++s) {
    const std::size_t at = 48 + s / 2 * 32;
    out.Quants(rows, [=](const std::byte* a, const std::byte* b) {
      const __m512i bit = _mm512_set1_epi8(static_cast<char>(1U << s));
      const std::uint64_t fifth = _mm512_test_epi8_mask(Pair(a + 16, b + 16), bit);
      return AddWhere(HalfBytes(a + at, b + at, s % 2 == 1), fifth, 16);
    });
  }
}

LOQUAT_SIMD void UnpackQ6_K(const RowBlocks& rows, PanelWriter& out) {
  const __m512 scales = Halves(rows, 208);
  __m512i word[4];
  Words(rows, 192, word);
#pragma clang loop unroll(full)
  for (std::size_t g = 0; g < 16; ++g) {
    const __m512i high = _mm512_slli_epi32(word[g / 4], static_cast<unsigned>(24 - 8 * (g % 4)));
    out.ScalesAbout(_mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_srai_epi32(high, 24)), scales), 32);
  }
  for (std::size_t s = 0; s < 8; ++s) {
    const std::size_t quarter = s % 4;
    const std::size_t low = s / 4 * 64 + quarter % 2 * 32, high = 128 + s / 4 * 32;
    out.Quants(rows, [=](const std::byte* a, const std::byte* b) {
      const __m512i shifted = _mm512_srli_epi16(Pair(a + high, b + high), static_cast<unsigned>(2 * quarter));
      const __m512i upper = _mm512_and_si512(shifted, _mm512_set1_epi8(3));
      return _mm512_or_si512(HalfBytes(a + low, b + low, quarter >= 2), _mm512_slli_epi16(upper, 4));
    });
  }
}

// Rows as they lie in a file; the columns [begin, begin + count) of them.
struct BlockRows {
  const std::byte* data;
  std::size_t row_bytes;
  std::size_t rows;  // At least one.
  std::size_t begin, count;
  // What is read after this, from the first row on: asked for while these are unpacked, as so many short pieces of rows
  // escape the processor's own foresight.
  const std::byte* next;
};

template <WeightType kType, typename Unpack>
LOQUAT_SIMD void UnpackBlocks(const BlockRows& from, PanelWriter out, Unpack unpack) {
  constexpr WeightLayout kLayout = LayoutOf(kType);
  RowBlocks rows(from.data + from.begin / kLayout.block_weights * kLayout.block_bytes, from.row_bytes, from.rows);
  constexpr std::size_t kLine = 64;
  std::size_t offset = 0, asked = 0;
  for (std::size_t c = 0; c < from.count; c += kLayout.block_weights, rows.Advance(kLayout.block_bytes)) {
    offset += kLayout.block_bytes;
    for (; asked < offset; asked += kLine) {
      for (std::size_t r = 0; r < from.rows && r < kVector; ++r) {
        __builtin_prefetch(from.next + r * from.row_bytes + asked);
      }
    }
    unpack(rows, out);
  }
}

// Fills one vector of rows of the panel. REQUIRES: columns are multiples of the type's block.
inline void UnpackRows(WeightType type, const BlockRows& from, PanelWriter out) {
  switch (type) {
    case WeightType::kF32:
    case WeightType::kF16:
    case WeightType::kBF16:
      return;  // Nobody asks: they are no blocks.
    case WeightType::kQ8_0:
      return UnpackBlocks<WeightType::kQ8_0>(from, out, UnpackQ8_0);
    case WeightType::kQ4_0:
      return UnpackBlocks<WeightType::kQ4_0>(from, out, UnpackQ4_0);
    case WeightType::kQ4_1:
      return UnpackBlocks<WeightType::kQ4_1>(from, out, UnpackQ4_1);
    case WeightType::kQ5_0:
      return UnpackBlocks<WeightType::kQ5_0>(from, out, UnpackQ5_0);
    case WeightType::kQ5_1:
      return UnpackBlocks<WeightType::kQ5_1>(from, out, UnpackQ5_1);
    case WeightType::kQ4_K:
      return UnpackBlocks<WeightType::kQ4_K>(from, out, UnpackQ4_K);
    case WeightType::kQ5_K:
      return UnpackBlocks<WeightType::kQ5_K>(from, out, UnpackQ5_K);
    case WeightType::kQ6_K:
      return UnpackBlocks<WeightType::kQ6_K>(from, out, UnpackQ6_K);
  }
}

}  // namespace
}  // namespace loquat::kernels
