// The operations of a transformer on rows of floats, one table a tier: written once, compiled for each instruction set,
// chosen by TransformerKernelsFor. Pure functions on memory that the caller owns; safe from any thread. Nothing
// allocates; a call needs at most kKernelStackBytes of stack.
//
// Within one tier every output is summed in an order that the lengths of its own inputs decide, so splitting rows,
// tokens or heads differently gives the same bits. Tiers agree by tolerance: scalar rounds a product before it is
// added, the others do not (fused multiply-add). avx2, avx_vnni, avx512_vnni and amx multiply integers: where `form`
// says so they round the activations first, and of block types in panels and RowOrder::kInt8Panels all four give the
// same bits.

#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/isa.h"
#include "kernels/weight_type.h"

namespace loquat::kernels {

inline constexpr std::size_t kKernelStackBytes = std::size_t{256} << 10;

// Keys and values are read in blocks of so many tokens; a page holds one block of each head.
inline constexpr std::size_t kAttentionBlockTokens = 32;
// Queries (tokens times heads) of one call.
inline constexpr std::size_t kAttentionQueriesMax = 32;
inline constexpr std::size_t kHeadWidthMax = 256;

enum class HalfType : std::uint8_t { kF16, kBF16 };

// How keys and values are kept. kInt8: each token's key of a head, and its value, under one scale of its own, a float;
// the scales of 32 tokens lie behind their numbers.
enum class KvType : std::uint8_t { kF16, kBF16, kInt8 };

// Bytes of the keys (or of the values) of one head in one page, of kAttentionBlockTokens tokens.
constexpr std::size_t KvHeadBytes(KvType type, std::size_t head_width) {
  const std::size_t numbers = kAttentionBlockTokens * head_width;
  return type == KvType::kInt8 ? numbers + kAttentionBlockTokens * sizeof(float) : numbers * sizeof(std::uint16_t);
}

// What a tier makes of activations before they meet the weights of some type.
enum class ActivationForm : std::uint8_t {
  kFloats,  // Nothing.
  kInt8,    // [cols / 32] ActivationBlock: for the block types.
  kBF16,    // [cols] bfloat16, to the nearest, ties to even: for weights in bfloat16.
  // A TokenScale in kTokenHead bytes, then [cols] unsigned bytes, and zeros up to a multiple of four: for
  // RowOrder::kInt8Panels.
  kInt8Token,
};
inline constexpr std::size_t kActivationBlock = 32;

// 32 activations, each scale * quants[i] within half a scale of what it was; the scale is their greatest magnitude
// by 127. Where that is below 2^-100 all are zero; where it is no number neither is the scale. So llama.cpp's
// block_q8_1, with the scale in full.
struct ActivationBlock {
  std::int8_t quants[kActivationBlock];
  float scale;
  float sum;           // scale * the sum of quants,
  float half_sums[2];  // and that of the first sixteen and of the others.
  // What products of numbers that lie as q + 8 and q + 128 have too much, with its sign turned: -8 and -128 times the
  // sum of the quants.
  std::int32_t less_8, less_128;
};
// Of kInt8Token: an activation is scale * (byte - zero) within half a scale. The scale is the range of the token's
// activations, zero among them, by 255; where that is below 2^-100 all are zero, where it is no number neither is the
// scale.
struct TokenScale {
  float scale;
  std::int32_t zero;  // 0 to 255.
};
inline constexpr std::size_t kTokenHead = 64;

constexpr std::size_t RoundedBytes(ActivationForm form, std::size_t cols) {
  switch (form) {
    case ActivationForm::kFloats:
      return 0;
    case ActivationForm::kInt8:
      return cols / kActivationBlock * sizeof(ActivationBlock);
    case ActivationForm::kBF16:
      return cols * sizeof(std::uint16_t);
    case ActivationForm::kInt8Token:
      return kTokenHead + (cols + 3) / 4 * 4;
  }
  return 0;
}

// From one token's rounded activations to the next one's: whole lines, so that what is loaded of a token does not lie
// across two, and an odd number of them, so that the same columns of successive tokens do not share a cache's sets.
constexpr std::size_t RoundedStride(ActivationForm form, std::size_t cols) {
  constexpr std::size_t kLineBytes = 64;
  return ((RoundedBytes(form, cols) + kLineBytes - 1) / kLineBytes | 1) * kLineBytes;
}
// Bytes of `tokens` tokens at most, whatever their form, of `activations` numbers together.
constexpr std::size_t RoundedRoom(std::size_t tokens, std::size_t activations) {
  return tokens * (kTokenHead + 2 * 64) + 2 * activations;
}

// `tokens` rows of activations in, as many rows of outputs out; strides of floats are floats from one token to the
// next.
struct MatmulIo {
  const float* x = nullptr;  // [tokens, cols], for the form kFloats;
  std::size_t x_stride = 0;
  const std::byte* rounded = nullptr;  // [tokens, RoundedBytes], as `round` made them, for the others.
  std::size_t rounded_stride = 0;      // Bytes: RoundedStride, or any other.
  float* out = nullptr;                // [tokens, rows]
  std::size_t out_stride = 0;
  std::size_t tokens = 0;
  bool more = false;  // The rows after these come next: the first of them are brought nearer.
};

// The query heads that share one key-value head, for successive tokens.
struct AttentionQueries {
  const float* q = nullptr;  // [tokens, heads, head_width]
  std::size_t q_stride = 0;  // Floats from one token to the next; heads follow each other.
  float* out = nullptr;      // [tokens, heads, head_width]
  std::size_t out_stride = 0;
  std::size_t tokens = 0;
  std::size_t heads = 0;       // REQUIRES: tokens * heads <= kAttentionQueriesMax.
  std::size_t head_width = 0;  // REQUIRES: at most kHeadWidthMax.
  float scale = 0;             // Of the scores: 1 / sqrt(head_width).
};

// Keys and values of one head in pages of kAttentionBlockTokens tokens: the token at position p is number p % 32 of
// page p / 32. Keys lie column by column, as scores read them, values row by row. Token t of the queries, at `position`
// + t, sees positions 0 to its own.
struct PagedKeys {
  const std::byte* const* pages = nullptr;
  std::size_t key_offset = 0;    // Bytes from a page's start to this head's [head_width, 32] keys;
  std::size_t value_offset = 0;  // likewise its [32, head_width] values.
  KvType type = KvType::kF16;
  std::size_t position = 0;
};

// Keys and values of one head in rows of floats. Every query sees all of them.
struct RowKeys {
  const float* keys = nullptr;  // [tokens, head_width]
  const float* values = nullptr;
  std::size_t stride = 0;  // Floats from one token to the next.
  std::size_t tokens = 0;  // At least one.
};

struct TransformerKernels {
  // out[t, r] = the sum over k of x[t, k] * weights[r, k], for r in [row_begin, row_end).
  // kFloats: columns are summed in blocks of 1024, each in sixteen lanes (k mod 16) joined by a fixed tree; blocks are
  // added in order. kBF16: likewise in sixteen lanes of pairs (k / 2 mod 16). kInt8: the products under one scale are
  // summed exactly; scales (and the minima of the types that have them) multiply the sums, which are added in order.
  void (*matmul)(const Matrix& weights, std::size_t row_begin, std::size_t row_end, const MatmulIo& io);
  // Whether matmul takes weights in panels too, of every type, faster. The sums are not those of kRows to the bit, and
  // kInt8Panels' are exact over the whole row.
  bool panels = false;
  RowOrder preferred_order() const { return panels ? RowOrder::kInterleaved : RowOrder::kRows; }
  // How matmul wants the activations for weights that are interleaved, by type; and what makes them so, a token at a
  // time. `out` has RoundedBytes, aligned to 4. Null where all are kFloats, as those for weights in rows are.
  ActivationForm panel_forms[kWeightTypes] = {};
  void (*round)(ActivationForm form, const float* x, std::size_t cols, std::byte* out) = nullptr;
  ActivationForm form(WeightType type, RowOrder order) const {
    if (order == RowOrder::kRows) return ActivationForm::kFloats;
    if (order == RowOrder::kInt8Panels) return ActivationForm::kInt8Token;
    return panel_forms[static_cast<std::size_t>(type)];
  }
  ActivationForm form(const Matrix& weights) const { return form(weights.type, weights.order); }
  // The weights of one row as floats: out[cols]. REQUIRES: RowOrder::kRows.
  void (*decode_row)(const Matrix& weights, std::size_t row, float* out);

