#include "kernels/rows_simd.h"

namespace loquat::kernels {

const RowKernels kRowKernelsAvx2 = kTierRows;

}  // namespace loquat::kernels
