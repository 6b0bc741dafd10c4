// Rows of warp: images, samples of displacements (1: shared), how far those reach in pixels. See
// tests/cases/cases.hpp.
#pragma once

#include "tests/cases/cases.hpp"

namespace tweedie::cases {

struct WarpCase {
  Shape x;
  int fields;
  float reach;
};
// One pixel, one row, a plane of several runs of 32 pixels a row, more channels than a thread takes at once;
// displacements within the cell, of a few pixels, and beyond the image.
inline constexpr WarpCase warps_small[] = {
    {{1, 1, 1, 1}, 1, 0.9f},   {{2, 3, 1, 7}, 2, 2.5f}, {{3, 2, 6, 1}, 1, 2.5f},
    {{2, 3, 13, 17}, 2, 2.5f}, {{2, 5, 9, 70}, 1, 1.f}, {{2, 9, 9, 11}, 2, 9.f},
    {{1, 2, 8, 8}, 1, 40.f},   {{0, 3, 4, 4}, 1, 1.f},  {{2, 3, 90, 71}, 2, 3.f},
};
inline constexpr WarpCase warps_unet[] = {{{1, 3, 256, 256}, 1, 2.5f}, {{8, 3, 256, 256}, 8, 2.5f}};

}  // namespace tweedie::cases
