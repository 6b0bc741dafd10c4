// DPS guidance: its step by the definition, and its bias where the true posterior is known.
#include "engine/guidance.hpp"

#include <cmath>
#include <random>

#include "engine/spectrum_prior.hpp"
#include "kernels/elementwise.hpp"
#include "tests/engine/gaussian.hpp"
#include "tests/engine/guidance_case.hpp"
#include "tests/support/support.hpp"

using namespace tweedie;

namespace {

/// y = |x|^2 / 2 elementwise with a factor: a nonlinear operator whose vjp is x times the cotangent.
class Square : public ImageOperator {
 public:
  struct At : Saved {
    Tensor x;
  };
  explicit Square(Context& context) : context_(context) {}
  Shape output_shape(const Shape& image) const override { return image; }
  std::unique_ptr<Saved> make_saved() const override { return std::make_unique<At>(); }
  Tensor forward(const Tensor& x, Saved* saved = nullptr) override {
    if (saved) saved_as<At>(*saved, "square").x = x;
    Tensor y = context_.planar(x.shape());
    multiply(context_.queue, y, x, x);
    return y;
  }
  Tensor backward(const Tensor& dy, Saved& saved) override {
    Tensor g = context_.planar(dy.shape());
    multiply(context_.queue, g, dy, saved_as<At>(saved, "square").x);
    axpby(context_.queue, g, 2.f, g, 0.f, g);
    return g;
  }

