// Rows of pixel_shuffle2: channels of the larger one. See tests/cases/cases.hpp.
#pragma once

#include "tests/cases/cases.hpp"

namespace tweedie::cases {

struct PixelShuffleCase {
  Shape small;
  int channels;
  int small_b, large_b;
};
// Exact quarters and more channels than that; planar, blocks, channels-last, and different ones; the last has
// enough for threads.
inline constexpr PixelShuffleCase pixel_shuffles_small[] = {
    {{1, 4, 1, 1}, 1, 1, 1},     {{3, 8, 3, 5}, 2, 1, 1},       {{2, 32, 3, 2}, 16, 16, 16},
    {{2, 64, 5, 3}, 16, 16, 16}, {{1, 48, 2, 3}, 16, 48, 16},   {{1, 32, 4, 3}, 32, 8, 32},
    {{0, 16, 2, 2}, 16, 16, 16}, {{1, 64, 33, 20}, 16, 16, 16},
};
inline constexpr PixelShuffleCase pixel_shuffles_unet[] = {
    // of KernelWizard
    {{1, 256, 64, 64}, 64, backend_block, backend_block},
    {{1, 256, 128, 128}, 64, backend_block, backend_block},
};

}  // namespace tweedie::cases
