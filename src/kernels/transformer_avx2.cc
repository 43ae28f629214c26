#include "kernels/panel_table.h"

namespace loquat::kernels {

constinit const TransformerKernels kTransformerKernelsAvx2 = PanelTierKernels();

}  // namespace loquat::kernels
