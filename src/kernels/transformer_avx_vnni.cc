#include "kernels/panel_table.h"

namespace loquat::kernels {

constinit const TransformerKernels kTransformerKernelsAvxVnni = PanelTierKernels();

}  // namespace loquat::kernels
