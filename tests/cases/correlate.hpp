// Rows of correlate: `taps` scattered over `reach` pixels on all sides. See tests/cases/cases.hpp.
#pragma once

#include "tests/cases/cases.hpp"

namespace tweedie::cases {

struct CorrelateCase {
  Shape x;
  int taps, reach;
};
inline constexpr CorrelateCase correlates_small[] = {
    {{1, 1, 1, 1}, 1, 0},   {{3, 2, 7, 5}, 9, 2},    {{1, 3, 5, 67}, 12, 9}, {{2, 1, 33, 40}, 25, 12},
    {{1, 1, 3, 2}, 20, 30}, {{1, 2, 12, 128}, 4, 1}, {{1, 1, 4, 4}, 0, 1},   {{0, 3, 8, 8}, 5, 2},
};
inline constexpr CorrelateCase correlates_unet[] = {
    {{1, 3, 256, 256}, 9, 1},
    {{1, 3, 320, 320}, 25, 30},
    {{1, 3, 320, 320}, 100, 30},
    {{1, 3, 320, 320}, 400, 30},
};

}  // namespace tweedie::cases
