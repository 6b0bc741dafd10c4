// Samplers from the score: each step by the equations of engine/score_sde.hpp, in double.
#include "engine/score_sde.hpp"

#include <algorithm>
#include <cmath>

#include "engine/spectrum_prior.hpp"
#include "tests/engine/score_samplers.hpp"
#include "tests/support/support.hpp"

using namespace tweedie;

namespace {

using Vector = std::vector<double>;

/// A step by the equations of the header, in double.
struct Definition {
  Context& context;
  Denoiser& prior;
  const Schedule& schedule;
  const SamplerOptions& o;
  Shape shape;
  int index;

  // x0_hat at level i
  Vector x0(const Vector& x, int i) const {
    const double bar = schedule.alphas_cumprod[std::size_t(i)];
    const Tensor state = context.upload(shape, std::vector<float>(x.begin(), x.end()));
    const std::vector<float> eps = context.download(prior.forward(state, schedule.level(i)).eps);
    Vector result(x.size());
    for (std::size_t k = 0; k < x.size(); ++k) {
      result[k] = (x[k] - std::sqrt(1 - bar) * eps[k]) / std::sqrt(bar);
      if (o.clip_denoised) result[k] = std::clamp(result[k], -1.0, 1.0);
    }
    return result;
  }
  Vector score(const Vector& x, int i) const {
    const double bar = schedule.alphas_cumprod[std::size_t(i)];
    Vector s = x0(x, i);
    for (std::size_t k = 0; k < x.size(); ++k) s[k] = (std::sqrt(bar) * s[k] - x[k]) / (1 - bar);
    return s;
  }
  // Drift of the flow in tau, or in sigma for x_ve: at the same x_t
  Vector slope(const Vector& x, int i) const {
    const double bar = schedule.alphas_cumprod[std::size_t(i)];
    Vector s = score(x, i);
    for (std::size_t k = 0; k < x.size(); ++k)
      s[k] = o.parameterisation == Parameterisation::ve ? -std::sqrt(1 - bar) * s[k] : (x[k] + s[k]) / 2;
    return s;
  }
  Vector langevin(const Vector& x, const std::vector<float>& z) const {
    const Vector s = score(x, index);
    const std::size_t size = x.size() / std::size_t(shape.N);
    Vector next(x.size());
    for (std::size_t n = 0; n < std::size_t(shape.N); ++n) {
      double zz = 0, ss = 0;
      for (std::size_t k = n * size; k < (n + 1) * size; ++k) {
        zz += double(z[k]) * z[k];
        ss += s[k] * s[k];
      }
      double e = 2 * o.snr * o.snr * zz / ss;
      if (o.parameterisation == Parameterisation::vp) e *= 1 - schedule.betas[std::size_t(index)];
      if (o.method == Method::langevin)
        e = 2 * o.snr * o.snr * (1 - schedule.alphas_cumprod[std::size_t(index)]);
      for (std::size_t k = n * size; k < (n + 1) * size; ++k)
        next[k] = x[k] + e * s[k] + std::sqrt(2 * e) * z[k];
    }
    return next;
  }
  Vector step(Vector x, const std::vector<float>& z) const {
    const double bar = schedule.alphas_cumprod[std::size_t(index)];
    const double next_bar = schedule.alphas_cumprod_prev[std::size_t(index)];
    const double sigma = std::sqrt(1 / bar - 1), next_sigma = std::sqrt(1 / next_bar - 1);
    const bool ve = o.parameterisation == Parameterisation::ve;
    const double scale = ve || o.method == Method::langevin ? std::sqrt(next_bar / bar) : 1;
    if (o.method == Method::pc || o.method == Method::langevin)
      for (int c = 0; c < o.corrections; ++c) x = langevin(x, z);
    Vector next(x.size());
    if (o.method == Method::langevin) {
      for (std::size_t k = 0; k < x.size(); ++k) next[k] = scale * x[k];
      return index == 0 ? x0(x, 0) : next;
    }
    if (o.method == Method::ode) {
      const Vector first = slope(x, index);
      const double h = ve ? std::sqrt(next_bar) * (next_sigma - sigma) : std::log(next_bar / bar);
      for (std::size_t k = 0; k < x.size(); ++k) next[k] = scale * x[k] + h * first[k];
      if (index == 0) return next;
      const Vector second = slope(next, index - 1);
      for (std::size_t k = 0; k < x.size(); ++k) next[k] = scale * x[k] + h / 2 * (first[k] + second[k]);
      return next;
    }
    const Vector s = score(x, index);
    const double beta = schedule.betas[std::size_t(index)], d = sigma * sigma - next_sigma * next_sigma;
    for (std::size_t k = 0; k < x.size(); ++k) {
      const double noise = index == 0 ? 0 : z[k];
      next[k] = ve ? std::sqrt(next_bar) *
                         (x[k] / std::sqrt(bar) + d * std::sqrt(bar) * s[k] + std::sqrt(d) * noise)
                   : x[k] + beta * (x[k] / 2 + s[k]) + std::sqrt(beta) * noise;
    }
    return next;
  }
};

}  // namespace

TEST_CASE("score samplers: each step by its definition, for each sample of a batch, clipped or not") {
  for (const Device device : test::backends())
    for (const test::Sampler& each : test::score_samplers)
      for (const bool clip : {true, false})
        for (const int index : {0, 4}) {
          Context context(device, 9);
          SpectrumPrior prior(context);
          const Schedule schedule = make_schedule("linear", 1000, "10");
          const SamplerOptions o = test::options(each, clip, 2, 0.3);
          const Shape s{3, 3, 5, 8};
          const std::vector<float> z = test::random_values(s.size(), 7, -2, 2);
          std::vector<float> x = test::random_values(s.size(), 4, -1, 1);
          for (std::size_t i = 2 * x.size() / 3; i < x.size(); ++i) x[i] *= 3;  // one sample is louder
          test::FixedNoise noise(context, z);
          Step step(context, schedule, o, noise, index, 9 - index, context.upload(s, x));
          const std::vector<float> got = context.download(sample_step(step, prior, nullptr));
          const Definition definition{context, prior, schedule, o, s, index};
          // x - sqrt(abar) x0_hat cancels to about 1 - abar of x: at index 0 that is 1e-4 of it, multiplied
          // by 1 / (1 - abar) steps of length 1 - abar again.
          test::check_close(message(each.name, clip ? " clipped" : "", " at ", index), got,
                            definition.step({x.begin(), x.end()}, z), 1e-5);
        }
}
