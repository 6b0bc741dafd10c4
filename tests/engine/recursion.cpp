#include "tests/engine/recursion.hpp"

#include <cmath>

namespace tweedie::test {
namespace {

using Complex = std::complex<double>;

/// x -> gain x + shift
struct Affine {
  double gain = 1;
  Complex shift = 0;
};
Affine operator*(double a, const Affine& f) { return {a * f.gain, a * f.shift}; }
Affine operator+(const Affine& f, const Affine& g) { return {f.gain + g.gain, f.shift + g.shift}; }
/// f after g
Affine after(const Affine& f, const Affine& g) { return {f.gain * g.gain, f.gain * g.shift + f.shift}; }

const Affine identity;

/// One mode N(m, spread), its exact score, and the distribution of the sampler's state.
struct Mode {
  Complex m;
  double spread;
  Complex mean = 0;
  double variance = 1;

  Affine score(double bar) const {
    const double v = bar * spread + 1 - bar;
    return {-1 / v, std::sqrt(bar) * m / v};
  }
  Affine x0(double bar) const {  // Tweedie's formula
    return (1 / std::sqrt(bar)) * (identity + (1 - bar) * score(bar));
  }
  void apply(const Affine& f, double noise_variance) {
    mean = f.gain * mean + f.shift;
    variance = f.gain * f.gain * variance + noise_variance;
  }
};

double sigma_squared(double bar) { return (1 - bar) / bar; }

Affine flow(const Mode& mode, double bar, double next, bool exploding) {
  if (!exploding) {
    const double h = std::log(next / bar);
    const Affine first = 0.5 * (identity + mode.score(bar)), proposal = identity + h * first;
    if (next == 1) return proposal;
    const Affine second = after(0.5 * (identity + mode.score(next)), proposal);
    return identity + (h / 2) * (first + second);
  }
  // In x / sqrt(abar): dx/dsigma = eps = -sigma score_ve, score_ve(x) = sqrt(abar) score(sqrt(abar) x).
  const auto eps = [&](double level) {
    const Affine s = mode.score(level);
    const double scale = -std::sqrt(1 - level);  // -sigma sqrt(abar)
    return Affine{scale * s.gain * std::sqrt(level), scale * s.shift};
  };
  const double d = std::sqrt(sigma_squared(next)) - std::sqrt(sigma_squared(bar));
  const Affine first = eps(bar), proposal = identity + d * first;
  const Affine moved = next == 1 ? proposal : identity + (d / 2) * (first + after(eps(next), proposal));
  return {std::sqrt(next / bar) * moved.gain, std::sqrt(next) * moved.shift};
}

void reverse_sde(Mode& mode, double bar, double next, bool exploding) {
  const double noise = next == 1 ? 0 : 1;
  if (!exploding) {
    const double beta = 1 - bar / next;
    return mode.apply(identity + beta * (0.5 * identity + mode.score(bar)), noise * beta);
  }
  const double d = sigma_squared(bar) - sigma_squared(next);
  const Affine s = mode.score(bar);
  const Affine moved{1 + d * bar * s.gain, d * std::sqrt(bar) * s.shift};
  mode.apply({std::sqrt(next / bar) * moved.gain, std::sqrt(next) * moved.shift}, noise * next * d);
}

}  // namespace

ModeStatistics recursion(const Schedule& schedule, const SamplerOptions& o, const ModeStatistics& target,
                         const std::vector<int>& multiplicity) {
  std::vector<Mode> all;
  for (std::size_t k = 0; k < target.mean.size(); ++k) all.push_back({target.mean[k], target.variance[k]});
  const bool exploding = o.parameterisation == Parameterisation::ve;
  for (int i = schedule.steps() - 1; i >= 0; --i) {
    const double bar = schedule.alphas_cumprod[std::size_t(i)];
    const double next = i > 0 ? schedule.alphas_cumprod[std::size_t(i - 1)] : 1;
    const bool corrects = o.method == Method::pc || o.method == Method::langevin;
    for (int c = 0; corrects && c < o.corrections; ++c) {
      double e = 2 * o.snr * o.snr * (1 - bar);
      if (o.method == Method::pc) {
        double z = 0, g = 0;
        for (std::size_t k = 0; k < all.size(); ++k) {
          const Affine s = all[k].score(bar);
          z += multiplicity[k];
          g += multiplicity[k] *
               (std::norm(s.gain * all[k].mean + s.shift) + s.gain * s.gain * all[k].variance);
        }
        e = 2 * o.snr * o.snr * z / g * (exploding ? 1 : bar / next);
      }
      for (Mode& mode : all) mode.apply(identity + e * mode.score(bar), 2 * e);
    }
    for (Mode& mode : all) {
      if (o.method == Method::ddpm)
        mode.apply(schedule.posterior_mean_coef1[std::size_t(i)] * mode.x0(bar) +
                       schedule.posterior_mean_coef2[std::size_t(i)] * identity,
                   i > 0 ? std::exp(schedule.posterior_log_variance_clipped[std::size_t(i)]) : 0.0);
      if (o.method == Method::ode) mode.apply(flow(mode, bar, next, exploding), 0);
      if (o.method == Method::sde || o.method == Method::pc) reverse_sde(mode, bar, next, exploding);
      if (o.method == Method::langevin)
        mode.apply(next == 1 ? mode.x0(bar) : std::sqrt(next / bar) * identity, 0);
    }
  }
  ModeStatistics s;
  for (const Mode& mode : all) {
    s.mean.push_back(mode.mean);
    s.variance.push_back(mode.variance);
  }
  return s;
}

void PulseNoise::put(View<float> out, int sample) {
  const Shape s = out.shape;
  std::vector<float> values(std::size_t(s.size()), 0.f);
  values[std::size_t(sample) * std::size_t(s.plane())] = float(std::sqrt(double(s.plane())));
  copy_from_host(context_.queue, out.data, values.data(), values.size() * sizeof(float));
}

void PulseNoise::ancestral(View<float> out, int) {
  ++draws_;
  REQUIRE(draws_ < out.shape.N - 1);
  put(out, draws_);
}

Tensor PulseNoise::start(int draws, Shape image) {
  Tensor x = context_.planar({draws + 2, image.C, image.H, image.W});
  put(x.view(), draws + 1);
  return x;
}

ModeStatistics from_pulses(Context& context, const Tensor& x) {
  const std::vector<Complex> all = modes(context, x);
  const std::size_t samples = std::size_t(x.shape().N), count = all.size() / samples;
  ModeStatistics s{{all.begin(), all.begin() + std::ptrdiff_t(count)}, std::vector<double>(count)};
  for (std::size_t i = count; i < all.size(); ++i)
    s.variance[i % count] += std::norm(all[i] - all[i % count]);
  return s;
}

}  // namespace tweedie::test
