#include "tests/engine/dense.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "kernels/elementwise.hpp"
#include "kernels/matmul.hpp"

namespace tweedie::test {
namespace {

// C of the prior: stationary, so a function of the distance alone.
SquareMatrix prior_covariance(const SpectrumPrior& prior, Shape s) {
  const std::vector<double> power = prior.spectrum({1, 1, s.H, s.W});
  const int half = s.W / 2 + 1;
  std::vector<double> kernel(std::size_t(s.plane()), 0.0);
  for (int h = 0; h < s.H; ++h)
    for (int w = 0; w < s.W; ++w)
      for (int u = 0; u < s.H; ++u)
        for (int v = 0; v < s.W; ++v) {
          const int mirrored = v < half ? v : s.W - v, row = v < half ? u : (s.H - u) % s.H;
          kernel[std::size_t(h * s.W + w)] +=
              power[std::size_t(row * half + mirrored)] / double(s.plane()) *
              std::cos(2 * std::numbers::pi * (double(u) * h / s.H + double(v) * w / s.W));
        }
  SquareMatrix c(int(s.plane()));
  for (int i = 0; i < c.n; ++i)
    for (int j = 0; j < c.n; ++j) {
      const int h = (i / s.W - j / s.W + s.H) % s.H, w = (i % s.W - j % s.W + s.W) % s.W;
      c(i, j) = kernel[std::size_t(h * s.W + w)];
    }
  return c;
}

// Solves a x = b in place, a symmetric positive definite, by Cholesky's factor l (a = l l^T).
SquareMatrix cholesky(const SquareMatrix& a) {
  SquareMatrix l(a.n);
  for (int i = 0; i < a.n; ++i)
    for (int j = 0; j <= i; ++j) {
      double sum = a(i, j);
      for (int k = 0; k < j; ++k) sum -= l(i, k) * l(j, k);
      l(i, j) = i == j ? std::sqrt(sum) : sum / l(j, j);
    }
  return l;
}
void solve(const SquareMatrix& l, double* b) {
  for (int i = 0; i < l.n; ++i) {
    for (int k = 0; k < i; ++k) b[i] -= l(i, k) * b[k];
    b[i] /= l(i, i);
  }
  for (int i = l.n - 1; i >= 0; --i) {
    for (int k = i + 1; k < l.n; ++k) b[i] -= l(k, i) * b[k];
    b[i] /= l(i, i);
  }
}

}  // namespace

Eigen eigen(SquareMatrix a) {
  const int n = a.n;
  SquareMatrix v(n);
  for (int i = 0; i < n; ++i) v(i, i) = 1;
  for (int sweep = 0; sweep < 50; ++sweep) {
    double off = 0, all = 0;
    for (int i = 0; i < n; ++i)
      for (int j = 0; j < n; ++j) (i == j ? all : off) += a(i, j) * a(i, j);
    if (off <= 1e-28 * all) break;
    for (int p = 0; p < n; ++p)
      for (int q = p + 1; q < n; ++q) {
        if (a(p, q) == 0) continue;
        // The angle that makes a(p, q) zero (Golub & Van Loan, 8.5).
        const double tau = (a(q, q) - a(p, p)) / (2 * a(p, q));
        const double t = (tau >= 0 ? 1 : -1) / (std::abs(tau) + std::sqrt(1 + tau * tau));
        const double c = 1 / std::sqrt(1 + t * t), s = t * c;
        const auto rotate = [&](double& x, double& y) {
          const double turned = c * x - s * y;
          y = s * x + c * y;
          x = turned;
        };
        for (int k = 0; k < n; ++k) rotate(a(k, p), a(k, q));
        for (int k = 0; k < n; ++k) rotate(a(p, k), a(q, k));
        for (int k = 0; k < n; ++k) rotate(v(k, p), v(k, q));
      }
  }
  Eigen e{{}, v};
  for (int i = 0; i < n; ++i) e.values.push_back(a(i, i));
  return e;
}

PooledPosterior::PooledPosterior(const SpectrumPrior& prior, Shape image, int factor, double sigma)
    : image_(image),
      factor_(factor),
      covariance_(prior_covariance(prior, image)),
      measured_(int(image.plane()) / (factor * factor)) {
  const int n = covariance_.n, m = measured_;
  const double weight = 1.0 / (factor * factor);
  std::vector<double> cross(std::size_t(n) * std::size_t(m), 0.0);  // C A^T
  for (int i = 0; i < n; ++i)
    for (int j = 0; j < n; ++j) cross[std::size_t(i * m + measured_by(j))] += weight * covariance_(i, j);
  SquareMatrix of_y(m);  // A C A^T + sigma^2
  for (int i = 0; i < n; ++i)
    for (int k = 0; k < m; ++k) of_y(measured_by(i), k) += weight * cross[std::size_t(i * m + k)];
  for (int k = 0; k < m; ++k) of_y(k, k) += sigma * sigma;
  gain_ = cross;
  const SquareMatrix l = cholesky(of_y);
  for (int i = 0; i < n; ++i) solve(l, gain_.data() + i * m);
  for (int i = 0; i < n; ++i)
    for (int j = 0; j < n; ++j)
      for (int k = 0; k < m; ++k)
        covariance_(i, j) -= gain_[std::size_t(i * m + k)] * cross[std::size_t(j * m + k)];
  eigen_ = eigen(covariance_);
}

std::vector<double> PooledPosterior::mean(const float* y) const {
  std::vector<double> x(std::size_t(pixels()), 0.0);
  for (int i = 0; i < pixels(); ++i)
    for (int k = 0; k < measured_; ++k) x[std::size_t(i)] += gain_[std::size_t(i * measured_ + k)] * y[k];
  return x;
}

std::vector<double> PooledPosterior::pixel_variances(const std::vector<double>& of_modes) const {
  std::vector<double> x(std::size_t(pixels()), 0.0);
  for (int i = 0; i < pixels(); ++i)
    for (int k = 0; k < pixels(); ++k)
      x[std::size_t(i)] += of_modes[std::size_t(k)] * std::pow(eigen_.vectors(i, k), 2);
  return x;
}

std::vector<double> PooledPosterior::measured_variances(const std::vector<double>& of_modes) const {
  std::vector<double> x(std::size_t(measured_), 0.0), projected(x.size());
  for (int k = 0; k < pixels(); ++k) {
    std::fill(projected.begin(), projected.end(), 0.0);
    for (int i = 0; i < pixels(); ++i)
      projected[std::size_t(measured_by(i))] += eigen_.vectors(i, k) / (factor_ * factor_);
    for (std::size_t j = 0; j < x.size(); ++j) x[j] += of_modes[std::size_t(k)] * projected[j] * projected[j];
  }
  return x;
}

// x0_hat = m + V diag(g) V^T (x_t - sqrt(abar) m), and the noise that leaves.
Prediction ExactPooledPosterior::forward(const Tensor& x, const NoiseLevel& level, Saved*) {
  Queue& q = context_.queue;
  const Eigen& e = posterior_.modes();
  const int n = posterior_.pixels(), samples = x.shape().N;
  const double bar = level.alphas_cumprod;
  SquareMatrix scaled(n);
  std::vector<float> map(std::size_t(n) * std::size_t(n));
  for (int i = 0; i < n; ++i)
    for (int k = 0; k < n; ++k) {
      const double spread = e.values[std::size_t(k)];
      scaled(i, k) = e.vectors(i, k) * std::sqrt(bar) * spread / (bar * spread + 1 - bar);
    }
  for (int i = 0; i < n; ++i)
    for (int j = 0; j <= i; ++j) {
      double sum = 0;
      for (int k = 0; k < n; ++k) sum += scaled(i, k) * e.vectors(j, k);
      map[std::size_t(i * n + j)] = map[std::size_t(j * n + i)] = float(sum);
    }
  const Tensor g = context_.upload({1, 1, n, n}, map);
  Tensor difference = context_.planar(x.shape()), x0 = context_.planar(x.shape());
  axpby(q, difference, 1.f, x, float(-std::sqrt(bar)), means_);
  matmul(q, {x0.data(), samples, n, n, 0, false}, {difference.data(), samples, n, n, 0, false},
         {g.data(), n, n, n, 0, false});
  add(q, x0, x0, means_);
  Tensor eps = context_.planar(x.shape());
  axpby(q, eps, float(1 / std::sqrt(1 - bar)), x, float(-std::sqrt(bar / (1 - bar))), x0);
  return {eps, {}};
}

}  // namespace tweedie::test
