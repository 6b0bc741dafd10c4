// Rows of axis_filter: `taps` entries per output pixel, `out` pixels along the axis. See
// tests/cases/cases.hpp.
#pragma once

#include "kernels/axis_filter.hpp"
#include "tests/cases/cases.hpp"

namespace tweedie::cases {

struct AxisFilterCase {
  Shape x;
  int out, taps;
  Axis axis;
};
inline constexpr AxisFilterCase axis_filters_small[] = {
    {{1, 1, 1, 1}, 1, 1, Axis::rows},        {{1, 1, 1, 1}, 1, 1, Axis::columns},
    {{3, 2, 7, 5}, 7, 3, Axis::rows},        {{3, 2, 7, 5}, 5, 3, Axis::columns},
    {{2, 3, 16, 9}, 4, 8, Axis::rows},       {{2, 3, 9, 16}, 4, 8, Axis::columns},
    {{1, 3, 5, 130}, 13, 4, Axis::rows},     {{1, 1, 37, 6}, 19, 5, Axis::columns},
    {{2, 1, 11, 67}, 11, 11, Axis::columns}, {{1, 2, 40, 33}, 80, 2, Axis::rows},
    {{1, 2, 6, 47}, 4, 3, Axis::rows},       {{0, 3, 8, 8}, 4, 2, Axis::rows},
    {{0, 3, 8, 8}, 4, 2, Axis::columns},
};
inline constexpr AxisFilterCase axis_filters_unet[] = {
    {{1, 3, 256, 256}, 256, 25, Axis::rows},  {{1, 3, 256, 256}, 256, 25, Axis::columns},
    {{1, 3, 256, 256}, 64, 16, Axis::rows},   {{1, 3, 256, 256}, 64, 16, Axis::columns},
    {{1, 3, 64, 64}, 256, 4, Axis::rows},     {{1, 3, 64, 64}, 256, 4, Axis::columns},
    {{16, 3, 256, 256}, 256, 61, Axis::rows}, {{16, 3, 256, 256}, 256, 61, Axis::columns},
};

}  // namespace tweedie::cases
