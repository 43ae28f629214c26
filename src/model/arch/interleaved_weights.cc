#include "model/arch/interleaved_weights.h"

#include <sys/mman.h>

#include <algorithm>
#include <new>
#include <vector>

#include "kernels/interleave.h"
#include "kernels/thread_team.h"

namespace loquat::model {
namespace {

// A page of the larger kind: where the system has them, a stream of weights needs fewer look-ups of addresses.
constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr std::size_t kPartsPerThread = 8;

}  // namespace

void InterleavedWeights::Free::operator()(std::byte* p) const {
  ::operator delete (p, std::align_val_t{kHugePage});
}

InterleavedWeights::InterleavedWeights(std::span<Linear* const> layers, const kernels::TransformerKernels& kernels,
                                       const Weights& weights) {
  std::size_t needed = 0;
  std::vector<Linear*> taken;
  for (Linear* layer : layers) {
    if (!kernels.takes_interleaved(layer->weight.type)) continue;
    needed += kernels::InterleavedBytes(layer->weight);
    taken.push_back(layer);
  }
  if (taken.empty()) return;
  memory_.reset(static_cast<std::byte*>(::operator new (needed, std::align_val_t{kHugePage})));
  // A wish: without it all is as well, a little slower. Small models stay on small pages.
  if (needed >= kHugePage) (void)::madvise(memory_.get(), needed, MADV_HUGEPAGE);
  kernels::ThreadTeam team;
  std::byte* at = memory_.get();
  for (Linear* layer : taken) {
    const kernels::Matrix from = layer->weight;
    const std::size_t panels = (from.rows + kernels::kInterleavedRows - 1) / kernels::kInterleavedRows;
    const std::size_t parts = std::min(panels, kPartsPerThread * team.size());
    team.Run(parts, [&](std::size_t part) {
      kernels::InterleavePanels(from, panels * part / parts, panels * (part + 1) / parts, at);
    });
    weights.Forget({from.data, from.rows * from.row_bytes()});
    layer->weight = kernels::InterleavedMatrix(from, at);
    at += kernels::InterleavedBytes(from);
  }
}

}  // namespace loquat::model
