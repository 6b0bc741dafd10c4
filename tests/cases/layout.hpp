// Rows of convert_layout. See tests/cases/cases.hpp.
#pragma once

#include "tests/cases/cases.hpp"

namespace tweedie::cases {

struct LayoutCase {
  int N, C_from, C_to, H, W;
  int b_from, b_to;
};
inline constexpr LayoutCase layouts_small[] = {
    {1, 1, 1, 1, 1, 1, 1},     {3, 32, 32, 5, 7, 1, 16}, {2, 32, 32, 3, 5, 16, 1}, {2, 48, 48, 3, 3, 16, 48},
    {2, 48, 48, 3, 3, 48, 16}, {1, 24, 24, 5, 3, 24, 1}, {3, 3, 16, 7, 5, 1, 16},  {3, 16, 6, 5, 7, 16, 1},
    {2, 16, 3, 4, 4, 16, 1},   {2, 3, 32, 9, 2, 1, 32},  {1, 32, 6, 1, 3, 32, 1},  {2, 6, 6, 33, 17, 3, 2},
    {0, 16, 16, 2, 2, 1, 16},
};
inline constexpr LayoutCase layouts_unet[] = {
    {1, 3, 16, 256, 256, 1, backend_block},  {1, 16, 6, 256, 256, backend_block, 1},
    {1, 512, 512, 16, 16, backend_block, 1}, {1, 512, 512, 16, 16, 1, backend_block},
    {1, 512, 512, 32, 32, backend_block, 1},
};

}  // namespace tweedie::cases
