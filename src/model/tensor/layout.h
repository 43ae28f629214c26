// The arithmetic of tensors in a file, safe against any numbers that a file may claim: how many bytes a shape takes,
// and whether two tensors lie on the same bytes. Pure functions; any thread.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "kernels/weight_type.h"

namespace loquat::model {

// The product of all dimensions; nothing if it does not fit 63 bits. An empty shape is a scalar: 1.
std::optional<std::uint64_t> ElementsOf(std::span<const std::uint64_t> shape);

// How many bytes a tensor takes whose rows are whole blocks. Errors say what is wrong with the shape, without naming
// the tensor: too large, or a row that is no whole number of blocks.
base::Result<std::uint64_t> TensorBytes(std::span<const std::uint64_t> shape, std::uint64_t block_weights,
                                        std::uint64_t block_bytes);
base::Result<std::uint64_t> TensorBytes(std::span<const std::uint64_t> shape, kernels::WeightType type);

// Where something lies: [begin, end) in bytes.
struct Extent {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

// The indices of two extents that share a byte, in file order; nothing if none do. Empty extents share nothing.
std::optional<std::pair<std::size_t, std::size_t>> FindOverlap(std::span<const Extent> extents);

// "[4096, 11008]", as messages show a shape.
std::string ShapeText(std::span<const std::uint64_t> shape);

}  // namespace loquat::model
