#include "model/quant/tensor_quantizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>

#include "kernels/transformer_kernels.h"
#include "model/quant/block_quantizer.h"
#include "model/quant/half.h"

namespace loquat::model {
namespace {

using kernels::LayoutOf;
using kernels::Matrix;
using kernels::WeightType;

constexpr std::uint64_t kPieceWeights = std::uint64_t{1} << 21;  // 8 MiB of floats.
constexpr std::size_t kPartsPerThread = 4;

struct Fault {
  std::uint64_t column = 0;
  float value = 0;
};

// The measures of one row, and its first weight that cannot be kept.
struct RowResult {
  TensorQuality quality;
  std::optional<Fault> fault;
};

// Beyond it a type has no finite number.
float GreatestOf(WeightType type) {
  constexpr float kBf16Max = 0x1.FEp127F;
  if (IsBlockQuantizable(type)) return BlockWeightMax(type);
  if (type == WeightType::kF16) return kHalfMax;
  return type == WeightType::kBF16 ? kBf16Max : INFINITY;
}

void StoreRow(WeightType type, const float* x, std::size_t cols, const float* importance, std::byte* out) {
  const kernels::TransformerKernels& scalar = kernels::kTransformerKernelsScalar;
  if (type == WeightType::kF32) {
    std::memcpy(out, x, cols * sizeof(float));
  } else if (type == WeightType::kF16 || type == WeightType::kBF16) {
    const auto half = type == WeightType::kF16 ? kernels::HalfType::kF16 : kernels::HalfType::kBF16;
    scalar.to_half(half, x, reinterpret_cast<std::uint16_t*>(out), cols);
  } else {
    for (std::size_t i = 0; i < cols; i += kQuantBlock, out += LayoutOf(type).block_bytes) {
      QuantizeBlock(type, x + i, importance == nullptr ? nullptr : importance + i, out);
    }
  }
}

TensorQuality Compare(const float* x, const float* y, std::size_t cols) {
  TensorQuality sums{.weights = cols};
  for (std::size_t i = 0; i < cols; ++i) {
    const double before = x[i], after = y[i], off = before - after;
    sums.squares += before * before;
    sums.stored_squares += after * after;
    sums.products += before * after;
    sums.error += off * off;
    sums.error_max = std::max(sums.error_max, std::fabs(off));
  }
  return sums;
}

base::Error FaultError(const TensorTask& task, std::uint64_t row, const Fault& fault) {
  const Tensor& tensor = *task.tensor;
  const std::uint64_t index = task.origin(row) * (tensor.elements() / tensor.shape.front()) + fault.column;
  if (!std::isfinite(fault.value)) {
    return base::DataLoss(fmt::format("the tensor '{}' has {} at index {}; a model with such a weight cannot compute",
                                      tensor.name, fault.value, index));
  }
  return base::InvalidArgument(
      fmt::format("the tensor '{0}' has {1} at index {2}, beyond what {3} can hold; keep the tensor wider: --keep "
                  "'{0}=f32'",
                  tensor.name, fault.value, index, LayoutOf(task.to).name));
}

class RowWorker {
 public:
  explicit RowWorker(const TensorTask& task)
      : task_(task),
        from_{.data = task.tensor->bytes.data(),
              .rows = task.tensor->shape.front(),
              .cols = task.tensor->elements() / task.tensor->shape.front(),
              .type = task.tensor->type},
        same_(task.to == task.tensor->type) {}

  std::size_t cols() const { return from_.cols; }
  std::size_t row_bytes() const {
    return from_.cols / LayoutOf(task_.to).block_weights * LayoutOf(task_.to).block_bytes;
  }

  // `scratch`: [2, cols].
  RowResult Do(std::uint64_t row, float* scratch, std::byte* out) const {
    const auto& scalar = kernels::kTransformerKernelsScalar;
    const std::size_t source = task_.origin(row);
    float* const x = scratch;
    float* const y = scratch + from_.cols;
    scalar.decode_row(from_, source, x);
    RowResult result;
    const float greatest = GreatestOf(task_.to);
    for (std::size_t i = 0; i < from_.cols; ++i) {
      if (std::fabs(x[i]) <= greatest && std::isfinite(x[i])) continue;
      result.fault = Fault{.column = i, .value = x[i]};
      return result;
    }
    if (same_) {
      std::memcpy(out, from_.row(source), from_.row_bytes());
    } else {
      StoreRow(task_.to, x, from_.cols, task_.importance.empty() ? nullptr : task_.importance.data(), out);
    }
    scalar.decode_row({.data = out, .rows = 1, .cols = from_.cols, .type = task_.to}, 0, y);
    result.quality = Compare(x, y, from_.cols);
    return result;
  }

 private:
  const TensorTask& task_;
  const Matrix from_;
  const bool same_;
};

}  // namespace

void TensorQuality::Add(const TensorQuality& other) {
  weights += other.weights;
  squares += other.squares;
  stored_squares += other.stored_squares;
  products += other.products;
  error += other.error;
  error_max = std::max(error_max, other.error_max);
}

double TensorQuality::relative_error() const {
  return error == 0 ? 0 : std::sqrt(error / squares);
}

double TensorQuality::cosine() const {
  if (error == 0) return 1;
  if (squares == 0 || stored_squares == 0) return 0;
  return products / (std::sqrt(squares) * std::sqrt(stored_squares));
}

base::Result<TensorQuality> TensorQuantizer::Run(const TensorTask& task, const Write& write) {
  const RowWorker worker(task);
  const std::uint64_t rows = task.shape.front();
  const std::uint64_t piece_rows = std::clamp<std::uint64_t>(kPieceWeights / worker.cols(), 1, rows);
  const std::size_t parts_max = kPartsPerThread * team_.size();
  floats_.resize(parts_max * 2 * worker.cols());
  bytes_.resize(piece_rows * worker.row_bytes());
  std::vector<RowResult> results(piece_rows);
  TensorQuality quality;
  for (std::uint64_t first = 0; first < rows; first += piece_rows) {
    const std::uint64_t count = std::min(piece_rows, rows - first);
    const std::size_t parts = std::min<std::uint64_t>(parts_max, count);
    team_.Run(parts, [&](std::size_t part) {
      float* const scratch = floats_.data() + part * 2 * worker.cols();
      for (std::uint64_t i = count * part / parts; i < count * (part + 1) / parts; ++i) {
        results[i] = worker.Do(first + i, scratch, bytes_.data() + i * worker.row_bytes());
      }
    });
    for (std::uint64_t i = 0; i < count; ++i) {
      if (results[i].fault) return FaultError(task, first + i, *results[i].fault);
      quality.Add(results[i].quality);
    }
    LOQUAT_TRY(write(std::span(bytes_).first(count * worker.row_bytes())));
  }
  return quality;
}

}  // namespace loquat::model
