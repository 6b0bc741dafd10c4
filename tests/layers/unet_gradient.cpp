// The input gradient of whole networks, and what must not change it: batches, inference.
#include "tests/layers/small_unets.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

// Not square, and a multiple of the largest stride, 4.
constexpr int H = 16, W = 24;

struct Point {
  Shape shape;
  std::vector<float> x, t;
};

Point point(const UNetConfig& config, int samples) {
  const Shape shape{samples, config.in_channels, H, W};
  std::vector<float> t;
  for (int n = 0; n < samples; ++n) t.push_back(float(10 + 417 * n));
  return {shape, random_values(shape.size(), 5), t};
}

std::vector<float> part(const std::vector<float>& all, int n, int samples) {
  const auto each = std::ptrdiff_t(all.size()) / samples;
  return {all.begin() + n * each, all.begin() + (n + 1) * each};
}

}  // namespace

TEST_CASE("the input gradient is the derivative, in every branch") {
  for (const Device device : backends())
    for (const NamedConfig& each : small_unets()) {
      CAPTURE(std::string(name(device)));
      CAPTURE(each.name);
      SmallUNet unet(device, each.config);
      const Point p = point(each.config, 2);
      unet.label(2, 3);
      const auto f = [&](const std::vector<float>& x) { return unet.forward(x, p.shape, p.t); };
      const auto vjp = [&](const std::vector<float>& w) { return unet.pull_back(p.x, p.shape, p.t, w); };
      // In float32 the difference quotient is off by rounding, ~1/h, and by curvature, ~h^2. Measured: equal
      // near h = 4e-3, where they come to at most 5e-4.
      check_vjp(each.name, f, vjp, p.x, 1.5e-3, 4e-3);
    }
}

TEST_CASE("a cotangent of the first channels alone is one with zeros in the others") {
  for (const Device device : backends()) {
    CAPTURE(std::string(name(device)));
    const NamedConfig each = small_unets()[1];
    REQUIRE(each.config.learn_sigma());
    SmallUNet unet(device, each.config);
    const Point p = point(each.config, 1);
    const std::vector<float> first = random_values(p.shape.size(), 8);
    std::vector<float> all = first;
    all.resize(2 * first.size(), 0.f);
    check_equal("gradient of eps alone", unet.pull_back(p.x, p.shape, p.t, first),
                unet.pull_back(p.x, p.shape, p.t, all));
  }
}

TEST_CASE("the prediction is the output, split in two where the variance is learned") {
  for (const Device device : backends())
    for (const NamedConfig& each : {small_unets()[0], small_unets()[1]}) {
      CAPTURE(std::string(name(device)));
      CAPTURE(each.name);
      SmallUNet unet(device, each.config);
      const Point p = point(each.config, 2);
      const std::vector<float> t(2, 321.f);
      const NoiseLevel level{.timestep = 321, .alphas_cumprod = 0.5};
      const std::vector<float> out = unet.forward(p.x, p.shape, t);
      const Tensor x = unet.context.upload(p.shape, p.x);
      const std::unique_ptr<Saved> saved = unet.net->make_saved();
      const Prediction inference = unet.net->forward(x, level);
      const Prediction saving = unet.net->forward(x, level, saved.get());
      REQUIRE(bool(inference.v) == each.config.learn_sigma());
      for (const Prediction* prediction : {&inference, &saving}) {
        std::vector<float> joined;
        const std::vector<float> eps = unet.context.download(prediction->eps);
        const std::vector<float> v =
            prediction->v ? unet.context.download(prediction->v) : std::vector<float>();
        for (int n = 0; n < 2; ++n)
          for (const std::vector<float>* half : {&eps, &v}) {
            const std::vector<float> sample = part(*half, n, 2);
            joined.insert(joined.end(), sample.begin(), sample.end());
          }
        check_equal("eps and v", joined, out);
      }
      const std::vector<float> w = random_values(p.shape.size(), 8);
      const std::vector<float> gradient =
          unet.context.download(unet.net->backward(unet.context.upload(p.shape, w), *saved));
      check_equal("gradient", gradient, unet.pull_back(p.x, p.shape, t, w));
    }
}

TEST_CASE("a batch of three is three batches of one") {
  for (const Device device : backends())
    for (const NamedConfig& each : small_unets()) {
      CAPTURE(std::string(name(device)));
      CAPTURE(each.name);
      SmallUNet unet(device, each.config);
      const Point p = point(each.config, 3);
      Shape one = p.shape, out_shape = p.shape;
      one.N = 1;
      out_shape.C = each.config.out_channels;
      const std::vector<float> w = random_values(out_shape.size(), 9);
      unet.label(3, 2);
      const std::vector<float> together = unet.forward(p.x, p.shape, p.t);
      const std::vector<float> gradients = unet.pull_back(p.x, p.shape, p.t, w);
      for (int n = 0; n < 3; ++n) {
        unet.label(1, 2 + n);
        const std::vector<float> x = part(p.x, n, 3), t = part(p.t, n, 3);
        check_close("output", part(together, n, 3), unet.forward(x, one, t), 2e-5);
        check_close("gradient", part(gradients, n, 3), unet.pull_back(x, one, t, part(w, n, 3)), 2e-5);
      }
    }
}

TEST_CASE("inference gives the bits of the pass that keeps what the gradient needs, every time") {
  for (const Device device : backends())
    for (const NamedConfig& each : small_unets()) {
      CAPTURE(std::string(name(device)));
      CAPTURE(each.name);
      SmallUNet unet(device, each.config);
      const Point p = point(each.config, 2);
      unet.label(2);
      const std::vector<float> inference = unet.forward(p.x, p.shape, p.t);
      check_equal("saved", unet.saving_forward(p.x, p.shape, p.t), inference);
      check_equal("again", unet.forward(p.x, p.shape, p.t), inference);
      const std::vector<float> w = random_values(std::int64_t(inference.size()), 9);
      check_equal("gradient again", unet.pull_back(p.x, p.shape, p.t, w),
                  unet.pull_back(p.x, p.shape, p.t, w));
    }
}

TEST_CASE("a network and its gradient leave no memory behind, whatever ran before") {
  for (const Device device : backends()) {
    CAPTURE(std::string(name(device)));
    SmallUNet unet(device, small_unets()[0].config);
    const std::size_t weights = unet.context.pool.in_use();
    const Point p = point(unet.config(), 2);
    const std::vector<float> w = random_values(p.shape.size(), 9);
    unet.pull_back(p.x, p.shape, p.t, w);
    CHECK(unet.context.pool.in_use() == weights);
    unet.forward(p.x, p.shape, p.t);
    unet.saving_forward(p.x, p.shape, p.t);  // no backward takes what it kept
    const std::vector<float> after = unet.pull_back(p.x, p.shape, p.t, w);
    CHECK(unet.context.pool.in_use() == weights);
    check_equal("gradient", after, unet.pull_back(p.x, p.shape, p.t, w));
  }
}
