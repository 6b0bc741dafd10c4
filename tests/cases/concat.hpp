// Rows of concat_channels: b = backend_block means each view's own. See tests/cases/cases.hpp.
#pragma once

#include "tests/cases/cases.hpp"

namespace tweedie::cases {

struct ConcatCase {
  int N, C_a, C_b, H, W;
  int b;
};
inline constexpr ConcatCase concats_small[] = {
    {1, 1, 1, 1, 1, 1},    {3, 2, 5, 3, 7, 1}, {2, 32, 16, 5, 3, 16},
    {1, 16, 48, 1, 1, 16}, {2, 6, 9, 3, 5, 3}, {3, 32, 16, 3, 3, backend_block},
    {0, 16, 16, 2, 2, 16},
};
inline constexpr ConcatCase concats_unet[] = {
    {1, 128, 128, 256, 256, backend_block}, {1, 256, 128, 128, 128, backend_block},
    {1, 256, 256, 64, 64, backend_block},   {1, 512, 512, 8, 8, backend_block},
    {1, 256, 256, 256, 256, backend_block},
};

}  // namespace tweedie::cases
