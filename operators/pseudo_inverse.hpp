// Pseudo-inverses of the matrices along an axis.
#pragma once

#include "kernels/axis_filter.hpp"

namespace tweedie {

/// R^+ = R^T (R R^T)^-1 (columns x rows) of a matrix of linearly independent rows, by a banded Cholesky
/// factorisation in double: R R^+ = 1. Away from a row's own pixels its entries decay geometrically; those
/// below 1e-9 of the largest are left out. Errors: rows that depend on each other (to 1e-10).
SparseRows pseudo_inverse_rows(const SparseRows& r);

}  // namespace tweedie
