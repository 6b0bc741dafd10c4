// The shapes each op is tested and timed with, as plain data: tests run the `_small` rows, the bench runs the
// `_unet` rows. An op's rows are in the file of its name here, so that both see them.
//
// Small rows are the awkward ones: odd H*W, one pixel, batch 3, H != W, one group, b = 1, 16 and C, and a
// batch of none. The others are what occurs around and inside the two published 256x256 guided-diffusion
// U-Nets: FFHQ (128 channels, one residual block per level, 64 per head, attention at 16x16 and 8x8) and
// ImageNet (256 channels, two blocks, attention at 32x32, 16x16 and 8x8).
#pragma once

#include "kernels/convolution.hpp"
#include "kernels/view.hpp"

namespace tweedie::cases {

/// As a row's b: the block convolutions of the backend want for that many channels.
inline constexpr int backend_block = 0;
inline int block(Device device, int b, int channels) {
  return b == backend_block ? convolution_block(device, channels) : b;
}

}  // namespace tweedie::cases
