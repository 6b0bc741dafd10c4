// Rows of correlate_dense: the larger planes, the kernels (one sample: shared). See tests/cases/cases.hpp.
#pragma once

#include "tests/cases/cases.hpp"

namespace tweedie::cases {

struct DenseCase {
  Shape x, k;
};
// One tap, a kernel as large as the image, even sides, a row and a column of taps, a batch of none.
inline constexpr DenseCase dense_small[] = {
    {{1, 1, 1, 1}, {1, 1, 1, 1}},  {{2, 3, 5, 4}, {2, 1, 5, 4}},   {{3, 2, 9, 12}, {1, 1, 4, 3}},
    {{3, 2, 9, 12}, {3, 1, 2, 5}}, {{2, 1, 7, 70}, {2, 1, 1, 6}},  {{1, 2, 40, 6}, {1, 1, 7, 1}},
    {{0, 3, 8, 8}, {1, 1, 3, 3}},  {{2, 3, 90, 71}, {2, 1, 3, 4}},
};
inline constexpr DenseCase dense_unet[] = {{{1, 3, 260, 260}, {1, 1, 5, 5}},
                                           {{8, 3, 260, 260}, {8, 1, 5, 5}}};

}  // namespace tweedie::cases
