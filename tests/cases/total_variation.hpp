// Rows of total_variation. See tests/cases/cases.hpp.
#pragma once

#include "tests/cases/cases.hpp"

namespace tweedie::cases {

// One pixel, one row, one column, odd sides, a batch of none; the last has enough for threads.
inline constexpr Shape differences_small[] = {
    {1, 1, 1, 1}, {2, 3, 1, 7}, {1, 2, 6, 1}, {3, 2, 5, 7}, {2, 1, 8, 4}, {0, 3, 4, 4}, {2, 3, 90, 71},
};
inline constexpr Shape differences_unet[] = {{1, 3, 256, 256}, {16, 3, 256, 256}};

}  // namespace tweedie::cases
