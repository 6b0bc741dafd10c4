// The cost of a pass, beside a count by hand.
#include "layers/unet_cost.hpp"

#include <doctest/doctest.h>

namespace tweedie {
namespace {

// One level of 32 channels at 8 x 8, one residual block (so two on the way up), RGB in and out. The middle
// has attention always. RGB is padded to 16 channels.
UNetConfig small() {
  UNetConfig c;
  c.image_size = 8;
  c.model_channels = 32;
  c.channel_mult = {1};
  c.num_res_blocks = 1;
  c.attention_resolutions = {};
  return c;
}

TEST_CASE("cost of a pass through a U-Net: convolutions and attention counted by hand") {
  constexpr double pixels = 64;
  double per_pixel = 9 * 16 * 32;                          // the first convolution
  per_pixel += 9 * 2 * 32 * 32;                            // a block on the way down
  per_pixel += 2 * (9 * 2 * 32 * 32) + 32 * 96 + 32 * 32;  // two in the middle, attention between
  per_pixel += 2 * (9 * 64 * 32 + 9 * 32 * 32 + 64 * 32);  // two on the way up, of 32 + 32 channels
  per_pixel += 9 * 32 * 16;                                // the last
  const double attention = 2 * pixels * pixels * 32;       // Q K^T and its product with V
  const PassCost cost = forward_cost(small(), {1, 3, 8, 8});
  CHECK(cost.operations == 2 * (pixels * per_pixel + attention));

  double weights = 0, maps = 0;
  for (const auto& [problem, times] : convolutions_of(small(), {1, 3, 8, 8})) {
    weights += times * double(problem.g.in) * problem.g.out * problem.g.taps();
    maps += times * double(problem.x.size() + problem.y().size());
  }
  CHECK(weights == per_pixel);  // each weight is used once a pixel
  // Channels in and out: of the first, 6 of 32 to 32, of attention, of two blocks with skips, of the last.
  CHECK(maps == pixels * (16 + 32 + 8 * 64 + 32 + 96 + 64 + 2 * (96 + 96) + 32 + 16));
  CHECK(cost.bytes == 4 * (weights + maps + 4 * 32 * pixels + 2 * pixels * pixels));
}

TEST_CASE("cost of a pass: a batch does as much more, weights are read once") {
  const PassCost one = forward_cost(small(), {1, 3, 8, 8}), three = forward_cost(small(), {3, 3, 8, 8});
  CHECK(three.operations == 3 * one.operations);
  CHECK(three.bytes < 3 * one.bytes);
  CHECK(one.seconds(one.operations, 1e300) == 1);
  CHECK(one.seconds(1e300, one.bytes / 2) == 2);
}

}  // namespace
}  // namespace tweedie
