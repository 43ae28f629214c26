#include "kernels/rows.h"

namespace loquat::kernels {

const RowKernels& RowKernelsFor(Isa isa) {
  switch (isa) {
    case Isa::kAmx:
    case Isa::kAvx512Vnni:  // Nothing here is a dot product of few bits.
    case Isa::kAvx512:
      return kRowKernelsAvx512;
    case Isa::kAvxVnni:
    case Isa::kAvx2:
      return kRowKernelsAvx2;
    case Isa::kScalar:
      break;
  }
  return kRowKernelsScalar;
}

}  // namespace loquat::kernels
