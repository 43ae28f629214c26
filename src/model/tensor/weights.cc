#include "model/tensor/weights.h"

#include "base/check.h"

namespace loquat::model {

std::uint64_t Tensor::elements() const {
  std::uint64_t product = 1;
  for (const std::uint64_t dimension : shape) product *= dimension;
  return product;
}

kernels::Matrix Tensor::matrix() const {
  LOQUAT_CHECK(shape.size() == 1 || shape.size() == 2, "a matrix has one or two dimensions");
  return {.data = bytes.data(),
          .rows = static_cast<std::size_t>(shape.size() == 2 ? shape.front() : 1),
          .cols = static_cast<std::size_t>(shape.back()),
          .type = type};
}

}  // namespace loquat::model
