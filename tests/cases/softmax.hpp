// Rows of softmax over W. See tests/cases/cases.hpp.
#pragma once

#include "tests/cases/cases.hpp"

namespace tweedie::cases {

inline constexpr Shape softmaxes_small[] = {
    {1, 1, 1, 1}, {3, 2, 5, 7}, {2, 1, 3, 33}, {1, 3, 2, 257}, {1, 1, 1, 1025}, {2, 2, 4, 64}, {0, 1, 4, 8},
};
inline constexpr Shape softmaxes_unet[] = {
    {1, 8, 256, 256}, {1, 8, 64, 64}, {1, 8, 1024, 1024}, {1, 16, 256, 256}, {4, 8, 256, 256},
};

}  // namespace tweedie::cases
