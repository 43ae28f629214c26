#include "model/arch/tensor_reader.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

#include "kernels/transformer_kernels.h"
#include "model/tensor/layout.h"

namespace loquat::model {
namespace {

base::Error Missing(std::string_view name, std::string_view wanted) {
  return base::DataLoss(fmt::format("tensor '{}' is missing; the model needs it with shape {}", name, wanted));
}

base::Error Misshapen(const Tensor& tensor, std::string_view wanted) {
  return base::DataLoss(fmt::format("tensor '{}' has shape {}; the model's config asks for {}", tensor.name,
                                    ShapeText(tensor.shape), wanted));
}

base::Status CheckBytes(const Tensor& tensor) {
  LOQUAT_ASSIGN(const std::uint64_t bytes, tensor.bytes_expected());
  if (bytes == tensor.bytes.size()) return {};
  return base::DataLoss(fmt::format("tensor '{}' has {} bytes; its shape {} and type {} take {}", tensor.name,
                                    tensor.bytes.size(), ShapeText(tensor.shape), kernels::LayoutOf(tensor.type).name,
                                    bytes));
}

}  // namespace

base::Result<kernels::Matrix> TensorReader::ReadMatrix(const std::string& name, std::uint64_t rows,
                                                       std::uint64_t cols) const {
  const std::string wanted = rows == 0 ? fmt::format("[any, {}]", cols) : fmt::format("[{}, {}]", rows, cols);
  const Tensor* tensor = weights_.Find(name);
  if (tensor == nullptr) return Missing(name, wanted);
  // A single row may lack its first dimension.
  const bool one_row = tensor->shape.size() == 1 && rows <= 1;
  if (!one_row && tensor->shape.size() != 2) return Misshapen(*tensor, wanted);
  const std::uint64_t found = one_row ? 1 : tensor->shape.front();
  if (tensor->shape.back() != cols || found == 0 || (rows != 0 && found != rows)) return Misshapen(*tensor, wanted);
  LOQUAT_TRY(CheckBytes(*tensor));
  return kernels::Matrix{.data = tensor->bytes.data(),
                         .rows = static_cast<std::size_t>(found),
                         .cols = static_cast<std::size_t>(cols),
                         .type = tensor->type,
                         .order = tensor->order};
}

base::Result<std::vector<float>> TensorReader::ReadVector(const std::string& name, std::uint64_t length,
                                                          Presence presence) const {
  const Tensor* tensor = weights_.Find(name);
  if (presence == Presence::kAbsent || (presence == Presence::kOptional && tensor == nullptr)) {
    return std::vector<float>();
  }
  const std::string wanted = fmt::format("[{}]", length);
  if (tensor == nullptr) return Missing(name, wanted);
  if (tensor->elements() != length || tensor->shape.back() != length) return Misshapen(*tensor, wanted);
  if (kernels::LayoutOf(tensor->type).block_weights != 1) {
    return base::DataLoss(fmt::format("tensor '{}' is a vector of type {}; f32, f16 and bf16 are read", name,
                                      kernels::LayoutOf(tensor->type).name));
  }
  LOQUAT_TRY(CheckBytes(*tensor));
  std::vector<float> values(static_cast<std::size_t>(length));
  const kernels::Matrix row{.data = tensor->bytes.data(), .rows = 1, .cols = values.size(), .type = tensor->type};
  kernels::kTransformerKernelsScalar.decode_row(row, 0, values.data());
  return values;
}

base::Result<Linear> TensorReader::ReadLinear(const std::string& name, std::uint64_t rows, std::uint64_t cols,
                                              Presence bias) const {
  Linear linear;
  LOQUAT_ASSIGN(linear.weight, ReadMatrix(name + ".weight", rows, cols));
  LOQUAT_ASSIGN(linear.bias, ReadVector(name + ".bias", linear.weight.rows, bias));
  return linear;
}

}  // namespace loquat::model
