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

using kernels::Matrix;
using kernels::RowOrder;

// A page of the larger kind: where the system has them, a stream of weights needs fewer look-ups of addresses.
constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr std::size_t kPartsPerThread = 8;

RowOrder OrderFor(const kernels::TransformerKernels& kernels, const Matrix& matrix, LinearNumbers numbers) {
  if (numbers == LinearNumbers::kInPlace) return matrix.order;
  const bool int8 = numbers == LinearNumbers::kInt8 && matrix.rows >= kInt8RowsMin && kernels::RoundsToInt8(matrix);
  if (int8) return RowOrder::kInt8Panels;
  return kernels.preferred_order();
}

std::size_t BytesIn(RowOrder order, const Matrix& matrix) {
  if (order == RowOrder::kInt8Panels) return kernels::Int8Bytes(matrix);
  return order == RowOrder::kInterleaved ? kernels::InterleavedBytes(matrix) : matrix.rows * matrix.row_bytes();
}

// The same up to where the next matrix may begin.
std::size_t RoomFor(RowOrder order, const Matrix& matrix) {
  constexpr std::size_t kAlignment = kernels::kInterleavedAlignment;
  return (BytesIn(order, matrix) + kAlignment - 1) / kAlignment * kAlignment;
}

// The matrix in the other order, at `to`.
void Reorder(const kernels::TransformerKernels& kernels, const Matrix& from, RowOrder order, std::byte* to,
             kernels::ThreadTeam& team) {
  const std::size_t panels = (from.rows + kernels::kInterleavedRows - 1) / kernels::kInterleavedRows;
  const std::size_t parts = std::min(panels, kPartsPerThread * team.size());
  const auto reorder = from.order == RowOrder::kRows ? kernels::InterleavePanels : kernels::DeinterleavePanels;
  team.Run(parts, [&](std::size_t part) {
    const std::size_t begin = panels * part / parts, end = panels * (part + 1) / parts;
    if (order == RowOrder::kInt8Panels) return kernels::RoundPanels(kernels, from, begin, end, to);
    reorder(from, begin, end, to);
  });
}

}  // namespace

void InterleavedWeights::Free::operator()(std::byte* p) const {
  ::operator delete (p, std::align_val_t{kHugePage});
}

InterleavedWeights::InterleavedWeights(std::span<Linear* const> layers, const kernels::TransformerKernels& kernels,
                                       const Weights& weights, LinearNumbers numbers, const LoadProgress& progress) {
  LOQUAT_CHECK(numbers != LinearNumbers::kInt8 || kernels.panels, "a tier that takes numbers of 8 bits");
  std::size_t needed = 0;
  std::vector<Linear*> taken;
  for (Linear* layer : layers) {
    const RowOrder order = OrderFor(kernels, layer->weight, numbers);
    if (layer->weight.order == order) continue;
    needed += RoomFor(order, layer->weight);
    taken.push_back(layer);
  }
  if (taken.empty()) return;
  memory_.reset(static_cast<std::byte*>(::operator new (needed, std::align_val_t{kHugePage})));
  // A wish: without it all is as well, a little slower. Small models stay on small pages.
  if (needed >= kHugePage) (void)::madvise(memory_.get(), needed, MADV_HUGEPAGE);
  kernels::ThreadTeam team;
  std::byte* at = memory_.get();
  for (Linear* layer : taken) {
    const Matrix from = layer->weight;
    const RowOrder order = OrderFor(kernels, from, numbers);
    Reorder(kernels, from, order, at, team);
    weights.Forget({from.data, BytesIn(from.order, from)});
    layer->weight.data = at;
    layer->weight.order = order;
    at += RoomFor(order, from);
    if (progress) progress(static_cast<std::uint64_t>(at - memory_.get()), needed);
  }
}

}  // namespace loquat::model
