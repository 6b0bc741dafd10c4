// Rows of resample: the smaller of the two shapes. See tests/cases/cases.hpp.
#pragma once

#include "tests/cases/elementwise.hpp"

namespace tweedie::cases {

inline constexpr MapCase resamples_small[] = {
    {{1, 1, 1, 1}},      {{3, 2, 3, 5}},    {{2, 32, 5, 3}, 16}, {{1, 48, 1, 4}, 16},
    {{2, 24, 3, 2}, 24}, {{1, 6, 7, 9}, 3}, {{0, 16, 2, 2}, 16}, {{2, 16, 4, 8}, 16},
};
inline constexpr MapCase resamples_unet[] = {
    {{1, 128, 128, 128}, backend_block}, {{1, 128, 64, 64}, backend_block}, {{1, 256, 32, 32}, backend_block},
    {{1, 256, 128, 128}, backend_block}, {{1, 512, 8, 8}, backend_block},
};

}  // namespace tweedie::cases
