#include "kernels/matmul_bf16.h"
#include "kernels/matmul_int8.h"
#include "kernels/matmul_int8_panels.h"
#include "kernels/matmul_interleaved.h"
#include "kernels/matmul_panels.h"
#include "kernels/transformer_simd.h"

namespace loquat::kernels {
namespace {

constexpr ActivationForm FormFor(WeightType type) {
  switch (type) {
    case WeightType::kF32:
    case WeightType::kF16:
      return ActivationForm::kFloats;
    case WeightType::kBF16:
      return ActivationForm::kBF16;
    default:
      return ActivationForm::kInt8;
  }
}

void Round(ActivationForm form, const float* x, std::size_t cols, std::byte* out) {
  if (form == ActivationForm::kInt8) return RoundToInt8(x, cols, out);
  if (form == ActivationForm::kInt8Token) return RoundToInt8Token(x, cols, out);
  if (form == ActivationForm::kBF16) RoundToBF16(x, cols, out);
}

void MatmulPanels(const Matrix& weights, std::size_t row_begin, std::size_t row_end, const MatmulIo& io) {
  switch (weights.type) {
    case WeightType::kF32:
      return MatmulPanelsAs<WeightType::kF32>(weights, row_begin, row_end, io);
    case WeightType::kF16:
      return MatmulPanelsAs<WeightType::kF16>(weights, row_begin, row_end, io);
    case WeightType::kBF16:
      return MatmulPanelsAs<WeightType::kBF16>(weights, row_begin, row_end, io);
    default:
      return MatmulInterleaved(weights, row_begin, row_end, io);
  }
}

void MatmulRounded(const Matrix& weights, std::size_t row_begin, std::size_t row_end, const MatmulIo& io) {
  if (weights.order == RowOrder::kInterleaved) return MatmulPanels(weights, row_begin, row_end, io);
  if (weights.order == RowOrder::kInt8Panels) return MatmulInt8Panels(weights, row_begin, row_end, io);
  switch (FormFor(weights.type)) {
    case ActivationForm::kFloats:
      return Matmul(weights, row_begin, row_end, io);
    case ActivationForm::kInt8:
      return MatmulInt8(weights, row_begin, row_end, io);
    case ActivationForm::kBF16:
      return MatmulBF16(weights, row_begin, row_end, io);
    case ActivationForm::kInt8Token:
      return;  // Of no type.
  }
}

constexpr TransformerKernels MakeTable() {
  TransformerKernels table = kTierKernels;
  table.matmul = MatmulRounded;
  table.round = Round;
  table.int8_panels = true;
  for (std::size_t i = 0; i < kWeightTypes; ++i) table.forms[i] = FormFor(static_cast<WeightType>(i));
  for (const WeightType type :
       {WeightType::kF32, WeightType::kF16, WeightType::kBF16, WeightType::kQ8_0, WeightType::kQ4_0}) {
    table.interleaved[static_cast<std::size_t>(type)] = true;
  }
  return table;
}

}  // namespace

constinit const TransformerKernels kTransformerKernelsAvx512Vnni = MakeTable();

}  // namespace loquat::kernels
