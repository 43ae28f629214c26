#include "kernels/rows_simd.h"

namespace loquat::kernels {

const RowKernels kRowKernelsAvx512 = kTierRows;

}  // namespace loquat::kernels
