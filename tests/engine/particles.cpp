// Weighted particles against posteriors that are known: their mean and variance come out right when there are
// enough of them, whatever the proposals are like.
#include <algorithm>
#include <cmath>

#include "engine/solvers/solver.hpp"
#include "engine/spectrum_prior.hpp"
#include "kernels/elementwise.hpp"
#include "tests/engine/hartley.hpp"
#include "tests/support/support.hpp"

using namespace tweedie;

namespace {

/// The variance that ancestral steps of this schedule give x_0 ~ N(0, S), in double.
double ancestral_variance(double S, const Schedule& schedule) {
  double variance = 1;
  for (std::size_t i = schedule.betas.size(); i-- > 0;) {
    const double bar = schedule.alphas_cumprod[i], next = schedule.alphas_cumprod_prev[i],
                 beta = 1 - bar / next, x0 = std::sqrt(bar) * S / (bar * S + 1 - bar),
                 gain = (std::sqrt(next) * beta * x0 + (1 - next) * std::sqrt(1 - beta)) / (1 - bar);
    variance = gain * gain * variance + (1 - next) / (1 - bar) * beta;
  }
  return variance;
}

Tensor samples(Context& context, Denoiser& prior, ForwardOperator& op, const Tensor& y, double sigma,
               const Shape& batch, int particles, const Schedule& schedule) {
  ContextNoise noise(context);
  Likelihood likelihood(context, op, y, {.sigma = sigma});
  Posterior posterior{context, prior, schedule, likelihood, batch, noise};
  const SolverKind& kind = solver_kind("tds");
  Settings settings(kind.name, kind.settings);
  settings.set("particles", std::int64_t(particles));
  return solve(*kind.make(settings, posterior), posterior);
}

/// y = x^2, pixel by pixel: it does not say which sign x has.
class Square : public ImageOperator {
 public:
  explicit Square(Context& context) : context_(context) {}
  Shape output_shape(const Shape& image) const override { return image; }
  std::unique_ptr<Saved> make_saved() const override { return std::make_unique<Point>(); }
  Tensor forward(const Tensor& x, Saved* saved) override {
    Tensor y = context_.planar(x.shape());
    multiply(context_.queue, y, x, x);
    if (saved) saved_as<Point>(*saved, "square").x = x;
    return y;
  }
  Tensor backward(const Tensor& dy, Saved& saved) override {
    Tensor dx = context_.planar(dy.shape());
    multiply(context_.queue, dx, dy, saved_as<Point>(saved, "square").x);
    axpby(context_.queue, dx, 2.f, dx, 0.f, dx);
    return dx;
  }

 private:
  struct Point : Saved {
    Tensor x;
  };
  Context& context_;
};

}  // namespace

// 16 modes, measured with singular values 1, 1/2 and 0. Of each, the mean of so many independent samples has
// a standard error, and their squares sum up to chi-squared.
TEST_CASE("twisted diffusion: the posterior of a Gaussian prior, mode by mode, given enough particles") {
  Context context(Device::cpu, 11);
  const Shape image{1, 1, 4, 4}, batch{512, 1, 4, 4};
  constexpr double sigma = 0.05;
  SpectrumPrior prior(context, {{1.6e-3, 0, 0}, 0.1, 2.5});
  std::vector<float> s;
  for (int h = 0; h < 4; ++h)
    for (int w = 0; w < 4; ++w) s.push_back(std::max(h, w) == 2 ? 0.f : h % 2 + w % 2 == 2 ? 0.5f : 1.f);
  test::HartleyOperator op(context, image, s);
  Tensor y = op.apply(prior.draw(image));
  axpby(context.queue, y, 1.f, y, float(sigma), context.normal(image));
  const std::vector<float> measured = context.download(op.spectral(image)->Vt(y));
  const std::vector<double> power = prior.spectrum(image);
  const Schedule schedule = schedule_of(solver_kind("tds"), "linear", 1000, 100);

  const auto judge = [&](int particles, double& mean, double& variance) {
    const std::vector<float> c = context.download(
        op.spectral(image)->Vt(samples(context, prior, op, y, sigma, batch, particles, schedule)));
    mean = variance = 0;
    for (std::size_t j = 0; j < 16; ++j) {
      const int h = int(j) / 4, w = int(j) % 4;
      const double S = ancestral_variance(power[std::size_t(h * 3 + std::min(w, 4 - w))], schedule),
                   V = 1 / (1 / S + s[j] * s[j] / (sigma * sigma));
      double sum = 0, squares = 0;
      for (int n = 0; n < batch.N; ++n) {
        const double off = c[std::size_t(n) * 16 + j] - V * s[j] * measured[j] / (sigma * sigma);
        sum += off, squares += off * off;
      }
      mean += sum * sum / batch.N / V / 16;
      variance += squares / batch.N / V / 16;
    }
  };
  double mean, variance, mean_of_one, variance_of_one;
  judge(64, mean, variance);
  judge(1, mean_of_one, variance_of_one);
  MESSAGE("mean ", mean, ", of one particle ", mean_of_one, " squared standard errors; variance ", variance,
          ", ", variance_of_one, " of the posterior's");
  // Chi-squared over 16 modes, over 16: four standard deviations; so many squares of a standard normal.
  CHECK(mean < 1 + 4 * std::sqrt(2. / 16));
  CHECK(std::abs(variance - 1) < 4 * std::sqrt(2. / (16 * batch.N)));
  // One particle is the proposals alone.
  CHECK(mean_of_one > 50);
  CHECK(variance_of_one > 1.5);
}

