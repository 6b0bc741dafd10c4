#include "tests/engine/gaussian.hpp"

#include <cmath>

#include "kernels/elementwise.hpp"
#include "kernels/fft.hpp"

namespace tweedie::test {
namespace {

using Complex = std::complex<double>;

// A Gaussian of 1.5 pixels, in the modes.
std::vector<double> gaussian_gain(Shape s) {
  std::vector<double> gain;
  for (int h = 0; h < s.H; ++h)
    for (int w = 0; w <= s.W / 2; ++w) {
      const double fh = double(std::min(h, s.H - h)) / s.H, fw = double(w) / s.W;
      gain.push_back(std::exp(-2 * M_PI * M_PI * 1.5 * 1.5 * (fh * fh + fw * fw)));
    }
  return gain;
}

std::vector<float> in_float(const std::vector<double>& values) { return {values.begin(), values.end()}; }

}  // namespace

std::vector<Complex> modes(Context& context, const Tensor& x) {
  const Shape s = x.shape();
  TensorOf<std::complex<float>> spectrum = context.spectrum({s.N, s.C, s.H, s.W / 2 + 1});
  fft2_real(context.queue, spectrum, x);
  std::vector<std::complex<float>> host(std::size_t(spectrum.shape().size()));
  copy_to_host(context.queue, host.data(), spectrum.data(), host.size() * sizeof(host[0]));
  std::vector<Complex> result;
  for (const auto& mode : host) result.push_back(Complex(mode) / std::sqrt(double(s.plane())));
  return result;
}

BlurProblem::BlurProblem(Context& c, Shape shape, double noise)
    : context(c),
      prior(c),
      image(shape),
      sigma(noise),
      power(prior.spectrum(shape)),
      gain(gaussian_gain(shape)),
      blur(prior, shape, in_float(gain)) {
  truth = prior.draw(image);
  y = blur.forward(truth);
  const Tensor n = context.normal(image);
  axpby(context.queue, y, 1.f, y, float(sigma), n);
  y_modes = modes(context, y);
}

ModeStatistics BlurProblem::posterior() const {
  ModeStatistics s;
  for (std::size_t k = 0; k < power.size(); ++k) {
    const double total = gain[k] * gain[k] * power[k] + sigma * sigma;
    s.mean.push_back(power[k] * gain[k] / total * y_modes[k]);
    s.variance.push_back(power[k] * sigma * sigma / total);
  }
  return s;
}

ModeStatistics BlurProblem::statistics(const Tensor& x) const {
  const std::vector<Complex> all = modes(context, x);
  const std::size_t count = power.size();
  const double samples = x.shape().N;
  ModeStatistics s{std::vector<Complex>(count), std::vector<double>(count)};
  for (std::size_t i = 0; i < all.size(); ++i) s.mean[i % count] += all[i] / samples;
  for (std::size_t i = 0; i < all.size(); ++i)
    s.variance[i % count] += std::norm(all[i] - s.mean[i % count]) / (samples - 1);
  return s;
}

bool BlurProblem::self_mirrored(std::size_t mode) const {
  const int half = image.W / 2 + 1, h = int(mode) / half, w = int(mode) % half;
  return (h == 0 || 2 * h == image.H) && (w == 0 || 2 * w == image.W);
}

ExactPosterior::ExactPosterior(Context& context, BlurProblem& problem)
    : context_(context), problem_(problem) {
  const ModeStatistics exact = problem.posterior();
  variance_ = exact.variance;
  std::vector<float> wiener;
  for (std::size_t k = 0; k < variance_.size(); ++k)
    wiener.push_back(float(variance_[k] * problem.gain[k] / (problem.sigma * problem.sigma)));
  mean_ = problem.prior.filter(problem.y, problem.prior.upload_gain(problem.y.shape(), wiener));
}

// x0_hat = m + g (x_t - sqrt(abar) m), and the noise that leaves.
Prediction ExactPosterior::forward(const Tensor& x, const NoiseLevel& level, Saved*) {
  Queue& q = context_.queue;
  const double bar = level.alphas_cumprod;
  std::vector<float> g;
  for (const double spread : variance_)
    g.push_back(float(std::sqrt(bar) * spread / (bar * spread + 1 - bar)));
  if (means_.shape() != x.shape()) {  // one copy for each sample
    means_ = context_.planar(x.shape());
    for (int n = 0; n < x.shape().N; ++n) copy(q, means_.view().sample(n), mean_.view());
  }
  Tensor difference = context_.planar(x.shape());
  axpby(q, difference, 1.f, x, float(-std::sqrt(bar)), means_);
  Tensor x0 = problem_.prior.filter(difference, problem_.prior.upload_gain(difference.shape(), g));
  add(q, x0, x0, means_);
  Tensor eps = context_.planar(x.shape());
  axpby(q, eps, float(1 / std::sqrt(1 - bar)), x, float(-std::sqrt(bar / (1 - bar))), x0);
  return {eps, {}};
}

}  // namespace tweedie::test
