// Small symmetric positive definite systems of equations, by Cholesky's decomposition. Pure functions.

#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

namespace loquat::understanding {

// Solves m x = v, reading the lower triangle of m; overwrites both and returns x.
template <std::size_t n>
std::array<double, n> SolveCholesky(std::array<std::array<double, n>, n>& m, std::array<double, n>& v) {
  for (std::size_t j = 0; j < n; ++j) {
    for (std::size_t k = 0; k < j; ++k) m[j][j] -= m[j][k] * m[j][k];
    m[j][j] = std::sqrt(std::max(m[j][j], 1e-12));
    for (std::size_t i = j + 1; i < n; ++i) {
      for (std::size_t k = 0; k < j; ++k) m[i][j] -= m[i][k] * m[j][k];
      m[i][j] /= m[j][j];
    }
  }
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t k = 0; k < i; ++k) v[i] -= m[i][k] * v[k];
    v[i] /= m[i][i];
  }
  for (std::size_t i = n; i-- > 0;) {
    for (std::size_t k = i + 1; k < n; ++k) v[i] -= m[k][i] * v[k];
    v[i] /= m[i][i];
  }
  return v;
}

}  // namespace loquat::understanding
