// Rows of radon: angles spread over half a turn. See tests/cases/cases.hpp.
#pragma once

#include "tests/cases/cases.hpp"

namespace tweedie::cases {

struct RadonCase {
  Shape x;
  int angles, detectors;
};
inline constexpr RadonCase radons_small[] = {
    {{1, 1, 1, 1}, 1, 1},    {{3, 2, 7, 5}, 4, 9},     {{1, 1, 16, 16}, 12, 24}, {{2, 1, 9, 31}, 7, 33},
    {{1, 3, 29, 12}, 8, 17}, {{1, 1, 40, 37}, 23, 57}, {{0, 1, 8, 8}, 3, 12},    {{2, 2, 1, 6}, 5, 4},
};
inline constexpr RadonCase radons_unet[] = {
    {{1, 1, 256, 256}, 180, 364},
    {{1, 1, 256, 256}, 23, 364},
    {{1, 3, 256, 256}, 60, 364},
    {{1, 1, 512, 512}, 360, 726},
};

}  // namespace tweedie::cases
