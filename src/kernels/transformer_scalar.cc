#include "kernels/transformer_simd.h"

namespace loquat::kernels {

const TransformerKernels kTransformerKernelsScalar = kTierKernels;

}  // namespace loquat::kernels
