// Samplers from the score: each run against its own recursion, guided and not, and the two
// claims of engine/score_sde.hpp: the reverse process contracts, and how fast errors fall with the steps.
#include "engine/score_sde.hpp"

#include <algorithm>
#include <cmath>

#include "engine/guidance.hpp"
#include "engine/projection.hpp"
#include "engine/spectrum_prior.hpp"
#include "kernels/elementwise.hpp"
#include "tests/engine/pooling.hpp"
#include "tests/engine/recursion.hpp"
#include "tests/engine/score_samplers.hpp"
#include "tests/support/support.hpp"

using namespace tweedie;

namespace {

/// x_0 ~ N(0, spread) in every pixel; without a score, what is left of the reverse process is the forward one
/// run backwards.
class WhitePrior : public Denoiser {
 public:
  WhitePrior(Context& context, double spread, bool has_score = true)
      : context_(context), spread_(spread), has_score_(has_score) {}
  std::unique_ptr<Saved> make_saved() const override { return std::make_unique<Saved>(); }
  Prediction forward(const Tensor& x, const NoiseLevel& level, Saved*) override {
    const double bar = level.alphas_cumprod;
    Tensor eps = context_.planar(x.shape());
    axpby(context_.queue, eps, has_score_ ? float(std::sqrt(1 - bar) / (bar * spread_ + 1 - bar)) : 0.f, x,
          0.f, x);
    return {eps, {}};
  }
  Tensor backward(const Tensor&, Saved&) override { throw Error("white prior: no way back"); }
  bool learns_variance() const override { return false; }

 private:
  Context& context_;
  double spread_;
  bool has_score_;
};

/// A schedule whose steps halve exactly from one count to the next: 32 + 1, 64 + 1, ... of the same 1025.
Schedule halving(int intervals) { return make_schedule("linear", 1025, std::to_string(intervals + 1)); }

/// Mean and variance of a single pixel N(0, spread) after a linear sampler, to rounding.
double pixel_variance(Context& context, Denoiser& prior, const Schedule& schedule, const SamplerOptions& o) {
  test::PulseNoise noise(context);
  Tensor start = noise.start(schedule.steps(), {1, 1, 1, 1});
  return test::from_pulses(context, sample(context, prior, schedule, o, start, nullptr, noise)).variance[0];
}

}  // namespace

TEST_CASE("score samplers have the mean and variance of their own linear recursion, mode by mode") {
  for (const Device device : test::backends())
    for (const test::Sampler& each : test::score_samplers) {
      if (each.method == Method::pc) continue;  // not linear: see below
      Context context(device, 5);
      const Shape image{1, 1, 10, 12};
      test::BlurProblem problem(context, image, 0.3);
      test::ExactPosterior posterior(context, problem);
      const Schedule schedule = make_schedule("linear", 1000, "50");
      const SamplerOptions o = test::options(each, false, 2, 0.2);
      const int draws =
          each.method == Method::ode ? 0 : schedule.steps() * (each.method == Method::sde ? 1 : 2);
      test::PulseNoise noise(context);
      const test::ModeStatistics got = test::from_pulses(
          context, sample(context, posterior, schedule, o, noise.start(draws, image), nullptr, noise));
      const std::vector<int> once(got.mean.size(), 1);
      const test::ModeStatistics expected = test::recursion(schedule, o, problem.posterior(), once);
      const test::ModeStatistics exact = problem.posterior();
      double worst_mean = 0, worst_variance = 0, bias = 0, variance_bias = 0, total = 0;
      for (std::size_t k = 0; k < got.mean.size(); ++k) {
        worst_mean =
            std::max(worst_mean, std::abs(got.mean[k] - expected.mean[k]) / std::sqrt(expected.variance[k]));
        worst_variance = std::max(worst_variance, std::abs(got.variance[k] / expected.variance[k] - 1));
        bias += std::norm(got.mean[k] - exact.mean[k]);
        variance_bias = std::max(variance_bias, std::abs(got.variance[k] / exact.variance[k] - 1));
        total += exact.variance[k];
      }
      MESSAGE(std::string(name(device)), " ", std::string(each.name), ", ", schedule.steps(),
              " steps: mean within ", worst_mean, " standard deviations and variance within ", worst_variance,
              " of the recursion; against the posterior, mean off by ", std::sqrt(bias / total),
              " standard deviations, variance by at most ", variance_bias);
      // Rounding; the flow in x_t, whose last slopes are 1 / (1 - abar) times a difference, has most of it.
      CHECK(worst_mean < 5e-4);
      CHECK(worst_variance < 3e-3);
      if (each.method == Method::sde) {  // the header's numbers
        const bool vp = each.parameterisation == Parameterisation::vp;
        CHECK(std::abs(std::sqrt(bias / total) / (vp ? 0.586 : 0.000263) - 1) < 0.05);
      }
    }
}

