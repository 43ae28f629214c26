#include "kernels/peak_kernels.h"

namespace loquat::kernels {

const PeakKernels& PeakKernelsFor(Isa isa) {
  switch (isa) {
    case Isa::kAmx:
      return kPeakKernelsAmx;
    case Isa::kAvx512Vnni:
      return kPeakKernelsAvx512Vnni;
    case Isa::kAvx512:
      return kPeakKernelsAvx512;
    case Isa::kAvxVnni:
    case Isa::kAvx2:
      return kPeakKernelsAvx2;
    case Isa::kScalar:
      break;
  }
  return kPeakKernelsScalar;
}

}  // namespace loquat::kernels
