#include "model/tensor/weights.h"

#include "base/check.h"
#include "kernels/interleave.h"
#include "model/tensor/layout.h"

namespace loquat::model {
namespace {

// A number near the end of the range stays as it is: no tensor is that large.
std::uint64_t RoundedUp(std::uint64_t number, std::uint64_t step) {
  const std::uint64_t below = number / step * step;
  return below == number || below + step < below ? number : below + step;
}

}  // namespace

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
          .type = type,
          .order = order};
}

base::Result<std::uint64_t> Tensor::bytes_expected() const {
  if (order == kernels::RowOrder::kRows) return TensorBytes(shape, type);
  if (shape.size() != 2) return base::DataLoss("only matrices lie in panels");
  // Panels of whole rows and whole pairs of blocks are the most that they take: sizes past the range show here.
  const std::uint64_t most[] = {RoundedUp(shape.front(), kernels::kInterleavedRows),
                                RoundedUp(shape.back(), kernels::kInterleavedColumns)};
  LOQUAT_TRY(TensorBytes(shape, type));
  LOQUAT_TRY(TensorBytes(most, type));
  return kernels::InterleavedBytes(matrix());
}

}  // namespace loquat::model
