// Rows of maps over elements (elementwise, activation, random, reduce), and of masks whose N and C may be 1.
// See tests/cases/cases.hpp.
#pragma once

#include "tests/cases/cases.hpp"

namespace tweedie::cases {

struct MapCase {
  Shape shape;
  int b = 1;
};
inline constexpr MapCase maps_small[] = {
    {{1, 1, 1, 1}},        {{3, 5, 7, 3}},       {{2, 3, 17, 11}},    {{2, 32, 5, 3}, 16},
    {{3, 48, 1, 1}, 16},   {{1, 24, 9, 5}, 24},  {{2, 6, 3, 3}, 3},   {{1, 4, 64, 64}},
    {{2, 64, 33, 31}, 16}, {{3, 20, 13, 7}, 20}, {{0, 16, 4, 4}, 16},
};
inline constexpr MapCase maps_unet[] = {
    {{1, 3, 256, 256}},
    {{16, 3, 256, 256}},
    {{1, 128, 256, 256}, backend_block},
    {{1, 256, 256, 256}, backend_block},
    {{1, 256, 64, 64}, backend_block},
    {{1, 1024, 8, 8}, backend_block},
};

struct MaskCase {
  Shape x, mask;
};
inline constexpr MaskCase masks_small[] = {
    {{1, 1, 1, 1}, {1, 1, 1, 1}}, {{3, 3, 7, 5}, {1, 1, 7, 5}}, {{3, 3, 7, 5}, {3, 1, 7, 5}},
    {{2, 3, 8, 4}, {1, 3, 8, 4}}, {{2, 3, 8, 4}, {2, 3, 8, 4}}, {{0, 3, 4, 4}, {1, 1, 4, 4}},
};
inline constexpr MaskCase masks_unet[] = {
    {{1, 3, 256, 256}, {1, 1, 256, 256}},
    {{16, 3, 256, 256}, {1, 1, 256, 256}},
};

}  // namespace tweedie::cases
