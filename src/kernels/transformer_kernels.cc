#include "kernels/transformer_kernels.h"

namespace loquat::kernels {

const TransformerKernels& TransformerKernelsFor(Isa isa) {
  switch (isa) {
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
