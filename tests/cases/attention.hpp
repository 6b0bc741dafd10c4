// Rows of attention: samples, heads of c channels, H x W pixels. See tests/cases/cases.hpp.
#pragma once

#include "kernels/attention.hpp"
#include "tests/cases/cases.hpp"

namespace tweedie::cases {

struct AttentionCase {
  int N, heads, c, H, W;
  bool new_order;
  Shape y() const { return {N, heads * c, H, W}; }
  Shape qkv() const { return {N, 3 * heads * c, H, W}; }
  AttentionForm form() const { return {heads, new_order}; }
};
// Tiles on CUDA are of 32 pixels and 64 channels, two of those to a slice; blocks on the CPU of 128 rows.
inline constexpr AttentionCase attentions_small[] = {
    {1, 1, 1, 1, 1, false},  {2, 3, 5, 3, 7, true},   {2, 2, 32, 4, 8, false},   {1, 2, 33, 5, 7, true},
    {1, 2, 64, 1, 3, false}, {2, 1, 68, 3, 11, true}, {1, 1, 131, 3, 12, false}, {0, 2, 8, 4, 4, false},
    {3, 2, 4, 1, 65, false}, {1, 1, 2, 17, 20, true}, {1, 1, 516, 1, 3, false},
};
inline constexpr AttentionCase attentions_unet[] = {
    {1, 8, 64, 16, 16, false}, {4, 8, 64, 16, 16, false},  {1, 8, 64, 8, 8, false},
    {1, 8, 64, 32, 32, false}, {1, 16, 64, 16, 16, false}, {1, 16, 64, 8, 8, false},
};

}  // namespace tweedie::cases
