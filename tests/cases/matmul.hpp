// Rows of matmul: c (m, n) = op(a) op(b), inner size k. See tests/cases/cases.hpp.
#pragma once

#include "tests/cases/cases.hpp"

namespace tweedie::cases {

struct MatmulCase {
  int batch, m, n, k;
  bool a_transposed, b_transposed;
};
inline constexpr MatmulCase matmuls_small[] = {
    {1, 1, 1, 1, false, false},   {1, 3, 5, 7, false, false}, {3, 5, 4, 9, true, false},
    {2, 17, 3, 33, false, true},  {3, 6, 11, 2, true, true},  {1, 1, 40, 24, false, true},
    {4, 16, 16, 64, true, false},
};
inline constexpr MatmulCase matmuls_unet[] = {
    {1, 1, 512, 128, false, true},
    {1, 1, 1024, 512, false, true},
    {16, 1, 1024, 512, false, true},
    {1, 1, 2048, 1024, false, true},
};

}  // namespace tweedie::cases
