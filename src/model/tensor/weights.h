// The tensors of one model behind one view, whatever file they came from: names, shapes and where the bytes lie.
// Constant after loading; any thread. The views live as long as the Weights object, which owns the mappings.

#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "kernels/thread_team.h"
#include "kernels/weight_type.h"

namespace loquat::model {

inline constexpr std::size_t kTensorDimensionsMax = 4;

struct Tensor {
  std::string name;  // The architecture's own name in GGUF's scheme: "blk.0.attn_q.weight".
  kernels::WeightType type = kernels::WeightType::kF32;
  std::vector<std::uint64_t> shape;  // Outermost first, as NumPy writes it: [rows, cols] of a matrix.
  std::span<const std::byte> bytes;  // Exactly as many as shape, type and order say.
  kernels::RowOrder order = kernels::RowOrder::kRows;

  std::uint64_t elements() const;
  // A view as matrix. REQUIRES: two dimensions, or one (a single row).
  kernels::Matrix matrix() const;
  // How many bytes there are to be. Errors as TensorBytes (layout.h); also for an order that the type or a tensor of so
  // many dimensions cannot have.
  base::Result<std::uint64_t> bytes_expected() const;
};

class Weights {
 public:
  virtual ~Weights() = default;
  Weights() = default;
  Weights(const Weights&) = delete;
  Weights& operator=(const Weights&) = delete;

  virtual std::span<const Tensor> tensors() const = 0;          // In file order; names are unique.
  virtual const Tensor* Find(std::string_view name) const = 0;  // Null: not there.
  // A hint: these bytes of a tensor will hardly be read again. What they are does not change.
  virtual void Forget(std::span<const std::byte> bytes) const { (void)bytes; }
  // That the bytes are what their maker wrote, where the file says what that was: reads those of which it is not known
  // yet, computing on `team`, and costs nothing once all are known. kDataLoss names the damaged part.
  virtual base::Status Check(kernels::ThreadTeam& team) const {
    (void)team;
    return {};
  }
};

}  // namespace loquat::model
