// Networks that keep their maps as bf16, and how much memory a step takes.
#include <cmath>

#include "tests/layers/small_unets.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

double length(const std::vector<float>& x) {
  double sum = 0;
  for (const float value : x) sum += double(value) * value;
  return std::sqrt(sum);
}

double relative_difference(const std::vector<float>& x, const std::vector<float>& y) {
  std::vector<float> difference = x;
  for (std::size_t i = 0; i < x.size(); ++i) difference[i] -= y[i];
  return length(difference) / length(y);
}

// Maps of a batch of full resolution that fill what a forward and a backward pass take at a time, weights and
// images aside.
double peak_maps(Precision precision, int samples, bool checkpoint = false) {
  UNetConfig config;
  config.image_size = 64;
  config.model_channels = 32;
  config.channel_mult = {1, 1, 2, 2};
  config.num_res_blocks = 1;
  config.attention_resolutions = {};
  config.resblock_updown = true;
  TestSource source;
  Context context(Device::cpu);
  context.queue.set_precision(precision);
  context.checkpoint = checkpoint;
  UNet net(context, WeightScope(source), config);
  const Shape shape{samples, 3, 64, 64};
  const Tensor x = context.normal(shape);
  const std::vector<float> t(std::size_t(samples), 300.f);
  const std::size_t before = context.pool.in_use();
  context.pool.reset_peak();
  const std::unique_ptr<Saved> saved = net.make_saved();
  const Tensor y = net.forward(x, t, saved.get());
  net.backward(x, *saved);
  return double(context.pool.peak() - before) / (samples * 32. * 64 * 64 * 4);
}

}  // namespace

TEST_CASE("in bf16 a network's output and gradient differ from fp32 by the rounding of its maps") {
  for (const Device device : backends())
    for (const NamedConfig& each : small_unets()) {
      CAPTURE(std::string(name(device)));
      CAPTURE(each.name);
      SmallUNet wide(device, each.config), stored(device, each.config);
      stored.context.queue.set_precision(Precision::bf16);
      stored.context.queue.set_multiplied(Precision::fp32);
      const Shape shape{2, each.config.in_channels, 16, 24};
      const std::vector<float> x = random_values(shape.size(), 5), t{10, 427};
      wide.label(2, 3);
      stored.label(2, 3);
      const std::vector<float> y = wide.forward(x, shape, t);
      const std::vector<float> w = random_values(std::int64_t(y.size()), 6);
      // One rounding is 2^-9 at most and 2^-10.4 in the root mean square. Some 25 maps in a row, whose errors
      // add up as their squares do, make 4e-3; networks differ in how they weigh them.
      const double forward = relative_difference(stored.forward(x, shape, t), y);
      CHECK(forward < 1.5e-2);
      CHECK(forward > 2e-4);
      const double backward =
          relative_difference(stored.pull_back(x, shape, t, w), wide.pull_back(x, shape, t, w));
      // Each of the Jacobians that the gradient passes through is off by as much as what it is taken at.
      CHECK(backward < 5e-2);
      CHECK(backward > 2e-4);
    }
}

// What a step takes decides how large an image may be. The moment that takes most is the way back through the
// first convolution of the last block: of full resolution seven maps are kept by then (the first layer's, two
// blocks' going down, the doubling block's inner one, and what the last two blocks read and made), and there
// are dy, dh, and the gradient by the two maps that the block reads: 11 in fp32, 3.5 + 1 + 0.5 + 2 in bf16.
// The lower levels have the rest.
TEST_CASE("a step holds no more maps at a time than it needs") {
  Queue q(Device::cpu);
  q.set_precision(Precision::bf16);
  // Elsewhere dh is fp32.
  const bool reads = convolution_operand(q, {32, 32, 3, 1, 1}, {1, 32, 64, 64}, true) == Storage::bf16;
  for (const int samples : {1, 2}) {
    CAPTURE(samples);
    CHECK(peak_maps(Precision::fp32, samples) < 16);  // 15.74
    // Three of the seven maps are made again.
    CHECK(peak_maps(Precision::fp32, samples, true) < 10.7);  // 10.50
    if (!reads) continue;
    CHECK(peak_maps(Precision::bf16, samples) < 9.6);        // 9.43
    CHECK(peak_maps(Precision::bf16, samples, true) < 7.0);  // 6.81
  }
}

TEST_CASE("what is made again on the way back has the same bits") {
  for (const Device device : backends())
    for (const NamedConfig& each : small_unets())
      for (const Precision precision : {Precision::fp32, Precision::bf16}) {
        CAPTURE(std::string(name(device)));
        CAPTURE(each.name);
        SmallUNet keeping(device, each.config), again(device, each.config);
        again.context.checkpoint = true;
        for (SmallUNet* each_net : {&keeping, &again}) {
          each_net->context.queue.set_precision(precision);
          each_net->label(2, 3);
        }
        const Shape shape{2, each.config.in_channels, 16, 24};
        const std::vector<float> x = random_values(shape.size(), 5), t{10, 427};
        const std::vector<float> w = random_values(shape.size(), 6);
        check_equal("gradient", again.pull_back(x, shape, t, w), keeping.pull_back(x, shape, t, w));
      }
}
