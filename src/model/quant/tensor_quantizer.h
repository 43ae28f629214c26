// Turns the rows of one tensor from the type that they have into another, on all threads of a team, and measures what
// that does to them. Piece by piece: the memory taken does not grow with the tensor.
//
// One thread at a time; does not own the team. The bytes and the measures are the same for any number of threads.

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "kernels/thread_team.h"
#include "model/tensor/weights.h"

namespace loquat::model {

// Sums over weights before (x) and after (y).
struct TensorQuality {
  std::uint64_t weights = 0;
  double squares = 0;         // x^2
  double stored_squares = 0;  // y^2
  double products = 0;        // x y
  double error = 0;           // (x - y)^2
  double error_max = 0;       // |x - y|

  void Add(const TensorQuality& other);
  // sqrt(sum (x - y)^2 / sum x^2); zero for a tensor of zeros that stayed so.
  double relative_error() const;
  double cosine() const;  // One where nothing changed.
};

// Where the rows of a tensor come from, where files of two formats differ in their order.
struct RowOrigin {
  std::uint64_t first = 0;        // Rows of the source that are left out at its beginning.
  std::uint32_t head_width = 0;   // Zero: in order. Else the rows of a head of this many
  std::uint32_t turned_rows = 0;  // have their first turned_rows, (a, b) in halves, in pairs: a0 b0 a1 b1 …

  std::uint64_t operator()(std::uint64_t row) const {
    row += first;
    if (head_width == 0 || row % head_width >= turned_rows) return row;
    const std::uint64_t in_head = row % head_width;
    return row - in_head + in_head / 2 + in_head % 2 * (turned_rows / 2);
  }
};

struct TensorTask {
  const Tensor* tensor = nullptr;
  kernels::WeightType to = kernels::WeightType::kF32;
  std::span<const std::uint64_t> shape;  // Of what is made: fewer rows than the tensor's where origin.first leaves out.
  RowOrigin origin;
  std::span<const float> importance;  // [cols], or empty; for blocks (block_quantizer.h).
};

class TensorQuantizer {
 public:
  // Takes the next bytes of the result; an error ends the work.
  using Write = std::function<base::Status(std::span<const std::byte>)>;

  explicit TensorQuantizer(kernels::ThreadTeam& team) : team_(team) {}

  // Errors: kDataLoss naming tensor and index for a weight that is NaN or infinite; kInvalidArgument for one that the
  // type cannot hold; and what `write` returns.
  base::Result<TensorQuality> Run(const TensorTask& task, const Write& write);

 private:
  kernels::ThreadTeam& team_;
  std::vector<float> floats_;     // [thread's part, 2, cols]
  std::vector<std::byte> bytes_;  // Of the piece at hand.
};

}  // namespace loquat::model
