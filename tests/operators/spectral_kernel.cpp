// Kernels by the spectrum of photographs, on pictures drawn from that prior; and blind problems' rows.
#include "operators/spectral_kernel.hpp"

#include <array>
#include <cmath>
#include <numeric>

#include "engine/solvers/wiener.hpp"
#include "kernels/elementwise.hpp"
#include "operators/blind.hpp"
#include "operators/circular.hpp"
#include "operators/convolution.hpp"
#include "operators/kernel_haze.hpp"
#include "tests/operators/unknowns.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

using Values = std::vector<float>;

double width(const Values& kernel, int rows, int columns) {
  double square = 0, sum = 0;
  for (int i = 0; i < rows; ++i)
    for (int j = 0; j < columns; ++j) {
      const double k = kernel[std::size_t(i * columns + j)];
      sum += k;
      square += k * (std::pow(i - (rows - 1) / 2, 2) + std::pow(j - (columns - 1) / 2, 2));
    }
  return std::sqrt(0.5 * square / sum);
}

/// A picture of the prior with `contrast` times its power, blurred by a Gaussian, with noise of 0.02.
struct Blurred {
  Blurred(Device device, const Shape& shape, double sigma, float contrast)
      : context(device, 7), prior(context), s(shape), kernel(gaussian_kernel(17, sigma)) {
    Tensor x = prior.draw(s);
    axpby(context.queue, x, std::sqrt(contrast), x, 0.f, x);
    Convolution blur(context, Padding::circular);
    y = blur.forward(std::array{x, context.upload({1, 1, 17, 17}, kernel)});
    axpby(context.queue, y, 1.f, y, 0.02f, context.normal(s));
  }
  Context context;
  SpectrumPrior prior;
  Shape s;
  Values kernel;
  Tensor y;
};

}  // namespace

TEST_CASE("spectral kernel: a Gaussian's width is found, whatever the picture's contrast") {
  for (const double sigma : {1.0, 2.0})
    for (const float contrast : {0.5f, 1.f, 2.f}) {
      CAPTURE(sigma);
      CAPTURE(contrast);
      Blurred p(Device::cpu, {1, 3, 96, 80}, sigma, contrast);
      SpectralKernelOptions o;
      o.rows = o.columns = 17;
      const SpectralKernel found = spectral_kernel(p.context, p.prior, p.y, o);
      const Values k = p.context.download(found.kernel);
      MESSAGE("width ", width(k, 17, 17), " of ", sigma, ", contrast ", found.contrast, " of ", contrast);
      // What the haze takes with it makes kernels some 5 % too narrow; one picture's spectrum is noisy.
      CHECK(width(k, 17, 17) > 0.85 * sigma);
      CHECK(width(k, 17, 17) < 1.15 * sigma);
      // What the simplex cuts off counts as contrast, a quarter of it here.
      CHECK(found.contrast > 0.75 * double(contrast));
      CHECK(found.contrast < 1.33 * double(contrast));
      CHECK(std::accumulate(k.begin(), k.end(), 0.0) == doctest::Approx(1).epsilon(1e-5));
      for (int i = 0; i < 17 * 17; ++i)  // symmetric
        CHECK(k[std::size_t(i)] == doctest::Approx(k[std::size_t(288 - i)]).epsilon(1e-3));
    }
}

TEST_CASE("spectral kernel: backends agree; an even side's last line stays empty; refusals") {
  SpectralKernelOptions o;
  o.rows = 12, o.columns = 9, o.iterations = 5;
  Blurred on_cpu(Device::cpu, {1, 1, 24, 27}, 1.2, 1);
  const Values expected =
      on_cpu.context.download(spectral_kernel(on_cpu.context, on_cpu.prior, on_cpu.y, o).kernel);
  REQUIRE(expected.size() == 108);
  for (int j = 0; j < 9; ++j) CHECK(expected[std::size_t(99 + j)] == 0);
  for (const Device device : backends()) {
    Blurred p(device, {1, 1, 24, 27}, 1.2, 1);
    const Tensor y = p.context.upload(p.s, on_cpu.context.download(on_cpu.y));
    // FFTs of different orders, and a few steps that divide by what is small.
    check_close("kernel", p.context.download(spectral_kernel(p.context, p.prior, y, o).kernel), expected,
                1e-3);
  }
  o.rows = 25;
  CHECK_THROWS_WITH_AS(spectral_kernel(on_cpu.context, on_cpu.prior, on_cpu.y, o),
                       doctest::Contains("a kernel of 9 x 25 pixels for a picture of 27 x 24"), Error);
  o.rows = 9, o.sigma = 0;
  CHECK_THROWS_WITH_AS(spectral_kernel(on_cpu.context, on_cpu.prior, on_cpu.y, o),
                       doctest::Contains("expected positive numbers"), Error);
}

TEST_CASE("spectral mean: the general Wiener filter of the same kernel") {
  Blurred p(Device::cpu, {1, 3, 30, 27}, 1.5, 1);
  SpectralKernel known;
  known.kernel = p.context.upload({1, 1, 17, 17}, p.kernel);
  CircularBlur blur(p.context, known.kernel, Direction::correlate);
  const Estimate expected = wiener(p.context, blur, p.prior, p.y, p.s, 0.02, {}, 1e-7);
  // Conjugate gradients to 1e-7 of a system of condition 1e4.
  check_close("mean", p.context.download(spectral_mean(p.context, p.prior, p.y, known, 0.02)),
              p.context.download(expected.x), 1e-4);
  // Twice the contrast is a prior of twice the power.
  SpectrumParameters twice;
  for (double& power : twice.power) power *= 2;
  SpectrumPrior louder(p.context, twice);
  known.contrast = 2;
  check_close("contrast", p.context.download(spectral_mean(p.context, p.prior, p.y, known, 0.02)),
              p.context.download(wiener(p.context, blur, louder, p.y, p.s, 0.02, {}, 1e-7).x), 1e-4);
}

