// Plain floats rounded to 8 bits under one scale a row, in panels of sixteen rows: what integer dot products stream
// without a scale to meet on the way. Made from a matrix when a model is loaded; half a scale, the row's greatest
// magnitude by 254, is the most that a number is off. Drawn in docs/weight_types.md.
//
// A panel: float scales[16], the rows' sums of numbers int32[16], then four columns of sixteen rows a vector, as int8.
// Rows and columns that the matrix lacks are zeros. Pure functions; any thread.

#pragma once

#include <cstddef>

#include "kernels/transformer_kernels.h"
#include "kernels/weight_type.h"

namespace loquat::kernels {

inline constexpr std::size_t kInt8ColumnsMin = 16;     // Fewer are not worth it.
inline constexpr std::size_t kInt8ColumnsMax = 32768;  // So many products of 8 bits sum up in 32.

// Plain floats, in rows or interleaved, of a number of columns that may be.
bool RoundsToInt8(const Matrix& matrix);

// Of one panel, and of all.
std::size_t Int8PanelBytes(std::size_t cols);
std::size_t Int8Bytes(const Matrix& matrix);

// Panels [begin, end) of `from` to their places in `to`, which has Int8Bytes(from). A row with a number that is none
// gets a scale that is none. REQUIRES: RoundsToInt8(from).
void RoundPanels(const TransformerKernels& kernels, const Matrix& from, std::size_t begin, std::size_t end,
                 std::byte* to);

// `from` as it lies in `data`.
Matrix Int8Matrix(const Matrix& from, const std::byte* data);

}  // namespace loquat::kernels
