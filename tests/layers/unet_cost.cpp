// The cost of a pass, beside a count by hand.
#include "layers/unet_cost.hpp"

#include <doctest/doctest.h>

#include <map>
#include <string>

#include "layers/step_ops.hpp"

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
  CHECK(cost.bytes == 4 * (weights + maps + 4 * 32 * pixels));
}

TEST_CASE("cost of a pass: a batch does as much more, weights are read once") {
  const PassCost one = forward_cost(small(), {1, 3, 8, 8}), three = forward_cost(small(), {3, 3, 8, 8});
  CHECK(three.operations == 3 * one.operations);
  CHECK(three.bytes < 3 * one.bytes);
  CHECK(one.seconds(one.operations, 1e300) == 1);
  CHECK(one.seconds(1e300, one.bytes / 2) == 2);
}

TEST_CASE("the kernels of a step, counted by hand") {
  const Shape image{1, 3, 8, 8};
  const std::vector<StepOp> ops = step_ops(small(), image, true);
  int forward = 0, backward = 0, biases = 0;
  std::map<std::string, int> kernels;
  for (const StepOp& op : ops) {
    (op.backward ? backward : forward) += 1;
    kernels[op.kernel] += 1;
    biases += op.bias;
  }
  // The timestep 6 (sinusoids, two maps each with its SiLU, one projection for all blocks), the image's
  // layout, the first convolution; a block: norm, convolution, the embedding added, norm, convolution;
  // attention: norm, queries and so on, the heads, projection; on the way up a convolution for the
  // residual, of two maps. Residuals are added by the norms that follow. The head 3.
  CHECK(forward == 6 + 1 + 1 + 5 + (5 + 4 + 5) + 2 * 6 + 3);
  // The head 3; on the way up three convolutions and two norms a block; attention: two
  // convolutions, a norm, the heads; the first convolution, the image's layout. The gradients of
  // the two connections are added by norms on the way.
  CHECK(backward == 3 + 2 * 5 + (4 + 4 + 4) + 4 + 1 + 1);
  CHECK(kernels["convolution"] + kernels["convolution_of_parts"] == kernels["convolution_backward_data"]);
  CHECK(kernels["convolution_of_parts"] == 2);
  CHECK(kernels["group_norm"] == 12);
  CHECK(kernels["group_norm_backward"] == 12);
  CHECK(kernels["attention"] == 1);
  CHECK(kernels["attention_backward"] == 1);
  CHECK(step_ops(small(), {3, 3, 8, 8}, true).size() == ops.size());  // no op takes samples one by one
  CHECK(kernels["linear_maps"] == 3);
  // Attention's queries and the head; all others leave theirs to a norm.
  CHECK(biases == 1 + 1);
  // In layouts of blocks attention converts q, k, v and what it mixed, both ways; the first convolution and
  // the two residuals of other widths add their biases themselves.
  const std::vector<StepOp> blocked = step_ops(small(), image, false);
  CHECK(blocked.size() == ops.size() + 4);
  biases = 0;
  for (const StepOp& op : blocked) biases += op.bias;
  CHECK(biases == 1 + 1 + 3);
}

TEST_CASE("the kernels of a step: what they read and write") {
  double norms = 0, forward = 0, added = 0, projected = 0;
  std::map<int, int> pluses, splits;
  for (const StepOp& op : step_ops(small(), {1, 3, 8, 8}, true)) {
    if (op.kernel == "group_norm_backward") {
      norms += op.maps;
      pluses[op.pluses] += 1;
    }
    if (op.kernel == "group_norm") forward += op.maps;
    if (op.kernel == "axpby" || op.kernel == "add_bias") added += op.maps;
    splits[op.split] += 1;
    if (op.kernel == "linear_maps") projected += op.parameters;
  }
  constexpr double map = 64 * 32;
  // Norms of 32 channels: the head's and the blocks' second ones read dy and x and write dx, the first ones
  // and attention's read what is added, too; the first ones on the way up have 64 channels.
  CHECK(pluses == std::map<int, int>{{0, 6}, {1, 4}, {2, 2}});
  CHECK(norms == map * (3 + 5 * 3 + 3 * 4 + 4 + 2 * 2 * 4 + 2));
  // Going forward, a block's second norm and the head's read a map and write one. All others write
  // their sum, too: the first block's is a map and a bias, the middle's three two maps; on the way up they
  // read two maps as one, of which the first is a sum, of two the first time.
  CHECK(forward == map * (6 * 2 + 3 + 3 * 4 + 6 + 5));
  CHECK(added == map * 5 * 2);  // five embeddings
  CHECK(splits[32] == 3 * 2);   // the two are put side by side for the skip's convolution
  CHECK(projected == 32 * 128 + 128 * 128 + 128 * (5 * 32));
}

}  // namespace
}  // namespace tweedie
