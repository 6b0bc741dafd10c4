// Rows of complex planes, and of the image in their middle. See tests/cases/cases.hpp.
#pragma once

#include "tests/cases/cases.hpp"

namespace tweedie::cases {

struct FrameCase {
  Shape inner, outer;
};
// Odd and even differences, one pixel, a single row, no padding at all, more rows than columns; the last has
// enough for threads.
inline constexpr FrameCase frames_small[] = {
    {{1, 1, 1, 1}, {1, 1, 3, 4}}, {{3, 2, 5, 4}, {3, 2, 8, 7}}, {{2, 1, 1, 6}, {2, 1, 1, 9}},
    {{1, 3, 7, 5}, {1, 3, 7, 5}}, {{0, 3, 2, 2}, {0, 3, 4, 4}}, {{1, 3, 90, 70}, {1, 3, 121, 96}},
};
inline constexpr FrameCase frames_unet[] = {
    {{1, 3, 256, 256}, {1, 3, 384, 384}},
    {{4, 3, 256, 256}, {4, 3, 384, 384}},
};

}  // namespace tweedie::cases
