// Rows of fft. See tests/cases/cases.hpp.
#pragma once

#include "tests/cases/cases.hpp"

namespace tweedie::cases {

inline constexpr Shape ffts_small[] = {
    {1, 1, 1, 1}, {2, 3, 4, 8}, {1, 2, 5, 7}, {3, 1, 6, 9}, {1, 1, 12, 10}, {1, 1, 1, 16}, {1, 1, 13, 1},
};
inline constexpr Shape ffts_unet[] = {
    {1, 3, 256, 256}, {1, 3, 320, 320},  // 256 pixels and a kernel of 61
    {1, 3, 384, 384}, {4, 3, 384, 384}, {1, 3, 512, 512},
};

}  // namespace tweedie::cases
