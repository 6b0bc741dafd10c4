// LPIPS and Inception: derivatives, batches, what they refuse. Their values are held to recorded ones by
// tweedie-verify.
#include "layers/inception.hpp"
#include "layers/lpips.hpp"
#include "tests/support/support.hpp"
#include "weights/random_source.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

struct Case {
  LpipsVariant variant;
  Shape image;
};
const Case cases[] = {{{Trunk::alex}, {2, 3, 35, 32}},
                      {{Trunk::vgg}, {1, 3, 17, 16}},
                      {{Trunk::vgg, TrunkPooling::average}, {1, 3, 18, 16}},
                      {{Trunk::squeeze, TrunkPooling::maximum, {0, 1e-8f}}, {2, 3, 21, 26}}};

Lpips filled(Context& context, const LpipsVariant& variant) {
  FilledSource source;
  return Lpips(context, WeightScope(source), WeightScope(source), variant);
}

std::vector<float> floats(const std::vector<double>& values) { return {values.begin(), values.end()}; }

}  // namespace

TEST_CASE("LPIPS's gradient is its derivative") {
  for (const Device device : backends())
    for (const Case& c : cases) {
      Context context(device);
      const Lpips lpips = filled(context, c.variant);
      const Tensor b = context.upload(c.image, random_values(c.image.size(), 2));
      const std::vector<float> a = random_values(c.image.size(), 1);
      // A longer step crosses kinks of ReLUs and maxima. A distance of 1e-2 is known to 1e-9 in float32,
      // which is 3e-7 of a slope of 5e-5 over this step: half a hundredth.
      check_vjp(
          message(name(device), " lpips ", name(c.variant.trunk), " ", c.image),
          [&](const std::vector<float>& x) { return floats(lpips.forward(context.upload(c.image, x), b)); },
          [&](const std::vector<float>& w) {
            Lpips::Saved saved;
            (void)lpips.forward(context.upload(c.image, a), b, &saved);
            return context.download(lpips.backward(std::vector<double>(w.begin(), w.end()), saved));
          },
          a, 1e-2, 2e-3);
    }
}

TEST_CASE("LPIPS: samples of a batch do not mix, two evaluations live at once, equal images are at 0") {
  for (const Device device : backends()) {
    Context context(device);
    const Lpips lpips = filled(context, {Trunk::alex});
    const Shape one{1, 3, 33, 40}, two{2, 3, 33, 40};
    const std::vector<float> a = random_values(two.size(), 3), b = random_values(two.size(), 4);
    const auto part = [&](const std::vector<float>& all, int n) {
      return context.upload(
          one, std::vector<float>(all.begin() + n * one.size(), all.begin() + (n + 1) * one.size()));
    };
    Lpips::Saved first, second;
    const double d0 = lpips.forward(part(a, 0), part(b, 0), &first).at(0);
    const double d1 = lpips.forward(part(a, 1), part(b, 1), &second).at(0);
    const std::vector<double> both = lpips.forward(context.upload(two, a), context.upload(two, b));
    CHECK(both.at(0) == doctest::Approx(d0).epsilon(1e-5));
    CHECK(both.at(1) == doctest::Approx(d1).epsilon(1e-5));
    const std::vector<double> unit{1};
    const std::vector<float> g0 = context.download(lpips.backward(unit, first));
    Lpips::Saved again;
    (void)lpips.forward(part(a, 0), part(b, 0), &again);
    check_equal("the first gradient", g0, context.download(lpips.backward(unit, again)));
    CHECK(lpips.forward(part(a, 0), part(a, 0)).at(0) == 0);
  }
}

TEST_CASE("LPIPS refuses what it cannot look at") {
  Context context(Device::cpu);
  const Lpips lpips = filled(context, {Trunk::squeeze});
  const auto of = [&](Shape x, Shape y) { (void)lpips.forward(context.normal(x), context.normal(y)); };
  CHECK_THROWS_WITH_AS(of({1, 3, 20, 20}, {1, 3, 20, 21}),
                       "LPIPS of images (1, 3, 20, 20) and (1, 3, 20, 21): expected the same shape", Error);
  CHECK_THROWS_WITH_AS(of({1, 1, 20, 20}, {1, 1, 20, 20}), "LPIPS takes images of 3 channels, not 1", Error);
  CHECK_THROWS_WITH_AS(of({1, 3, 20, 16}, {1, 3, 20, 16}),
                       "LPIPS: an image of 16x20 pixels; this network takes sides of 17 and more", Error);
  of({1, 3, 17, 17}, {1, 3, 17, 17});
  CHECK_THROWS_WITH_AS(filled(context, {Trunk::alex, TrunkPooling::average}),
                       "LPIPS: average pooling is vgg's alone, not alex's", Error);
  CHECK_THROWS_WITH_AS(parse_trunk("resnet"), "LPIPS has no network 'resnet', expected alex, vgg or squeeze",
                       Error);
  for (const Trunk trunk : {Trunk::alex, Trunk::vgg}) {  // the least sides are enough
    const Lpips other = filled(context, {trunk});
    const int side = other.trunk().least_side();
    CHECK(other.forward(context.normal({1, 3, side, side}), context.normal({1, 3, side, side})).at(0) > 0);
  }
}

TEST_CASE("Inception: samples of a batch do not mix; only 299x299 RGB is taken") {
  Context context(Device::cpu);
  FilledSource source;
  const Inception inception(context, WeightScope(source));
  const Shape one{1, 3, 299, 299}, two{2, 3, 299, 299};
  const std::vector<float> x = random_values(two.size(), 5);
  const std::vector<float> both = context.download(inception.forward(context.upload(two, x)));
  const std::vector<float> second = context.download(
      inception.forward(context.upload(one, {x.data() + one.size(), std::size_t(one.size())})));
  // Other blocks of a convolution's sum: two orders of float32 additions through 94 layers.
  check_close("features of the second sample", std::vector<float>(both.begin() + 2048, both.end()),
              std::vector<float>(second), 1e-5);
  CHECK_THROWS_WITH_AS(inception.forward(context.normal({1, 3, 256, 256})),
                       "Inception takes images of 3 channels and 299x299 pixels, not (1, 3, 256, 256)",
                       Error);
}