 private:
  Context& context_;
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
      Likelihood likelihood(context, op, y);
      DpsGuidance guidance(context, likelihood, zeta);
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

namespace {

/// The step of a guidance from `x`, and the misfits of the samples.
template <class Guided>
test::Wide step_of(test::GuidanceCase& c, double zeta, bool limited, test::Wide* misfit = nullptr) {
  Guided guidance(c.context, *c.likelihood, zeta);
  if (limited) guidance.limit_steps();
  Step step = c.at(c.context.upload(c.image, test::random_values(c.image.size(), 2, -2, 2)));
  Tensor zero = c.context.planar(c.image);
  fill(c.context.queue, zero, 0);
  const test::Wide moved = test::wide(c.context.download(guidance.apply(step, std::move(zero))));
  if (misfit) *misfit = c.context.download(guidance.distance_squared());
  return moved;
}

template <class Guided>
void check_limit(Device device) {
  test::GuidanceCase c(device);
  test::Wide misfit;
  const test::Wide gradient = step_of<Guided>(c, 1, false, &misfit), squared = test::squares(gradient, 2);
  const double longest[] = {std::sqrt(misfit[0]) / squared[0], std::sqrt(misfit[1]) / squared[1]};
  REQUIRE(longest[0] != doctest::Approx(longest[1]).epsilon(0.01));
  // Between the two: one sample's step is cut, the other's is not.
  const double between = std::sqrt(longest[0] * longest[1]);
  for (const double zeta : {1e-3 * between, between, 1e3 * between}) {
    const test::Wide moved = step_of<Guided>(c, zeta, true);
    for (std::size_t i = 0; i < moved.size(); ++i) {
      const double expected = gradient[i] * std::min(zeta, longest[2 * i / moved.size()]);
      // Two roundings of float32, of steps as long as the longest.
      CHECK(moved[i] == doctest::Approx(expected).epsilon(1e-5).scale(1e-3 * zeta));
    }
  }
}

}  // namespace

TEST_CASE("a limited step goes no further than to a misfit of 0, for each sample") {
  for (const Device device : test::backends()) {
    check_limit<DpsGuidance>(device);
    check_limit<PerturbedGuidance>(device);
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
  Likelihood likelihood(context, op, op.forward(step.x0));
  for (const bool limited : {false, true}) {
    DpsGuidance guidance(context, likelihood, 1.0);
    if (limited) guidance.limit_steps();
    Tensor start = context.normal(s);
    const std::vector<float> before = context.download(start);
    test::check_equal("unmoved", context.download(guidance.apply(step, std::move(start))), before);
  }
}

namespace {

constexpr double bias_zeta = 0.09 * 16;

/// The standard deviation of DPS's samples over the exact posterior's, both as `BlurProblem::statistics` adds
/// them up, by a loop in double over real Fourier modes with draws of its own: every step acts on each mode
/// by itself, but for the length of the residual.
double deviation_ratio_by_modes(const test::BlurProblem& problem, const Schedule& schedule) {
  struct Mode {
    double S, A, weight;
  };
  std::vector<Mode> modes;
  const int H = problem.image.H, W = problem.image.W, half = W / 2 + 1;
  for (int k = 0; k < H * half; ++k) {
    const int h = k / half, w = k % half;
    const Mode mode{problem.power[std::size_t(k)], problem.gain[std::size_t(k)], 1};
    const bool edge = w == 0 || 2 * w == W;  // there a half spectrum has the mirror image, too
    if (problem.self_mirrored(std::size_t(k)))
      modes.push_back(mode);
    else if (!edge || 2 * h < H)
      modes.insert(modes.end(), 2, {mode.S, mode.A, edge ? 1 : 0.5});
  }
  REQUIRE(modes.size() == std::size_t(H * W));
  std::mt19937_64 generator(5);
  std::normal_distribution<double> normal;
  constexpr int samples = 64, draws = 2;
  double got = 0, exact = 0;
  for (int draw = 0; draw < draws; ++draw) {
    std::vector<double> y, J(modes.size());
    for (const Mode& m : modes)
      y.push_back(m.A * std::sqrt(m.S) * normal(generator) + problem.sigma * normal(generator));
    std::vector<std::vector<double>> x(samples, std::vector<double>(modes.size()));
    for (std::vector<double>& sample : x)
      for (double& value : sample) value = normal(generator);
    for (int t = schedule.steps() - 1; t >= 0; --t) {
      const double bar = schedule.alphas_cumprod[std::size_t(t)],
                   before = t > 0 ? schedule.alphas_cumprod[std::size_t(t - 1)] : 1, beta = 1 - bar / before;
      const double of_x0 = std::sqrt(before) * beta / (1 - bar),
                   of_x = std::sqrt(1 - beta) * (1 - before) / (1 - bar),
                   of_noise = std::sqrt(beta * (1 - before) / (1 - bar));
      for (std::size_t i = 0; i < modes.size(); ++i)
        J[i] = std::sqrt(bar) * modes[i].S / (bar * modes[i].S + 1 - bar);
      for (std::vector<double>& sample : x) {
        double squares = 0;
        for (std::size_t i = 0; i < modes.size(); ++i) {
          const double r = y[i] - modes[i].A * J[i] * sample[i];
          squares += r * r;
        }
        const double step = bias_zeta / std::sqrt(squares);
        for (std::size_t i = 0; i < modes.size(); ++i) {
          const double AJ = modes[i].A * J[i], r = y[i] - AJ * sample[i];
          sample[i] = (of_x0 * J[i] + of_x) * sample[i] + of_noise * normal(generator) + step * AJ * r;
        }
      }
    }
    for (std::size_t i = 0; i < modes.size(); ++i) {
      const Mode& m = modes[i];
      double sum = 0, squares = 0;
      for (const std::vector<double>& sample : x) sum += sample[i], squares += sample[i] * sample[i];
      got += m.weight * (squares - sum * sum / samples) / (samples - 1);
      exact += m.weight * m.S / (m.A * m.A * m.S / (problem.sigma * problem.sigma) + 1);
    }
  }
  return std::sqrt(got / exact);
}

}  // namespace

// DPS replaces p(y | x_t) by p(y | x0_hat(x_t)) and scales by the norm of the residual: an approximation
// whose error is measured here, where the posterior is exact, for noise from almost none to far more than
// signal. The step size is the one tweedie-restore uses with this prior (0.09 sqrt(m), see
// tools/restore/task.cpp).
TEST_CASE("the bias of DPS against the exact posterior, as the noise goes to 0 and to infinity") {
  // Mean error in standard deviations of the posterior, ratio of standard deviations: as measured; the
  // latter also by a plain loop. DPS is too wide for clean measurements and ever narrower with
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
    Likelihood likelihood(context, problem.blur, y);
    DpsGuidance guidance(context, likelihood, bias_zeta);
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
    // 64 samples, of which with much noise one or two modes make up the spread: known to some 6 % each.
    CHECK(ratio == doctest::Approx(deviation_ratio_by_modes(problem, make_schedule("linear", 1000, "250")))
                       .epsilon(0.15));
  }
}