TEST_CASE("haze: what is faint, and what does not hang by the largest pixel, goes") {
  Values k{0.5f, 0,    0, 0.2f,   //
           0,    0.1f, 0, 0.04f,  //
           0,    0.1f, 0, 0.06f};
  HazeRemoval{0.1}(k, 3, 4);
  const Values expected{5 / 7.f, 0, 0, 0, 0, 1 / 7.f, 0, 0, 0, 1 / 7.f, 0, 0};
  check_close("kernel", k, expected, 1e-6);
  Values none(6, 0.f);
  HazeRemoval{0.1}(none, 2, 3);
  CHECK(none == Values(6, 0.f));
  // A spike beside a stroke: it counts as 0.4 / 3, so that a tenth of it leaves the stroke, which is heavier.
  Values spike{0.4f, 0,     0,     0,     0,      //
               0,    0,     0,     0,     0,      //
               0,    0.05f, 0.3f,  0.1f,  0.05f,  //
               0,    0,     0.05f, 0.03f, 0.012f};
  HazeRemoval{0.1}(spike, 4, 5);
  CHECK(spike[0] == 0);
  CHECK(spike[10 + 2] == doctest::Approx(0.3 / 0.58));
  CHECK(spike[15 + 3] == doctest::Approx(0.03 / 0.58));
  CHECK(spike[15 + 4] == 0);  // below a tenth of the stroke's 0.58 / 3
}

TEST_CASE("unknowns through crops: the corner is what is measured, the rest has no gradient") {
  for (const Device device : backends()) {
    Context context(device, 1, true);
    {
      const BlindOperator inner = make_blind_operator(context, "turbulence"),
                          tilted = make_blind_operator(context, "tilt");
      const auto op = on_crops(context, *inner.op, {{1, 3, 9, 11}, {1, 1, 4, 5}, {1, 2, 9, 11}});
      CHECK(op->unknowns() == 3);
      Values tilt = random_values(2 * 2 * 12 * 12, 3, 0.1f, 0.9f);
      const Several at{context,
                       *op,
                       {{2, 3, 12, 11}, {2, 1, 4, 8}, {2, 2, 12, 12}},
                       {random_values(2 * 3 * 12 * 11, 1), random_values(2 * 4 * 8, 2), tilt}};
      CHECK(at.measured() == Shape{2, 3, 9, 11});
      // The same corners by hand.
      const auto corner = [](const Values& x, int planes, int H, int W, int h, int w) {
        Values part;
        for (int p = 0; p < planes; ++p)
          for (int i = 0; i < h; ++i)
            for (int j = 0; j < w; ++j) part.push_back(x[std::size_t((p * H + i) * W + j)]);
        return part;
      };
      const Several cut{context,
                        *inner.op,
                        {{2, 3, 9, 11}, {2, 1, 4, 5}, {2, 2, 9, 11}},
                        {corner(at.values[0], 6, 12, 11, 9, 11), corner(at.values[1], 2, 4, 8, 4, 5),
                         corner(at.values[2], 4, 12, 12, 9, 11)}};
      check_equal("value", at.forward(), cut.forward());
      at.check_gradient("image", 0, 1e-6, 1);
      at.check_gradient("kernel", 1, 1e-6, 1);
      at.check_gradient("tilt", 2, 1e-3, 1e-3);
      CHECK_THROWS_AS(on_crops(context, *tilted.op, {{1, 3, 9, 11}}), Error);
    }
    CHECK(context.pool.damaged_guards() == 0);
    CHECK(context.pool.in_use() == 0);
  }
}

TEST_CASE("blind rows: kernels are drawn as their settings say") {
  Context context(Device::cpu, 1);
  const BlindRow& row = *blind_blur_kind.blind;
  Settings s("operator blind_blur", blind_blur_kind.settings);
  s.set("kernel_size", std::int64_t(16));
  const auto draw = [&] { return context.download(row.draw(context, s, "kernel", {1, 3, 20, 20})); };
  const Values first = draw();
  s.set("seed", std::uint64_t(2));
  CHECK(draw() != first);
  s.set("kernel", std::string("gaussian"));
  s.set("intensity", 1.5);
  const Values gaussian = draw();
  CHECK(gaussian == gaussian_kernel(16, 1.5));
  // The later middle of an even side, as in the BlindDPS repository; the ratio of neighbours is exp(-1/(2
  // s^2)).
  CHECK(std::max_element(gaussian.begin(), gaussian.end()) - gaussian.begin() == 8 * 16 + 8);
  CHECK(gaussian[8 * 16 + 9] / gaussian[8 * 16 + 8] == doctest::Approx(std::exp(-0.5 / 2.25)).epsilon(1e-5));
  CHECK(std::accumulate(gaussian.begin(), gaussian.end(), 0.0) == doctest::Approx(1).epsilon(1e-5));
  s.set("kernel", std::string("motion"));
  CHECK_THROWS_WITH_AS(draw(), doctest::Contains("intensity 1.5 of a motion kernel"), Error);
  Settings t("operator turbulence", turbulence_kind.settings);
  CHECK((turbulence_kind.blind->shape(t, "tilt", {1, 3, 20, 18}) == Shape{1, 2, 20, 18}));
  CHECK((turbulence_kind.blind->shape(t, "kernel", {1, 3, 20, 18}) == Shape{1, 1, 64, 64}));
}
