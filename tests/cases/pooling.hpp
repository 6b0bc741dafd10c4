// Rows of pooling: the input and its windows. See tests/cases/cases.hpp.
#pragma once

#include "kernels/pooling.hpp"
#include "tests/cases/cases.hpp"

namespace tweedie::cases {

struct PoolingCase {
  Shape x;
  int b;
  PoolGeometry g;
};
inline constexpr PoolingCase poolings_small[] = {
    {{1, 1, 2, 2}, 1, {2, 2}},
    {{3, 2, 7, 5}, 1, {2, 2}},             // an odd side loses its last row
    {{2, 16, 9, 6}, 16, {3, 2}},           // AlexNet's
    {{1, 48, 6, 9}, 16, {3, 2, 0, true}},  // SqueezeNet's; a last window that does not fit
    {{1, 16, 2, 3}, 16, {3, 2, 0, true}},  // the only window of a side overhangs
    {{2, 24, 5, 4}, 24, {3, 1, 1}},        // Inception's
    {{1, 6, 1, 1}, 3, {3, 1, 1}},          // one pixel
    {{1, 16, 8, 7}, 16, {3, 2, 1, true}},
    {{1, 3, 5, 5}, 1, {2, 3, 1, true}},  // gaps between windows
    {{0, 16, 4, 4}, 16, {2, 2}},
    {{1, 32, 33, 35}, 16, {3, 2}},  // enough for threads
};

}  // namespace tweedie::cases
