#include "engine/spectrum_prior.hpp"

#include <cmath>
#include <complex>
#include <numbers>

#include "tests/support/support.hpp"

using namespace tweedie;

namespace {

// eps by the definition, with naive DFTs in double: rotate colours, weigh modes, rotate back.
std::vector<double> naive_eps(const std::vector<float>& x, Shape s, double abar,
                              const SpectrumParameters& p) {
  using C = std::complex<double>;
  const double l = 1 / std::sqrt(3.0), y = 1 / std::sqrt(6.0), r = 1 / std::sqrt(2.0);
  const double rotation[3][3] = {{l, l, l}, {y, y, -2 * y}, {r, -r, 0}};
  const std::size_t plane = std::size_t(s.plane());
  std::vector<double> out(x.size(), 0.0);
  for (int k = 0; k < s.C; ++k) {
    std::vector<double> opponent(plane, 0.0);
    for (std::size_t i = 0; i < plane; ++i)
      for (int c = 0; c < s.C; ++c)
        opponent[i] += (s.C == 1 ? 1 : rotation[k][c]) * x[std::size_t(c) * plane + i];
    for (int u = 0; u < s.H; ++u)
      for (int v = 0; v < s.W; ++v) {
        C mode = 0;
        for (int h = 0; h < s.H; ++h)
          for (int w = 0; w < s.W; ++w)
            mode += opponent[std::size_t(h * s.W + w)] *
                    std::polar(1.0, -2 * std::numbers::pi * (double(u) * h / s.H + double(v) * w / s.W));
        const double fu = double(std::min(u, s.H - u)) / s.H, fv = double(std::min(v, s.W - v)) / s.W;
        const double power = (s.C == 1 ? p.power[0] / 3 : p.power[k]) *
                             std::pow(fu * fu + fv * fv + p.corner * p.corner, -p.slope / 2);
        mode *= std::sqrt(1 - abar) / (abar * power + 1 - abar) / double(plane);
        for (int h = 0; h < s.H; ++h)
          for (int w = 0; w < s.W; ++w) {
            const double value =
                (mode * std::polar(1.0, 2 * std::numbers::pi * (double(u) * h / s.H + double(v) * w / s.W)))
                    .real();
            for (int c = 0; c < s.C; ++c)
              out[std::size_t(c) * plane + std::size_t(h * s.W + w)] +=
                  (s.C == 1 ? 1 : rotation[k][c]) * value;
          }
      }
  }
  return out;
}

}  // namespace

TEST_CASE("spectrum prior: eps is the posterior mean of the noise, by the definition") {
  const SpectrumParameters parameters;
  for (const Device device : test::backends())
    for (const Shape s : {Shape{1, 3, 12, 10}, Shape{1, 1, 7, 9}, Shape{1, 3, 5, 8}}) {
      Context context(device);
      SpectrumPrior prior(context, parameters);
      const std::vector<float> x = test::random_values(s.size(), 3);
      for (const double abar : {0.999, 0.5, 0.01}) {
        const std::vector<float> got = context.download(prior.forward(context.upload(s, x), {0, abar}).eps);
        // Two FFTs and two rotations in float: a few ulp each.
        test::check_close(message("eps at ", s, ", abar ", abar), got, naive_eps(x, s, abar, parameters),
                          3e-6);
      }
    }
}

TEST_CASE("spectrum prior: backward is the adjoint") {
  for (const Device device : test::backends()) {
    Context context(device);
    SpectrumPrior prior(context);
    const Shape s{2, 3, 40, 56};
    const NoiseLevel level{500, 0.3};
    const auto eps = [&](const std::vector<float>& x) {
      return context.download(prior.forward(context.upload(s, x), level).eps);
    };
    const auto pull = [&](const std::vector<float>& w) {
      const std::unique_ptr<Saved> saved = prior.make_saved();
      prior.forward(context.upload(s, w), level, saved.get());
      return context.download(prior.backward(context.upload(s, w), *saved));
    };
    test::check_vjp("spectrum prior", eps, pull, test::random_values(s.size(), 5), 1e-4, 1.0);
  }
}

TEST_CASE("spectrum prior: filters, draws and other levels leave a saved state alone") {
  for (const Device device : test::backends()) {
    Context context(device, 2);
    SpectrumPrior prior(context);
    const Shape s{2, 3, 9, 12};
    const Tensor x = context.upload(s, test::random_values(s.size(), 5));
    const std::unique_ptr<Saved> saved = prior.make_saved(), other = prior.make_saved();
    prior.forward(x, {500, 0.3}, saved.get());
    const std::vector<float> before = context.download(prior.backward(x, *saved));
    prior.filter(x, prior.upload_gain(s, std::vector<float>(3 * 9 * 7, 2.f)));
    prior.draw(s);
    prior.forward(x, {100, 0.9}, other.get());
    test::check_equal("backward", context.download(prior.backward(x, *saved)), before);
    CHECK(context.download(prior.backward(x, *other)) != before);
    CHECK_THROWS_WITH_AS(prior.upload_gain(s, {1.f}), "spectrum filter: 1 gains, expected 189", Error);
    CHECK_THROWS_AS(prior.filter(x, prior.upload_gain({1, 1, 9, 12}, std::vector<float>(63, 1.f))), Error);
  }
}

TEST_CASE("spectrum prior: draws have the variance the spectrum says") {
  Context context(Device::cpu, 11);
  SpectrumPrior prior(context);
  const Shape s{64, 3, 16, 16};
  const std::vector<double> spectrum = prior.spectrum({1, 3, 16, 16});
  double expected =
      0;  // sum over channels of the mean power, each half-spectrum mode counted with its mirror
  for (int c = 0; c < 3; ++c)
    for (int h = 0; h < 16; ++h)
      for (int w = 0; w < 9; ++w)
        expected += spectrum[std::size_t((c * 16 + h) * 9 + w)] * (w == 0 || w == 8 ? 1 : 2) / 256;
  double power = 0;
  for (const float value : context.download(prior.draw(s))) power += double(value) * value;
  power /= 64.0 * 256;
  // Most of the variance sits in a few low modes: 64 draws know it to about 15 %.
  CHECK(power == doctest::Approx(expected).epsilon(0.4));
}