TEST_CASE("predictor-corrector has the mean and variance of its recursion") {
  // Its step size depends on the norms of the whole image, which have a spread: so by statistics.
  for (const Device device : test::backends())
    for (const test::Sampler& each : test::score_samplers) {
      if (each.method != Method::pc) continue;
      Context context(device, 5);
      test::BlurProblem problem(context, {1, 1, 16, 16}, 0.3);
      test::ExactPosterior posterior(context, problem);
      const Schedule schedule = make_schedule("linear", 1000, device == Device::cpu ? "200" : "10");
      const SamplerOptions o = test::options(each, false, 2);
      const Shape batch{device == Device::cpu ? 128 : 16, 1, 16, 16};
      ContextNoise noise(context);
      const Tensor x = sample(context, posterior, schedule, o, context.normal(batch), nullptr, noise);
      std::vector<int> multiplicity;
      for (int h = 0; h < 16; ++h)
        for (int w = 0; w <= 8; ++w) multiplicity.push_back(w == 0 || w == 8 ? 1 : 2);
      const test::ModeStatistics got = problem.statistics(x),
                                 expected = test::recursion(schedule, o, problem.posterior(), multiplicity);
      double mean_error = 0, variance_error = 0;
      for (std::size_t k = 0; k < got.mean.size(); ++k) {
        mean_error += std::norm(got.mean[k] - expected.mean[k]) / (expected.variance[k] / batch.N);
        const double freedom = batch.N * (problem.self_mirrored(k) ? 1.0 : 2.0);
        variance_error += std::pow(got.variance[k] / expected.variance[k] - 1, 2) / (2 / freedom);
      }
      const double modes = double(got.mean.size());
      MESSAGE(std::string(name(device)), " ", std::string(each.name), ": mean error ", mean_error / modes,
              ", variance error ", variance_error / modes, " (expected 1 each, in squared standard errors)");
      CHECK(std::abs(mean_error / modes - 1) < 5 * std::sqrt(2 / modes));
      CHECK(std::abs(variance_error / modes - 1) < 5 * std::sqrt(8 / modes));
    }
}

TEST_CASE("how far annealed Langevin follows the noise down") {
  // By the recursion, which the sampler was held to above: the numbers in the header.
  const auto width = [](int corrections, double snr) {
    const SamplerOptions o =
        test::options({Method::langevin, Parameterisation::vp, ""}, false, corrections, snr);
    return test::recursion(make_schedule("linear", 1000), o, {{0}, {2e-3}}, {1}).variance[0] / 2e-3;
  };
  CHECK(width(1, 0.16) == doctest::Approx(4.22).epsilon(0.005));
  CHECK(width(3, 0.4) == doctest::Approx(1.21).epsilon(0.005));
}

