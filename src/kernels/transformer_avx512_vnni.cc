#include "kernels/attention_bf16.h"
#include "kernels/panel_table.h"

namespace loquat::kernels {
namespace {

constexpr TransformerKernels MakeTable() {
  TransformerKernels table = PanelTierKernels();
  table.attend_rows_bf16 = AttendRowsInPairs<PairVectors>;
  return table;
}

}  // namespace

constinit const TransformerKernels kTransformerKernelsAvx512Vnni = MakeTable();

}  // namespace loquat::kernels
