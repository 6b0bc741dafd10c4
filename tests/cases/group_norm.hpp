// Rows of group_norm. See tests/cases/cases.hpp.
#pragma once

#include "tests/cases/cases.hpp"

namespace tweedie::cases {

struct GroupNormCase {
  Shape shape;
  int b, groups;
  bool modulated, silu;
};
inline constexpr GroupNormCase group_norms_small[] = {
    {{1, 1, 1, 1}, 1, 1, false, false},      {{3, 6, 5, 7}, 1, 3, false, true},
    {{3, 32, 5, 3}, 16, 32, true, true},     {{2, 64, 3, 5}, 16, 1, true, true},
    {{1, 96, 7, 9}, 16, 32, false, false},   {{2, 64, 1, 1}, 64, 32, true, true},
    {{3, 128, 3, 3}, 128, 32, false, true},  {{2, 48, 4, 6}, 48, 4, true, false},
    {{1, 512, 8, 8}, 16, 32, true, true},    {{2, 32, 33, 17}, 32, 32, true, true},
    {{0, 32, 4, 4}, 16, 32, false, true},    {{2, 6, 5, 3}, 6, 3, true, true},
    {{1, 128, 33, 17}, 128, 32, true, true},
};
inline constexpr GroupNormCase group_norms_unet[] = {
    {{1, 128, 256, 256}, backend_block, 32, false, true},
    {{1, 128, 256, 256}, backend_block, 32, true, true},
    {{1, 256, 256, 256}, backend_block, 32, true, true},
    {{1, 512, 256, 256}, backend_block, 32, false, true},
    {{1, 256, 64, 64}, backend_block, 32, true, true},
    {{1, 512, 16, 16}, backend_block, 32, false, false},
    {{1, 1024, 8, 8}, backend_block, 32, true, true},
    {{4, 128, 256, 256}, backend_block, 32, true, true},
};

}  // namespace tweedie::cases
