// Rows of simplex. See tests/cases/cases.hpp.
#pragma once

#include "tests/cases/cases.hpp"

namespace tweedie::cases {

// One pixel, fewer than a block's threads, more, a batch of none.
inline constexpr Shape simplexes_small[] = {
    {1, 1, 1, 1}, {3, 1, 5, 7}, {2, 1, 1, 3}, {2, 2, 9, 31}, {0, 1, 4, 4},
};
inline constexpr Shape simplexes_unet[] = {{1, 1, 64, 64}, {8, 1, 64, 64}};

}  // namespace tweedie::cases
