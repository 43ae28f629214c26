#include "model/arch/compute.h"

namespace loquat::model {

void Compute::Project(std::span<const Linear> layers, Rows x, std::size_t tokens, Rows out) const {
  std::size_t rows = 0;
  std::size_t bytes = 0;
  for (const Linear& layer : layers) {
    rows += layer.weight.rows;
    bytes += layer.weight.rows * layer.weight.row_bytes();
  }
  const std::size_t steps = (rows + kRowStep - 1) / kRowStep;
  // Several parts a thread: one that is interrupted leaves its share to the others.
  const std::size_t shares = team_.size() == 1 ? 1 : std::size_t{4} * team_.size();
  const std::size_t parts = tokens * bytes < kWorthSharing ? 1 : std::min(steps, shares);
  team_.Run(parts, [&](std::size_t part) {
    const std::size_t begin = steps * part / parts * kRowStep;
    const std::size_t end = std::min(rows, steps * (part + 1) / parts * kRowStep);
    ProjectRows(layers, x, tokens, out, begin, end);
  });
}

// Rows are counted across the layers.
void Compute::ProjectRows(std::span<const Linear> layers, Rows x, std::size_t tokens, Rows out, std::size_t begin,
                          std::size_t end) const {
  std::size_t first = 0;  // Of the layer.
  for (const Linear& layer : layers) {
    const std::size_t rows = layer.weight.rows;
    const std::size_t from = std::max(begin, first) - first;
    const std::size_t to = std::min(end, first + rows);
    if (first + from < to) {
      kernels_.matmul(
          layer.weight, from, to - first,
          {.x = x.data, .x_stride = x.stride, .out = out.data + first, .out_stride = out.stride, .tokens = tokens});
      for (std::size_t t = 0; t < tokens && !layer.bias.empty(); ++t) {
        kernels_.add(out[t] + first + from, layer.bias.data() + from, to - first - from);
      }
    }
    first += rows;
  }
}

}  // namespace loquat::model
