#include "kernels/transformer_simd.h"

namespace loquat::kernels {

const TransformerKernels kTransformerKernelsAvx2 = kTierKernels;

}  // namespace loquat::kernels
