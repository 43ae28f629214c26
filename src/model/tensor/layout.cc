#include "model/tensor/layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <numeric>

namespace loquat::model {
namespace {

// Half of what 64 bits hold, so that sums of two sizes stay in range as well.
constexpr std::uint64_t kBytesMax = std::numeric_limits<std::uint64_t>::max() / 2;

}  // namespace

std::optional<std::uint64_t> ElementsOf(std::span<const std::uint64_t> shape) {
  std::uint64_t product = 1;
  bool empty = false;
  for (const std::uint64_t dimension : shape) {
    empty = empty || dimension == 0;
    if (dimension != 0 && product > kBytesMax / dimension) return std::nullopt;
    product *= std::max<std::uint64_t>(dimension, 1);
  }
  return empty ? 0 : product;
}

base::Result<std::uint64_t> TensorBytes(std::span<const std::uint64_t> shape, std::uint64_t block_weights,
                                        std::uint64_t block_bytes) {
  const std::optional<std::uint64_t> elements = ElementsOf(shape);
  if (!elements || *elements / block_weights > kBytesMax / block_bytes) {
    return base::DataLoss(fmt::format("its shape {} is larger than any file", ShapeText(shape)));
  }
  const std::uint64_t row = shape.empty() ? 1 : shape.back();
  if (row % block_weights != 0) {
    return base::DataLoss(
        fmt::format("its rows of {} weights are no whole number of blocks of {}", row, block_weights));
  }
  return *elements / block_weights * block_bytes;
}

base::Result<std::uint64_t> TensorBytes(std::span<const std::uint64_t> shape, kernels::WeightType type) {
  const kernels::WeightLayout& layout = kernels::LayoutOf(type);
  return TensorBytes(shape, layout.block_weights, layout.block_bytes);
}

std::optional<std::pair<std::size_t, std::size_t>> FindOverlap(std::span<const Extent> extents) {
  std::vector<std::size_t> order(extents.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::erase_if(order, [&](std::size_t i) { return extents[i].begin >= extents[i].end; });
  std::ranges::sort(order, {}, [&](std::size_t i) { return std::pair(extents[i].begin, i); });
  for (std::size_t i = 1; i < order.size(); ++i) {
    // In order of their beginnings, if any two overlap then so do some two neighbours.
    if (extents[order[i]].begin < extents[order[i - 1]].end) return std::pair(order[i - 1], order[i]);
  }
  return std::nullopt;
}

std::string ShapeText(std::span<const std::uint64_t> shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

}  // namespace loquat::model
