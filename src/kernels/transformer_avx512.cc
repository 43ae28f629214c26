#include "kernels/transformer_simd.h"

namespace loquat::kernels {

const TransformerKernels kTransformerKernelsAvx512 = kTierKernels;

}  // namespace loquat::kernels
