#include "kernels/peak_simd.h"

namespace loquat::kernels {

const PeakKernels kPeakKernelsAvx512Vnni = kTierPeaks;

}  // namespace loquat::kernels
