#include "kernels/peak_simd.h"

namespace loquat::kernels {

const PeakKernels kPeakKernelsScalar = kTierPeaks;

}  // namespace loquat::kernels