  // y = x / sqrt(mean(x^2) + epsilon) * weight. Zhang, Sennrich, "Root mean square layer normalization", 2019.
  void (*rms_norm)(const float* x, const float* weight, float epsilon, float* y, std::size_t n);
  // y = (x - mean) / sqrt(variance + epsilon) * weight + bias. Ba, Kiros, Hinton, "Layer normalization", 2016.
  void (*layer_norm)(const float* x, const float* weight, const float* bias, float epsilon, float* y, std::size_t n);
  // Turns the first 2 * half numbers of one head in place: pair i by the angle whose cosine and sine are given. Pairs
  // are (2i, 2i + 1), or (i, i + half). Su et al., "RoFormer", 2021.
  void (*rope_adjacent)(float* head, const float* cosine, const float* sine, std::size_t half);
  void (*rope_halves)(float* head, const float* cosine, const float* sine, std::size_t half);

  void (*softmax)(float* x, std::size_t n);                                              // In place. REQUIRES: n > 0.
  void (*silu_multiply)(const float* gate, const float* up, float* out, std::size_t n);  // silu(gate) * up
  void (*gelu_erf)(float* x,
                   std::size_t n);  // x Phi(x), in place: Hendrycks, Gimpel, 2016. Within 1e-6 of max(1, |x|).
  void (*gelu_tanh)(float* x, std::size_t n);            // The same paper's approximation by tanh, in place.
  void (*tanh)(float* x, std::size_t n);                 // In place.
  void (*add)(float* y, const float* x, std::size_t n);  // y += x

