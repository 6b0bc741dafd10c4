// Guidance by gradients, beside plain DPS: each step against its definition, on both backends, for batches.
#include "engine/guidance_poisson.hpp"
#include "kernels/elementwise.hpp"
#include "tests/engine/guidance_case.hpp"

using namespace tweedie;
using namespace tweedie::test;

TEST_CASE("the Poisson step is zeta times the gradient of the weighted misfit, for each sample") {
  for (const Device device : backends()) {
    GuidanceCase c(device);
    const std::vector<float> x = random_values(c.image.size(), 2, -2, 2);
    const auto step_at = [&](const std::vector<float>& at, std::vector<double>* misfit) {
      const Tensor state = c.context.upload(c.image, at);
      Step step = c.at(state);
      Likelihood counts(c.context, c.op, c.y, {.photon_rate = 0.1});
      PoissonGuidance guidance(c.context, counts, 0.5);
      Tensor zero = c.context.planar(c.image);
      fill(c.context.queue, zero, 0);
      const Tensor next = guidance.apply(step, std::move(zero));
      if (misfit) *misfit = c.context.download(guidance.distance_squared());
      return c.context.download(next);
    };
    std::vector<double> misfit;
    const std::vector<float> moved = step_at(x, &misfit);
    {  // r' Lambda r by its definition, in photons
      const Tensor state = c.context.upload(c.image, x);
      Step step = c.at(state);
      const std::vector<float> a = c.context.download(c.op.forward(step.x0)), y = c.context.download(c.y);
      double sum = 0;
      for (std::size_t i = 0; i < a.size() / 2; ++i) {
        const double counted = 12.75 * (double(y[i]) + 1), expected = 12.75 * (double(a[i]) + 1);
        sum += (counted - expected) * (counted - expected) / (2 * std::max(counted, 1.0));
      }
      CHECK(misfit[0] == doctest::Approx(sum).epsilon(1e-5));
    }
    for (const std::size_t pixel : {std::size_t(144), std::size_t(200), std::size_t(287)}) {
      const double h = 1e-2;
      std::vector<float> up = x, down = x;
      up[pixel] += float(h);
      down[pixel] -= float(h);
      std::vector<double> high, low;
      step_at(up, &high);
      step_at(down, &low);
      const double gradient = (std::sqrt(high[1]) - std::sqrt(low[1])) / (2 * h);
      // Curvature and clipped pixels that cross within h.
      CHECK(moved[pixel] == doctest::Approx(-0.5 * gradient).epsilon(0.02).scale(0.1));
    }
  }
}
TEST_CASE("noisy-gradient takes x_t for the image: x' - zeta grad |y - A x_t|, for each sample") {
  for (const Device device : backends()) {
    GuidanceCase c(device);
    const Shape& s = c.image;
    const std::vector<float> at = random_values(s.size(), 2, -2, 2), start = random_values(s.size(), 5);
    const Tensor x = c.context.upload(s, at);
    Step step = c.at(x);
    NoisyGradientGuidance guidance(c.context, *c.likelihood, 0.7);
    CHECK(!guidance.needs_gradient());
    const Tensor next = guidance.apply(step, c.context.upload(s, start));
    const Wide residual = minus(wide(c.context.download(c.y)), EvenPixels::kept(wide(at), s));
    const Wide misfit = squares(residual, s.N), back = EvenPixels::spread(residual, s, 2);  // A^T r
    Wide expected = wide(start);
    for (std::size_t i = 0; i < expected.size(); ++i)
      expected[i] += 0.7 * back[i] / std::sqrt(misfit[i / std::size_t(s.sample())]);
    check_close("noisy-gradient", c.context.download(next), expected, 1e-6);
    for (std::size_t n = 0; n < 2; ++n)
      CHECK(c.context.download(guidance.distance_squared())[n] == doctest::Approx(misfit[n]).epsilon(1e-5));
  }
}

TEST_CASE("ps+ subtracts zeta times the gradient of the mean misfit of five perturbed estimates") {
  for (const Device device : backends()) {
    GuidanceCase c(device);
    const Shape& s = c.image;
    const std::vector<float> x = random_values(s.size(), 2, -2, 2);
    const Wide y = wide(c.context.download(c.y));
    const auto mean_misfit = [&](const std::vector<float>& at) {
      const Tensor state = c.context.upload(s, at);
      const Step step = c.at(state);
      const Wide x0 = wide(c.context.download(step.x0));
      Wide mean(2, 0.0);
      for (int k = 0; k < 5; ++k) {
        const Wide u = wide(Recorded::uniforms(s.size(), 6, k));
        const Wide misfit = squares(minus(y, EvenPixels::kept(plus(x0, u, 0.05), s)), s.N);
        for (std::size_t n = 0; n < 2; ++n) mean[n] += std::sqrt(misfit[n]) / 5;
      }
      return mean;
    };
    const std::vector<float> start = random_values(s.size(), 5);
    const Tensor state = c.context.upload(s, x);
    Step step = c.at(state);
    PerturbedGuidance guidance(c.context, *c.likelihood, 0.5);
    const std::vector<float> moved = c.context.download(guidance.apply(step, c.context.upload(s, start)));
    const Wide got = c.context.download(guidance.distance_squared()), expected = mean_misfit(x);
    for (std::size_t n = 0; n < 2; ++n)
      CHECK(std::sqrt(got[n]) == doctest::Approx(expected[n]).epsilon(1e-5));
    for (const std::size_t pixel : {std::size_t(10), std::size_t(144), std::size_t(200), std::size_t(287)}) {
      const double h = 1e-2;
      std::vector<float> up = x, down = x;
      up[pixel] += float(h);
      down[pixel] -= float(h);
      const std::size_t n = pixel / std::size_t(s.sample());
      const double gradient = (mean_misfit(up)[n] - mean_misfit(down)[n]) / (2 * h);
      // Curvature and clipped pixels that cross within h.
      CHECK(moved[pixel] - start[pixel] == doctest::Approx(-0.5 * gradient).epsilon(0.02).scale(0.1));
    }
  }
}