TEST_CASE("an Ornstein-Uhlenbeck process run backwards with its score contracts, without it explodes") {
  for (const Device device : test::backends())
    for (const double spread : {0.25, 4.0}) {
      Context context(device, 1);
      const Schedule schedule = halving(256);
      const SamplerOptions o = test::options(test::score_samplers[0], false);
      WhitePrior exact(context, spread), none(context, spread, false);
      const double with_score = pixel_variance(context, exact, schedule, o);
      const double without = pixel_variance(context, none, schedule, o);
      const double T = -std::log(schedule.alphas_cumprod.back());
      MESSAGE(std::string(name(device)), ": variance ", spread, " is recovered as ", with_score,
              "; reversed without the score it ends at ", without, ", e^T = ", std::exp(T));
      // The bias of Euler-Maruyama, which is of first order: see below.
      CHECK(std::abs(with_score / spread - 1) < 0.03);
      // v' = v + 1 from v = 1 would be 2 e^T - 1; Euler-Maruyama grows less.
      CHECK(without > 0.3 * std::exp(T));

      // Two states that start apart by 4, with the same noise: the regression of x_0 on x_T is what is left.
      test::FixedNoise noise(context, {0.5f, 0.5f});
      const Tensor start = context.upload({2, 1, 1, 1}, std::vector<float>{3, -1});
      const std::vector<float> end =
          context.download(sample(context, exact, schedule, o, start, nullptr, noise));
      const double bar = schedule.alphas_cumprod.back();
      const double regression = std::sqrt(bar) * spread / (bar * spread + 1 - bar);
      MESSAGE("apart by 4 before, by ", end[0] - end[1], " after; exact: ", 4 * regression);
      CHECK(std::abs((end[0] - end[1]) / (4 * regression) - 1) < 0.1);
    }
}

TEST_CASE("Heun's method on the probability flow is of second order, Euler-Maruyama of first") {
  Context context(Device::cpu, 1);
  const auto level_variance = [](double bar, double spread) { return bar * spread + 1 - bar; };
  for (const double spread : {0.25, 4.0})
    for (const Parameterisation p : {Parameterisation::vp, Parameterisation::ve}) {
      WhitePrior prior(context, spread);
      double flow_error = 0, bias = 0;
      for (const int intervals : {32, 64, 128}) {
        const Schedule schedule = halving(intervals);
        // Exact down to the least noisy level; the one step from there on is always the same, by Euler.
        const double first = schedule.alphas_cumprod[0], last = schedule.alphas_cumprod.back();
        const double v = level_variance(first, spread);
        const double h = -std::log(first), sigma = std::sqrt(1 / first - 1);
        const double euler = p == Parameterisation::vp
                                 ? 1 + h / 2 * (1 - 1 / v)
                                 : (1 - sigma * std::sqrt(first * (1 - first)) / v) / std::sqrt(first);
        const double expected = std::sqrt(v / level_variance(last, spread)) * euler;
        test::FixedNoise silence(context, {0.f});
        const SamplerOptions flow{Method::ode, Variance::fixed_small, 0, false, p};
        const Tensor one = context.upload({1, 1, 1, 1}, std::vector<float>{1});
        const double got = context.download(sample(context, prior, schedule, flow, one, nullptr, silence))[0];
        const double error = std::abs(got / expected - 1);
        const double variance =
            pixel_variance(context, prior, schedule, {Method::sde, Variance::fixed_small, 0, false, p});
        const double off = std::abs(variance / spread - 1);
        MESSAGE(std::string(p == Parameterisation::vp ? "vp" : "ve"), ", spread ", spread, ", ", intervals,
                " steps: flow off by ", error, " (", flow_error / error,
                " times less), variance of the SDE by ", off, " (", bias / off, " times less)");
        if (intervals > 32) {
          // Not yet the limit of small steps, and at 128 an error near float rounding.
          CHECK(std::abs(flow_error / error - 4) < 0.25);
          CHECK(std::abs(bias / off - 2) < 0.2);
        }
        flow_error = error;
        bias = off;
      }
    }
}

TEST_CASE("the probability flow ends at the same image in x_t and in x_t / sqrt(abar), as steps shrink") {
  Context context(Device::cpu, 2);
  SpectrumPrior prior(context);
  const Tensor start = context.normal({2, 3, 12, 15});
  double previous = 1e9;
  for (const int intervals : {32, 64, 128, 256}) {
    std::vector<float> ends[2];
    for (const Parameterisation p : {Parameterisation::vp, Parameterisation::ve}) {
      ContextNoise noise(context);
      ends[p == Parameterisation::ve] =
          context.download(sample(context, prior, halving(intervals),
                                  {Method::ode, Variance::fixed_small, 0, false, p}, start, nullptr, noise));
    }
    double difference = 0, size = 0;
    for (std::size_t i = 0; i < ends[0].size(); ++i) {
      difference += std::pow(ends[0][i] - ends[1][i], 2);
      size += std::pow(ends[0][i], 2);
    }
    const double apart = std::sqrt(difference / size);
    MESSAGE(intervals, " steps: apart by ", apart);
    CHECK(apart < previous / 2.5);
    previous = apart;
  }
  CHECK(previous < 1e-3);
}

