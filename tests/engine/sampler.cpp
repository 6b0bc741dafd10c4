// Samplers against processes whose every distribution is known: Gaussians.
#include "engine/sampler.hpp"

#include <algorithm>
#include <cmath>

#include "engine/spectrum_prior.hpp"
#include "kernels/elementwise.hpp"
#include "tests/engine/recursion.hpp"
#include "tests/support/support.hpp"

using namespace tweedie;

TEST_CASE("ancestral sampling of an exact posterior has its mean and variance") {
  // y = h * x0 + sigma n, h a circular blur: prior, posterior and everything between is diagonal in the
  // modes.
  for (const Device device : test::backends()) {
    Context context(device, 5);
    test::BlurProblem problem(context, {1, 1, 16, 16}, 0.3);
    test::ExactPosterior posterior(context, problem);
    // The PTX machine is slow: fewer steps there, and the theory below is that of the same steps.
    const Schedule schedule = make_schedule("linear", 1000, device == Device::cpu ? "" : "50");
    const SamplerOptions options{Method::ddpm, Variance::fixed_small, 0, false};
    const Shape batch{device == Device::cpu ? 128 : 32, 1, 16, 16};
    ContextNoise noise(context);
    const Tensor x = sample(context, posterior, schedule, options, context.normal(batch), nullptr, noise);
    const test::ModeStatistics got = problem.statistics(x), exact = problem.posterior();
    const test::ModeStatistics expected = test::recursion(schedule, options, exact, {});

    // Against what these steps should give, mode by mode, in units of the statistical error of so many
    // samples.
    const double samples = batch.N;
    double mean_error = 0, variance_error = 0;
    for (std::size_t k = 0; k < got.mean.size(); ++k) {
      mean_error += std::norm(got.mean[k] - expected.mean[k]) / (expected.variance[k] / samples);
      // A mode of a real image has 1 degree of freedom a sample where it is its own mirror, else 2.
      const double freedom = samples * (problem.self_mirrored(k) ? 1 : 2);
      variance_error += std::pow(got.variance[k] / expected.variance[k] - 1, 2) / (2 / freedom);
    }
    const double modes = double(got.mean.size());
    MESSAGE(std::string(name(device)), ": mean error ", mean_error / modes, ", variance error ",
            variance_error / modes, " (expected 1 each, in squared standard errors)");
    // Chi-squared over `modes` modes: 1 +- sqrt(2 / modes) or so; 5 of those.
    CHECK(std::abs(mean_error / modes - 1) < 5 * std::sqrt(2 / modes));
    CHECK(std::abs(variance_error / modes - 1) < 5 * std::sqrt(8 / modes));

    // And these steps against the true posterior. The mean is kept; the variance of a mode is off by about
    // beta_t / S where the noise of the last steps is not small against it: 16 % for the finest of 1000
    // steps.
    double mean_bias = 0, size = 0, variance_bias = 0;
    for (std::size_t k = 0; k < got.mean.size(); ++k) {
      mean_bias += std::norm(expected.mean[k] - exact.mean[k]);
      size += std::norm(exact.mean[k]);
      variance_bias = std::max(variance_bias, std::abs(expected.variance[k] / exact.variance[k] - 1));
    }
    MESSAGE(schedule.steps(), " steps: mean off by ", std::sqrt(mean_bias / size), ", variance by at most ",
            variance_bias);
    CHECK(std::sqrt(mean_bias / size) < 1e-3);
    CHECK(variance_bias < (schedule.steps() == 1000 ? 0.2 : 2.0));
  }
}

TEST_CASE("deterministic DDIM maps the prior's noise onto the prior") {
  // For x0 ~ N(0, S) the probability flow multiplies each mode by sqrt(S): DDIM approaches it with more
  // steps.
  Context context(Device::cpu, 2);
  SpectrumPrior prior(context);
  const Shape s{1, 1, 16, 16};
  const std::vector<double> spectrum = prior.spectrum(s);
  std::vector<float> root;
  for (const double power : spectrum) root.push_back(float(std::sqrt(power)));
  const Tensor start = context.normal(s);
  const std::vector<float> expected = context.download(prior.filter(start, prior.upload_gain(s, root)));
  double previous = 1e9;
  for (const char* steps : {"50", "200", "1000"}) {
    ContextNoise noise(context);
    const Tensor x = sample(context, prior, make_schedule("linear", 1000, steps),
                            {Method::ddim, Variance::fixed_small, 0, false}, start, nullptr, noise);
    const std::vector<float> got = context.download(x);
    double difference = 0, size = 0;
    for (std::size_t i = 0; i < got.size(); ++i) {
      difference += std::pow(got[i] - expected[i], 2);
      size += std::pow(expected[i], 2);
    }
    const double error = std::sqrt(difference / size);
    MESSAGE(std::string(steps), " steps: relative error ", error);
    CHECK(error < previous);
    previous = error;
  }
  // x_T is not exactly noise (abar_T = 4e-5, times S up to 5e3 for the mean of the image): what is left.
  CHECK(previous < 0.1);
}

TEST_CASE("clipping is inside the gradient") {
  Context context(Device::cpu, 3);
  SpectrumPrior prior(context);
  const Schedule schedule = make_schedule("linear", 1000, "10");
  const Shape s{1, 3, 8, 10};
  for (const bool clip : {true, false}) {
    const SamplerOptions options{Method::ddpm, Variance::fixed_small, 0, clip};
    ContextNoise noise(context);
    std::vector<float> x = test::random_values(s.size(), 4, -0.5, 0.5);
    for (std::size_t i = 0; i < x.size(); ++i)
      x[i] += 2.f * float(int(i) % s.W - 5);  // a ramp across the clip
    const auto x0 = [&](const std::vector<float>& at) {
      const Tensor state = context.upload(s, at);
      Step step(context, schedule, options, noise, 3, 6, state);
      step.denoise(prior, false);
      return context.download(step.x0);
    };
    const auto pull = [&](const std::vector<float>& w) {
      const Tensor state = context.upload(s, x);
      Step step(context, schedule, options, noise, 3, 6, state);
      step.denoise(prior, true);
      return context.download(step.pull_back(context.upload(s, w)));
    };
    // Piecewise linear: exact but for pixels that cross the clip within h, hence the small h.
    test::check_vjp(clip ? "clipped" : "unclipped", x0, pull, x, 5e-3, 1e-3);
    const std::vector<float> values = x0(x);
    const auto outside =
        std::count_if(values.begin(), values.end(), [](float v) { return std::abs(v) >= 1; });
    CHECK(outside > 10);  // the case is not empty
    CHECK(outside < s.size() - 10);
  }
}

TEST_CASE("learned variance is refused where none is predicted") {
  Context context(Device::cpu);
  SpectrumPrior prior(context);
  ContextNoise noise(context);
  CHECK_THROWS_WITH_AS(
      sample(context, prior, make_schedule("linear", 1000, "5"),
             {Method::ddpm, Variance::learned_range, 0, true}, context.normal({1, 1, 8, 8}), nullptr, noise),
      doctest::Contains("learned-range"), Error);
}
