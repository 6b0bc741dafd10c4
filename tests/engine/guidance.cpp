// DPS guidance: its step by the definition, and its bias where the true posterior is known.
#include "engine/guidance.hpp"

#include <cmath>

#include "engine/spectrum_prior.hpp"
#include "kernels/elementwise.hpp"
#include "tests/engine/gaussian.hpp"
#include "tests/support/support.hpp"

using namespace tweedie;

namespace {

/// y = |x|^2 / 2 elementwise with a factor: a nonlinear operator whose vjp is x times the cotangent.
class Square : public ForwardOperator {
 public:
  explicit Square(Context& context) : context_(context) {}
  Shape output_shape(const Shape& image) const override { return image; }
  Tensor forward(const Tensor& x) override {
    Tensor y = context_.planar(x.shape());
    multiply(context_.queue, y, x, x);
    return y;
  }
  Vjp<Tensor> vjp(const Tensor& x) override {
    at_ = x;
    return {forward(x), [this](const Tensor& w) {
              Tensor g = context_.planar(w.shape());
              multiply(context_.queue, g, w, at_);
              axpby(context_.queue, g, 2.f, g, 0.f, g);
              return g;
            }};
  }

 private:
  Context& context_;
  Tensor at_;
};

}  // namespace

TEST_CASE("DPS subtracts zeta times the gradient of each sample's own misfit") {
  for (const Device device : test::backends()) {
    Context context(device, 9);
    SpectrumPrior prior(context);
    Square op(context);
    const Schedule schedule = make_schedule("linear", 1000, "10");
    const SamplerOptions options{Method::ddpm, Variance::fixed_small, 0, true};
    const Shape s{2, 3, 6, 7};
    const Tensor y = context.upload(s, test::random_values(s.size(), 1));
    const std::vector<float> x = test::random_values(s.size(), 2, -2, 2);
    ContextNoise noise(context);
    const auto step_at = [&](const std::vector<float>& at, double zeta, std::vector<double>* misfit) {
      const Tensor state = context.upload(s, at);
      Step step(context, schedule, options, noise, 3, 6, state);
      step.denoise(prior, true);
      DpsGuidance guidance(context, op, y, zeta);
      Tensor zero = context.planar(s);
      fill(context.queue, zero, 0);
      const Tensor next = guidance.apply(step, std::move(zero));
      if (misfit) *misfit = context.download(guidance.distance_squared());
      return context.download(next);
    };
    const std::vector<float> moved = step_at(x, 1.0, nullptr);
    // Central differences of |y - A x0_hat| of sample 1 in a few of its pixels; sample 0 must not feel them.
    for (const std::size_t pixel : {std::size_t(126), std::size_t(170), std::size_t(251)}) {
      const double h = 1e-2;
      std::vector<float> up = x, down = x;
      up[pixel] += float(h);
      down[pixel] -= float(h);
      std::vector<double> high, low;
      step_at(up, 1, &high);
      step_at(down, 1, &low);
      const double gradient = (std::sqrt(high[1]) - std::sqrt(low[1])) / (2 * h);
      // float32 rounding of the norm over 2h, and clipped pixels that cross within h.
      CHECK(moved[pixel] == doctest::Approx(-gradient).epsilon(0.02).scale(0.05));
      CHECK(high[0] == doctest::Approx(low[0]).epsilon(1e-6));
    }
    // Twice the step size, twice the way; no misfit, no gradient.
    const std::vector<float> twice = step_at(x, 2.0, nullptr);
    for (std::size_t i = 0; i < twice.size(); ++i)
      CHECK(twice[i] == doctest::Approx(2 * moved[i]).epsilon(1e-5));
  }
}

TEST_CASE("DPS at zero misfit leaves the sample alone") {
  Context context(Device::cpu, 1);
  SpectrumPrior prior(context);
  Square op(context);
  const Shape s{1, 3, 6, 7};
  const Schedule schedule = make_schedule("linear", 1000, "10");
  ContextNoise noise(context);
  const Tensor state = context.normal(s);
  const SamplerOptions options{Method::ddpm, Variance::fixed_small, 0, true};
  Step step(context, schedule, options, noise, 3, 6, state);
  step.denoise(prior, true);
  DpsGuidance guidance(context, op, op.forward(step.x0), 1.0);
  Tensor start = context.normal(s);
  const std::vector<float> before = context.download(start);
  test::check_equal("unmoved", context.download(guidance.apply(step, std::move(start))), before);
}

// DPS replaces p(y | x_t) by p(y | x0_hat(x_t)) and scales by the norm of the residual: an approximation
// whose error is measured here, where the posterior is exact, for noise from almost none to far more than
// signal. The step size is the one tweedie-restore uses with this prior (0.09 sqrt(m), see
// tools/restore/task.cpp).
TEST_CASE("the bias of DPS against the exact posterior, as the noise goes to 0 and to infinity") {
  // Mean error in standard deviations of the posterior, ratio of standard deviations: as measured (a plain
  // loop over modes in double finds the same). DPS is too wide for clean measurements and ever narrower with
  // noise: its step is as long however little the measurement says, and so pulls the strongest modes to
  // noise.
  struct Row {
    double sigma, mean_error, deviation_ratio;
  };
  constexpr Row measured[] = {{0.001, 1.09, 1.56}, {0.01, 0.50, 1.21}, {0.1, 0.30, 0.77},
                              {1, 0.98, 0.57},     {10, 0.48, 0.21},   {100, 2.31, 0.086}};
  for (const Row& row : measured) {
    const double sigma = row.sigma;
    Context context(Device::cpu, 21);
    test::BlurProblem problem(context, {1, 1, 16, 16}, sigma);
    const Shape batch{64, 1, 16, 16};
    Tensor y = context.planar(batch);
    for (int n = 0; n < batch.N; ++n) copy(context.queue, y.view().sample(n), problem.y.view());
    DpsGuidance guidance(context, problem.blur, y, 0.09 * 16);
    ContextNoise noise(context);
    const Tensor x =
        sample(context, problem.prior, make_schedule("linear", 1000, "250"),
               {Method::ddpm, Variance::fixed_small, 0, false}, context.normal(batch), &guidance, noise);
    const test::ModeStatistics got = problem.statistics(x), exact = problem.posterior();
    // In units of the posterior's own spread: an error of 1 is one standard deviation in the average mode.
    double mean_error = 0, got_variance = 0, exact_variance = 0;
    for (std::size_t k = 0; k < got.mean.size(); ++k) {
      mean_error += std::norm(got.mean[k] - exact.mean[k]);
      got_variance += got.variance[k];
      exact_variance += exact.variance[k];
    }
    mean_error = std::sqrt(mean_error / exact_variance);
    const double ratio = std::sqrt(got_variance / exact_variance);
    MESSAGE("sigma ", sigma, ": mean off by ", mean_error,
            " posterior standard deviations, standard deviation ", ratio, " of the exact one");
    // The same seed gives the same draws everywhere; FFTs of other machines differ in the last bits.
    CHECK(mean_error == doctest::Approx(row.mean_error).epsilon(0.1));
    CHECK(ratio == doctest::Approx(row.deviation_ratio).epsilon(0.1));
  }
}
