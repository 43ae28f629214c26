// What the tiers that take weights in panels add to their table: the products of every order and type of panels, and
// the rounding that goes with them. Included as simd.h says, by those tiers.

#pragma once

#include "kernels/matmul_groups.h"
#include "kernels/matmul_int8_panels.h"
#include "kernels/matmul_interleaved.h"
#include "kernels/matmul_panels.h"
#include "kernels/round_int8.h"
#include "kernels/transformer_simd.h"

namespace loquat::kernels {
namespace {

// REQUIRES: another order than kRows.
inline void MatmulInPanels(const Matrix& weights, std::size_t row_begin, std::size_t row_end, const MatmulIo& io) {
  if (weights.order == RowOrder::kInt8Panels) return MatmulInt8Panels(weights, row_begin, row_end, io);
  switch (weights.type) {
    case WeightType::kF32:
      return MatmulPanelsAs<WeightType::kF32>(weights, row_begin, row_end, io);
    case WeightType::kF16:
      return MatmulPanelsAs<WeightType::kF16>(weights, row_begin, row_end, io);
    case WeightType::kBF16:
      return MatmulPanelsAs<WeightType::kBF16>(weights, row_begin, row_end, io);
    case WeightType::kQ8_0:
    case WeightType::kQ4_0:
      return MatmulInterleaved(weights, row_begin, row_end, io);
    default:
      return MatmulGroups(weights, row_begin, row_end, io);
  }
}

inline void RoundForPanels(ActivationForm form, const float* x, std::size_t cols, std::byte* out) {
  if (form == ActivationForm::kInt8) return RoundToInt8(x, cols, out);
  if (form == ActivationForm::kInt8Token) return RoundToInt8Token(x, cols, out);
  if (form == ActivationForm::kBF16) RoundToBF16(x, cols, out);
}

// Rows of a file are met with floats: they are few, as models' layers lie in panels on these tiers.
inline void MatmulOfOrder(const Matrix& weights, std::size_t row_begin, std::size_t row_end, const MatmulIo& io) {
  if (weights.order == RowOrder::kRows) return Matmul(weights, row_begin, row_end, io);
  MatmulInPanels(weights, row_begin, row_end, io);
}

constexpr TransformerKernels PanelTierKernels() {
  TransformerKernels table = kTierKernels;
  table.matmul = MatmulOfOrder;
  table.round = RoundForPanels;
  table.panels = true;
  for (ActivationForm& form : table.panel_forms) form = ActivationForm::kInt8;
  const auto floats = [&](WeightType type, bool rounded) {
    table.panel_forms[static_cast<std::size_t>(type)] = rounded ? ActivationForm::kBF16 : ActivationForm::kFloats;
  };
  floats(WeightType::kF32, FloatStep<WeightType::kF32>::kRounded);
  floats(WeightType::kF16, FloatStep<WeightType::kF16>::kRounded);
  floats(WeightType::kBF16, FloatStep<WeightType::kBF16>::kRounded);
  return table;
}

}  // namespace
}  // namespace loquat::kernels
