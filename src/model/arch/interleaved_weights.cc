#include "model/arch/interleaved_weights.h"

#include <sys/mman.h>

#include <algorithm>
#include <new>
#include <vector>

#include "base/check.h"
#include "kernels/int8_panels.h"
#include "kernels/interleave.h"
#include "kernels/thread_team.h"

namespace loquat::model {
namespace {

// A page of the larger kind: where the system has them, a stream of weights needs fewer look-ups of addresses.
constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr std::size_t kPartsPerThread = 8;

// A layer whose copy is made, and in which order.
struct Copy {
  Linear* layer;
  kernels::RowOrder order;

  std::size_t bytes() const {
    const kernels::Matrix& from = layer->weight;
    return order == kernels::RowOrder::kInt8Panels ? kernels::Int8Bytes(from) : kernels::InterleavedBytes(from);
  }
  void Make(const kernels::TransformerKernels& kernels, const kernels::Matrix& from, std::size_t begin, std::size_t end,
            std::byte* to) const {
    if (order == kernels::RowOrder::kInt8Panels) return kernels::RoundPanels(kernels, from, begin, end, to);
    kernels::InterleavePanels(from, begin, end, to);
  }
  kernels::Matrix At(const kernels::Matrix& from, const std::byte* data) const {
    return order == kernels::RowOrder::kInt8Panels ? kernels::Int8Matrix(from, data)
                                                   : kernels::InterleavedMatrix(from, data);
  }
};

std::vector<Copy> CopiesOf(std::span<Linear* const> layers, const kernels::TransformerKernels& kernels,
                           LinearNumbers numbers) {
  std::vector<Copy> copies;
  for (Linear* layer : layers) {
    const kernels::Matrix& weight = layer->weight;
    if (numbers == LinearNumbers::kInt8 && weight.rows >= kInt8RowsMin && kernels::RoundsToInt8(weight)) {
      copies.push_back({layer, kernels::RowOrder::kInt8Panels});
    } else if (kernels.takes_interleaved(weight.type)) {
      copies.push_back({layer, kernels::RowOrder::kInterleaved});
    }
  }
  return copies;
}

}  // namespace

void InterleavedWeights::Free::operator()(std::byte* p) const {
  ::operator delete (p, std::align_val_t{kHugePage});
}

InterleavedWeights::InterleavedWeights(std::span<Linear* const> layers, const kernels::TransformerKernels& kernels,
                                       const Weights& weights, LinearNumbers numbers) {
  LOQUAT_CHECK(numbers == LinearNumbers::kStored || kernels.int8_panels, "a tier that takes numbers of 8 bits");
  const std::vector<Copy> copies = CopiesOf(layers, kernels, numbers);
  if (copies.empty()) return;
  std::size_t needed = 0;
  for (const Copy& copy : copies) needed += copy.bytes();
  memory_.reset(static_cast<std::byte*>(::operator new (needed, std::align_val_t{kHugePage})));
  // A wish: without it all is as well, a little slower. Small models stay on small pages.
  if (needed >= kHugePage) (void)::madvise(memory_.get(), needed, MADV_HUGEPAGE);
  kernels::ThreadTeam team;
  std::byte* at = memory_.get();
  for (const Copy& copy : copies) {
    const kernels::Matrix from = copy.layer->weight;
    const std::size_t bytes = copy.bytes();
    const std::size_t panels = (from.rows + kernels::kInterleavedRows - 1) / kernels::kInterleavedRows;
    const std::size_t parts = std::min(panels, kPartsPerThread * team.size());
    team.Run(parts, [&](std::size_t part) {
      copy.Make(kernels, from, panels * part / parts, panels * (part + 1) / parts, at);
    });
    weights.Forget({from.data, from.rows * from.row_bytes()});
    copy.layer->weight = copy.At(from, at);
    at += bytes;
  }
}

}  // namespace loquat::model
