#include "kernels/peak_simd.h"

namespace loquat::kernels {

const PeakKernels kPeakKernelsAvx2 = kTierPeaks;

}  // namespace loquat::kernels
