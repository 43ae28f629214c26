#include "model/arch/compute.h"

namespace loquat::model {

struct Compute::Task {
  std::span<const Linear> layers;
  kernels::MatmulIo io;  // Without its outputs.
  Rows out;
  void (*activation)(float*, std::size_t);
};

std::size_t Compute::Alike(std::span<const Linear> layers) const {
  std::size_t alike = 0;
  while (alike < layers.size() && FormOf(layers[alike]) == FormOf(layers[0])) ++alike;
  return alike;
}

void Compute::Round(std::span<const Linear> layers, const float* x, std::size_t t) const {
  if (layers.empty() || Alike(layers) < layers.size()) return;
  const kernels::ActivationForm form = FormOf(layers[0]);
  const std::size_t cols = layers[0].weight.cols;
  if (form != kernels::ActivationForm::kFloats) kernels_.round(form, x, cols, rounded(form, cols, t));
}

void Compute::Project(std::span<const Linear> layers, Rows x, std::size_t tokens, Rows out,
                      const ProjectOptions& options) const {
  if (observer_ != nullptr) {
    for (const Linear& layer : layers) observer_->BeforeLinear(layer.weight, x.data, x.stride, tokens);
  }
  const std::size_t first_alike = Alike(layers);
  if (first_alike == layers.size()) return ProjectAlike(layers, x, tokens, out, options);
  for (std::size_t alike = first_alike; !layers.empty(); alike = Alike(layers)) {
    ProjectAlike(layers.first(alike), x, tokens, out, {.activation = options.activation});
    for (const Linear& layer : layers.first(alike)) out.data += layer.weight.rows;
    layers = layers.subspan(alike);
  }
}

void Compute::ProjectAlike(std::span<const Linear> layers, Rows x, std::size_t tokens, Rows out,
                           const ProjectOptions& options) const {
  const std::size_t cols = layers[0].weight.cols;
  const kernels::ActivationForm form = FormOf(layers[0]);
  if (form != kernels::ActivationForm::kFloats && !options.rounded) {
    ForEachToken(tokens, cols, [&](std::size_t t) { kernels_.round(form, x[t], cols, rounded(form, cols, t)); });
  }
  const Task task{.layers = layers,
                  .io = {.x = x.data,
                         .x_stride = x.stride,
                         .rounded = rounded(form, cols, 0),
                         .rounded_stride = kernels::RoundedStride(form, cols),
                         .out_stride = out.stride,
                         .tokens = tokens},
                  .out = out,
                  .activation = options.activation};
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
  team_.RunInOrder(parts, [&](std::size_t part) {
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
      io.more = to - first < rows;
      kernels_.matmul(layer.weight, from, to - first, io);
      const std::size_t count = to - first - from;
      for (std::size_t t = 0; t < io.tokens; ++t) {
        float* const made = task.out[t] + first + from;
        if (!layer.bias.empty()) kernels_.add(made, layer.bias.data() + from, count);
        if (task.activation != nullptr) task.activation(made, count);
      }
    }
    first += rows;
  }
}

}  // namespace loquat::model
