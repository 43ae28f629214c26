// The table of transformer kernels of the tier that this is compiled for; included as simd.h says.

#pragma once

#include "kernels/attention_simd.h"
#include "kernels/elementwise_simd.h"
#include "kernels/matmul_simd.h"
#include "kernels/transformer_kernels.h"

namespace loquat::kernels {
namespace {

inline constexpr TransformerKernels kTierKernels = {
    .matmul = Matmul,
    .decode_row = DecodeRow,
    .rms_norm = RmsNorm,
    .layer_norm = LayerNorm,
    .rope_adjacent = RopeAdjacent,
    .rope_halves = RopeHalves,
    .softmax = Softmax,
    .silu_multiply = SiluMultiply,
    .gelu_erf = GeluErf,
    .gelu_tanh = GeluTanh,
    .tanh = Tanh,
    .add = Add,
    .to_half = ToHalf,
    .from_half = FromHalf,
    .to_int8 = ToInt8,
    .attend_pages = AttendPages,
    .attend_rows = AttendRows,
};

}  // namespace
}  // namespace loquat::kernels