  // To the nearest, ties to even; and back, exact.
  void (*to_half)(HalfType type, const float* x, std::uint16_t* out, std::size_t n);
  void (*from_half)(HalfType type, const std::uint16_t* x, float* out, std::size_t n);
  // x is about scale * out, the greatest magnitude at 127; returns the scale, which is none where a number of x is
  // none.
  float (*to_int8)(const float* x, std::int8_t* out, std::size_t n);

  // softmax(q k^T * scale) v, block by block with a running maximum: Milakov, Gimelshein, "Online normalizer
  // calculation for softmax", 2018; Dao et al., "FlashAttention", 2022.
  void (*attend_pages)(const AttentionQueries& queries, const PagedKeys& keys);
  void (*attend_rows)(const AttentionQueries& queries, const RowKeys& keys);
  // The same with queries, keys, values and their weights rounded to bfloat16; null where the tier has no such
  // products.
  void (*attend_rows_bf16)(const AttentionQueries& queries, const RowKeys& keys) = nullptr;
};

// Pointers need the alignment of their element alone; x and y may be the same where lengths are. REQUIRES: this machine
// has `isa`.
const TransformerKernels& TransformerKernelsFor(Isa isa);

// weights.row_bytes(), out of line for the tiers' own sources (see simd.h).
std::size_t RowBytes(const Matrix& weights);

// One table a tier; TransformerKernelsFor is the way in.
extern const TransformerKernels kTransformerKernelsScalar;
extern const TransformerKernels kTransformerKernelsAvx2;
extern const TransformerKernels kTransformerKernelsAvxVnni;
extern const TransformerKernels kTransformerKernelsAvx512;
extern const TransformerKernels kTransformerKernelsAvx512Vnni;
// kAmx is that of avx512_vnni with these.
void MatmulAmx(const Matrix& weights, std::size_t row_begin, std::size_t row_end, const MatmulIo& io);
void AttendRowsAmx(const AttentionQueries& queries, const RowKeys& keys);

}  // namespace loquat::kernels
