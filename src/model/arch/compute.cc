#include "model/arch/compute.h"

namespace loquat::model {

struct Compute::Task {
  std::span<const Linear> layers;
  kernels::MatmulIo io;  // Without its outputs.
  Rows out;
};

void Compute::Project(std::span<const Linear> layers, Rows x, std::size_t tokens, Rows out) const {
  if (observer_ != nullptr) {
    for (const Linear& layer : layers) observer_->BeforeLinear(layer.weight, x.data, x.stride, tokens);
  }
  const auto form = [this](const Linear& layer) { return kernels_.form(layer.weight); };
  while (!layers.empty()) {
    std::size_t alike = 0, rows = 0;
    for (; alike < layers.size() && form(layers[alike]) == form(layers[0]); ++alike) rows += layers[alike].weight.rows;
    ProjectAlike(layers.first(alike), x, tokens, out);
    layers = layers.subspan(alike);
    out.data += rows;
  }
}

void Compute::ProjectAlike(std::span<const Linear> layers, Rows x, std::size_t tokens, Rows out) const {
  const std::size_t cols = layers[0].weight.cols;
  const kernels::ActivationForm form = kernels_.form(layers[0].weight);
  auto* const rounded = reinterpret_cast<std::byte*>(rounded_.get());
  const std::size_t stride = kernels::RoundedBytes(form, cols);
  if (form != kernels::ActivationForm::kFloats) {
    ForEachToken(tokens, cols, [&](std::size_t t) { kernels_.round(form, x[t], cols, rounded + t * stride); });
  }
  const Task task{.layers = layers,
                  .io = {.x = x.data,
                         .x_stride = x.stride,
                         .rounded = rounded,
                         .rounded_stride = stride,
                         .out_stride = out.stride,
                         .tokens = tokens},
                  .out = out};
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
    ProjectRows(task, begin, end);
  });
}

// Rows are counted across the layers.
void Compute::ProjectRows(const Task& task, std::size_t begin, std::size_t end) const {
  std::size_t first = 0;  // Of the layer.
  for (const Linear& layer : task.layers) {
    const std::size_t rows = layer.weight.rows;
    const std::size_t from = std::max(begin, first) - first;
    const std::size_t to = std::min(end, first + rows);
    if (first + from < to) {
      kernels::MatmulIo io = task.io;
      io.out = task.out.data + first;
      kernels_.matmul(layer.weight, from, to - first, io);
      for (std::size_t t = 0; t < io.tokens && !layer.bias.empty(); ++t) {
        kernels_.add(task.out[t] + first + from, layer.bias.data() + from, to - first - from);
      }
    }
    first += rows;
  }
}

}  // namespace loquat::model
