#include "kernels/transformer_kernels.h"

namespace loquat::kernels {
namespace {

// What tiles do not do vectors do.
TransformerKernels AmxKernels() {
  TransformerKernels table = kTransformerKernelsAvx512Vnni;
  table.matmul = MatmulAmx;
  table.attend_rows_bf16 = AttendRowsAmx;
  return table;
}

}  // namespace

const TransformerKernels& TransformerKernelsFor(Isa isa) {
  static const TransformerKernels amx = AmxKernels();
  switch (isa) {
    case Isa::kAmx:
      return amx;
    case Isa::kAvx512Vnni:
      return kTransformerKernelsAvx512Vnni;
    case Isa::kAvx512:
      return kTransformerKernelsAvx512;
    case Isa::kAvxVnni:
      return kTransformerKernelsAvxVnni;
    case Isa::kAvx2:
      return kTransformerKernelsAvx2;
    case Isa::kScalar:
      break;
  }
  return kTransformerKernelsScalar;
}

std::size_t RowBytes(const Matrix& weights) {
  return weights.row_bytes();
}

}  // namespace loquat::kernels