TEST_CASE("guidance steers every sampler: dps reduces the misfit, projection ends at images of y") {
  for (const Device device : test::backends())
    for (const test::Sampler& each : test::score_samplers) {
      Context context(device, 3);
      SpectrumPrior prior(context);
      const Shape image{2, 1, 8, 12};
      test::Pooling op(context, image.H, image.W, 2);
      const Tensor y = op.forward(prior.draw(image));
      const Tensor start = context.normal(image);
      const Schedule schedule = make_schedule("linear", 1000, "100");
      const auto misfit = [&](Guidance* guidance) {
        context.start_stream(1);
        ContextNoise noise(context);
        const Tensor x =
            sample(context, prior, schedule, test::options(each, false, 2), start, guidance, noise);
        Tensor r = op.forward(x);
        axpby(context.queue, r, 1.f, r, -1.f, y);
        double sum = 0;
        for (const float value : context.download(r)) sum += double(value) * value;
        return std::sqrt(sum);
      };
      Likelihood likelihood(context, op, y);
      DpsGuidance dps(context, likelihood, 0.09 * std::sqrt(24.));
      ProjectionGuidance projection(context, "projection", likelihood, Lift::pseudo_inverse);
      const double free = misfit(nullptr), guided = misfit(&dps), projected = misfit(&projection);
      MESSAGE(std::string(name(device)), " ", std::string(each.name), ": misfit ", free, " free, ", guided,
              " dps, ", projected, " projected");
      CHECK(guided < 0.2 * free);
      CHECK(projected < 1e-5);  // rounding
    }
}

TEST_CASE("score samplers: the same seed, the same bits; another seed, another image") {
  for (const Device device : test::backends())
    for (const test::Sampler& each : test::score_samplers) {
      const auto run = [&](std::uint64_t seed) {
        Context context(device, seed);
        SpectrumPrior prior(context);
        ContextNoise noise(context);
        return context.download(sample(context, prior, make_schedule("linear", 1000, "4"),
                                       test::options(each, true), context.normal({2, 3, 5, 8}), nullptr,
                                       noise));
      };
      const std::vector<float> first = run(4);
      test::check_equal(each.name, run(4), first);
      CHECK(run(5) != first);
    }
}

TEST_CASE("samplers by name; options that make no sense are refused with the reason") {
  const std::vector<std::string> names = sampler_names();
  CHECK(names ==
        std::vector<std::string>{"ddpm", "ddim", "sde", "ode", "pc", "langevin", "dpmpp2", "dpmpp3"});
  for (std::size_t i = 0; i < names.size(); ++i) {
    CHECK(parse_method(names[i]) == Method(int(i)));
    CHECK(describe_samplers().find("\n  " + names[i] + " ") != std::string::npos);
  }
  CHECK(parse_parameterisation("ve") == Parameterisation::ve);
  CHECK(parse_parameterisation("vp") == Parameterisation::vp);
  CHECK_THROWS_WITH_AS(parse_method("euler"), doctest::Contains("ddpm, ddim, sde"), Error);
  CHECK_THROWS_WITH_AS(parse_parameterisation("edm"), doctest::Contains("expected vp or ve"), Error);
  Context context(Device::cpu);
  SpectrumPrior prior(context);
  const auto refused = [&](const SamplerOptions& o, const char* reason) {
    ContextNoise noise(context);
    CHECK_THROWS_WITH_AS(sample(context, prior, make_schedule("linear", 1000, "2"), o,
                                context.normal({1, 1, 4, 4}), nullptr, noise),
                         doctest::Contains(reason), Error);
  };
  refused({Method::ddim, Variance::fixed_small, 0, true, Parameterisation::ve},
          "no choice of parameterisation");
  refused({Method::ddim, Variance::fixed_small, 1.5, true}, "eta");
  refused({Method::langevin, Variance::fixed_small, 0, true, Parameterisation::vp, 0}, "corrections");
  refused({Method::pc, Variance::fixed_small, 0, true, Parameterisation::vp, -1}, "corrections");
  refused({Method::pc, Variance::fixed_small, 0, true, Parameterisation::vp, 1, 0}, "signal-to-noise");
}
