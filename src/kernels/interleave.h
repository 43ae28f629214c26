// Weights in panels of sixteen rows, the form in which the dot products of avx512_vnni stream them: the numbers of the
// file, bit for bit, in another order. Drawn in docs/weight_types.md.
//
// A panel of f32 or f16 holds sixteen rows of its first column, then of its second; bf16 likewise, two columns of each
// row together. Of block types it holds the blocks' words of four bytes, in the file's order: that of each of the
// sixteen rows, then the next. A number of two bytes that a type has besides lies before the words, sixteen rows after
// each other, with those of the next block if the blocks are of 32 columns; q6_k's has as many zeros behind it. The
// numbers of q8_0 lie as q + 128. Rows and columns that the matrix lacks are zeros that nobody reads. Pure functions;
// any thread.

#pragma once

#include <cstddef>

#include "kernels/weight_type.h"

namespace loquat::kernels {

inline constexpr std::size_t kInterleavedRows = 16;
inline constexpr std::size_t kInterleavedColumns = 64;    // A panel of 32-column blocks has room for such multiples.
inline constexpr std::size_t kInterleavedAlignment = 64;  // Of every panel, if the first has it.

// Of one panel, and of all.
std::size_t PanelBytes(WeightType type, std::size_t cols);
std::size_t InterleavedBytes(const Matrix& weights);

// Panels [begin, end) of `from`, a matrix in rows, to their places in `to`, which has InterleavedBytes(from).
void InterleavePanels(const Matrix& from, std::size_t begin, std::size_t end, std::byte* to);

// And back: the rows of panels [begin, end) of `from`, a matrix in panels, to their places in `to`, which has
// rows * row_bytes(). What InterleavePanels was given comes out again, bit for bit.
void DeinterleavePanels(const Matrix& from, std::size_t begin, std::size_t end, std::byte* to);
// `count` columns of one row, from column `begin` on: as many blocks as they are. REQUIRES: both are whole blocks.
void CopyInterleavedColumns(const Matrix& from, std::size_t row, std::size_t begin, std::size_t count, std::byte* to);

// `from` as it lies in `data`.
Matrix InterleavedMatrix(const Matrix& from, const std::byte* data);

}  // namespace loquat::kernels