TEST_CASE("twisted diffusion: the same samples on every backend") {
  std::vector<float> first;
  for (const Device device : test::backends()) {
    Context context(device, 13);
    const Shape image{1, 1, 4, 4}, batch{3, 1, 4, 4};
    SpectrumPrior prior(context, {{1.6e-3, 0, 0}, 0.1, 2.5});
    test::HartleyOperator op(context, image, std::vector<float>(16, 1.f));
    Tensor y = op.apply(prior.draw(batch));
    axpby(context.queue, y, 1.f, y, 0.05f, context.normal(batch));
    const std::vector<float> got = context.download(
        samples(context, prior, op, y, 0.05, batch, 8, schedule_of(solver_kind("tds"), "linear", 1000, 8)));
    if (first.empty()) first = got;
    // Rounding, unless it moves a weight across a uniform number: here it does not.
    test::check_close(name(device), got, std::span<const float>(first), 1e-3);
    // Each sample has its own measurement, which it is near.
    double squares = 0;
    const std::vector<float> measured = context.download(y);
    for (std::size_t n = 0; n < got.size(); ++n)
      squares += std::pow(got[n] - measured[n], 2) / double(got.size());
    CHECK(std::sqrt(squares) < 0.1);
  }
}

TEST_CASE("twisted diffusion: both modes of a posterior that has two") {
  Context context(Device::cpu, 12);
  SpectrumPrior prior(context, {{1.6e-3, 0, 0}, 0.1, 2.5});
  const Shape image{1, 1, 1, 1}, batch{2048, 1, 1, 1};
  Square op(context);
  const Schedule schedule = schedule_of(solver_kind("tds"), "linear", 1000, 100);
  const double S = ancestral_variance(prior.spectrum(image)[0], schedule), y = 0.1, sigma = 0.05;
  // By quadrature: p(x | y), x -> N(x; 0, S) N(y; x^2, sigma^2), its mean of |x| and of x^2.
  double total = 0, size = 0, squares = 0;
  for (int i = -20000; i <= 20000; ++i) {
    const double x = i * 1e-4, r = y - x * x;
    const double density = std::exp(-x * x / (2 * S) - r * r / (2 * sigma * sigma));
    total += density, size += density * std::abs(x), squares += density * x * x;
  }
  size /= total, squares /= total;
  const auto judge = [&](int particles, double& positive, double& mean, double& variance) {
    positive = mean = variance = 0;
    for (const float x :
         context.download(samples(context, prior, op, context.upload(image, std::vector<float>{float(y)}),
                                  sigma, batch, particles, schedule))) {
      positive += x > 0;
      mean += std::abs(x);
      variance += double(x) * x;
    }
    positive /= batch.N, mean /= batch.N, variance = variance / batch.N - mean * mean;
  };
  double positive, mean, variance, one_positive, one_mean, one_variance;
  judge(64, positive, mean, variance);
  judge(1, one_positive, one_mean, one_variance);
  const double exact = squares - size * size;
  MESSAGE("standard error ", std::sqrt(exact / batch.N), "; positive ", positive, "; |x| ", mean, " (exact ",
          size, ", one particle ", one_mean, "), its variance ", variance / exact, " (one particle ",
          one_variance / exact, ") of the exact one");
  CHECK(std::abs(positive - 0.5) < 4 * 0.5 / std::sqrt(batch.N));
  CHECK(std::abs(mean - size) < 4 * std::sqrt(exact / batch.N));
  // The variance of so many values, 0.035 of itself here.
  CHECK(std::abs(variance / exact - 1) < 0.14);
  CHECK(one_variance / exact > 1.4);
}
