#include "kernels/peak_simd.h"

namespace loquat::kernels {

const PeakKernels kPeakKernelsAvx512 = kTierPeaks;

}  // namespace loquat::kernels
