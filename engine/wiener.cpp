#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/classical.hpp"
#include "engine/estimate_parts.hpp"
#include "kernels/elementwise.hpp"
#include "kernels/random.hpp"
#include "kernels/reduce.hpp"

namespace tweedie {
namespace {

/// What iterations are told and how they end; the same for both ways.
struct Control {
  const SolverProgress& progress;
  double tolerance;
  int cap;
};

/// About the inverse of A S A^T + sigma^2: that of S + sigma^2 for images of the measurement's size.
LinearMap stationary_inverse(LinearOperator& op, SpectrumPrior& prior, const Shape& measured, double sigma) {
  const std::vector<double> spectrum = prior.spectrum({1, measured.C, measured.H, measured.W});
  std::vector<float> gain;
  for (const double power : spectrum) gain.push_back(float(1 / (power + sigma * sigma)));
  return [&op, &prior, gain](const Tensor& r) {
    Tensor z = prior.filter(r, gain);
    op.discard_unmeasured(z);
    return z;
  };
}

/// x = S A^T u with (A S A^T + sigma^2) u = y, in measurement space.
Estimate by_measurements(Context& context, LinearOperator& op, SpectrumPrior& prior, const Tensor& y,
                         const Shape& image, double sigma, const Control& control) {
  Queue& q = context.queue;
  const std::vector<double> spectrum = prior.spectrum({1, image.C, image.H, image.W});
  const std::vector<float> gain(spectrum.begin(), spectrum.end());
  const float variance = float(sigma * sigma);
  const auto correlate = [&](const Tensor& v) {
    return prior.filter(op.adjoint(v, image), gain);
  };  // S A^T v
  const auto M = [&](const Tensor& v) {
    Tensor Mv = op.forward(correlate(v));
    axpby(q, Mv, 1.f, Mv, variance, v);
    return Mv;
  };
  const LinearMap P = stationary_inverse(op, prior, y.shape(), sigma);
  const Tensor b = measured_part(context, op, y);
  const std::vector<double> size = sample_norms(context, b);
  Tensor r = measured_part(context, op, y), u = context.planar(b.shape()), du = context.planar(b.shape());
  fill(q, u, 0);
  Estimate estimate{context.planar(image), 0, std::vector<double>(size.size(), 1.0)};
  fill(q, estimate.x, 0);
  bool go_on = true;
  for (double worst = 1, before = INFINITY; go_on && worst > control.tolerance && worst < before / 2;) {
    before = worst;
    fill(q, du, 0);
    // No further than float can tell: the rest is the next round's.
    const Solved solved = conjugate_gradients(
        context, du, M, r, std::clamp(control.tolerance / worst / 10, 1e-4, 0.1),
        control.cap - estimate.iterations,
        [&](int k, double residual) {
          go_on = !control.progress || control.progress(estimate.iterations + k, worst * residual);
          return go_on;
        },
        P);
    estimate.iterations += solved.iterations;
    add(q, estimate.x, estimate.x, correlate(du));
    add(q, u, u, du);
    axpbypcz(q, r, 1.f, b, -1.f, op.forward(estimate.x), -variance, u);
    estimate.residual = sample_norms(context, r);
    worst = 0;
    for (std::size_t n = 0; n < size.size(); ++n) {
      if (estimate.residual[n] > 0) estimate.residual[n] /= size[n];
      worst = std::max(worst, estimate.residual[n]);
    }
  }
  return estimate;
}

/// What A^T A does to each mode on average, of 8 white images. Where all agree, to 1e-3, it is diagonal there
/// (circular blurs, single-coil MRI) and that is exact; elsewhere it is averaged over 3 x 3 neighbours. Not
/// below a thousandth of the mean over all modes.
std::vector<double> stationary_part(Context& context, LinearOperator& op, SpectrumPrior& prior,
                                    const Shape& image) {
  constexpr std::uint64_t seed = 1;  // the context's stream stays where it is
  const Shape one{1, image.C, image.H, image.W};
  const std::size_t H = std::size_t(image.H), W = std::size_t(image.W), half = W / 2 + 1,
                    count = std::size_t(image.C) * H * half;
  Tensor probe = context.planar(one);
  std::vector<double> own(count, 0.0), cross(count, 0.0), least(count, INFINITY), most(count, -INFINITY);
  for (std::uint64_t k = 0; k < 8; ++k) {
    normal(context.queue, probe, seed, k << 32);
    const Tensor seen = op.adjoint(op.forward(probe), one);
    const std::vector<double> a = prior.cross_power(probe, probe), b = prior.cross_power(probe, seen);
    for (std::size_t i = 0; i < count; ++i) {
      own[i] += a[i], cross[i] += b[i];
      least[i] = std::min(least[i], b[i] / a[i]), most[i] = std::max(most[i], b[i] / a[i]);
    }
  }
  const double mean =
      std::accumulate(cross.begin(), cross.end(), 0.0) / std::accumulate(own.begin(), own.end(), 0.0);
  const auto around = [&](std::size_t c, std::size_t h, std::size_t w) {
    double up = 0, down = 0;
    for (std::size_t dh = 0; dh < 3; ++dh)
      for (std::size_t dw = 0; dw < 3; ++dw) {
        // Beyond the half that is kept lies the mirror image of it.
        std::size_t row = (h + dh + H - 1) % H, column = (w + dw + W - 1) % W;
        if (column >= half) row = (H - row) % H, column = W - column;
        up += cross[(c * H + row) * half + column], down += own[(c * H + row) * half + column];
      }
    return up / down;
  };
  std::vector<double> part(count);
  for (std::size_t i = 0; i < count; ++i) {
    const bool diagonal = most[i] - least[i] <= 1e-3 * std::max(std::abs(most[i]), mean);
    const double a = diagonal ? cross[i] / own[i] : around(i / half / H, i / half % H, i % half);
    part[i] = std::max(a, 1e-3 * mean);
  }
  return part;
}

/// x = S^1/2 z with (S^1/2 A^T A S^1/2 + sigma^2) z = S^1/2 A^T y, in image space, preconditioned by what
/// that matrix does to each mode on average.
Estimate by_images(Context& context, LinearOperator& op, SpectrumPrior& prior, const Tensor& y,
                   const Shape& image, double sigma, const Control& control) {
  Queue& q = context.queue;
  const std::vector<double> S = prior.spectrum({1, image.C, image.H, image.W});
  const std::vector<double> a = stationary_part(context, op, prior, image);
  double strongest = 0;
  for (std::size_t k = 0; k < S.size(); ++k) strongest = std::max(strongest, a[k] * S[k]);
  std::vector<float> root, inverse;
  for (std::size_t k = 0; k < S.size(); ++k) {
    root.push_back(float(std::sqrt(S[k])));
    // Modes of which float keeps nothing beside the strongest are not blown up.
    inverse.push_back(float(1 / (a[k] * S[k] + sigma * sigma + 1e-8 * strongest)));
  }
  const float variance = float(sigma * sigma);
  const auto back = [&](const Tensor& v) { return prior.filter(op.adjoint(v, image), root); };
  const LinearMap M = [&](const Tensor& z) {
    Tensor Mz = back(op.forward(prior.filter(z, root)));
    axpby(q, Mz, 1.f, Mz, variance, z);
    return Mz;
  };
  const LinearMap P = [&](const Tensor& v) { return prior.filter(v, inverse); };
  const auto norms = [&](const Tensor& g) {
    TensorOf<double> sums = context.per_sample(image.N);
    dot(q, sums, g, P(g));
    std::vector<double> values = context.download(sums);
    for (double& value : values) value = std::sqrt(std::max(value, 0.0));
    return values;
  };
  const Tensor b = measured_part(context, op, y);
  Tensor g = back(b), z = context.planar(image), dz = context.planar(image);
  const std::vector<double> size = norms(g);
  fill(q, z, 0);
  Estimate estimate{context.planar(image), 0, std::vector<double>(size.size(), 1.0)};
  fill(q, estimate.x, 0);
  bool go_on = true;
  for (double worst = 1, before = INFINITY; go_on && worst > control.tolerance && worst < before / 2;) {
    before = worst;
    fill(q, dz, 0);
    // No further than float can tell: the rest is the next round's.
    const Solved solved = conjugate_gradients(
        context, dz, M, g, std::clamp(control.tolerance / worst / 4, 1e-3, 0.1),
        control.cap - estimate.iterations,
        [&](int k, double residual) {
          go_on = !control.progress || control.progress(estimate.iterations + k, worst * residual);
          return go_on;
        },
        P);
    estimate.iterations += solved.iterations;
    add(q, z, z, dz);
    estimate.x = prior.filter(z, root);
    Tensor r = op.forward(estimate.x);
    axpby(q, r, 1.f, b, -1.f, r);
    axpby(q, g, 1.f, back(r), -variance, z);
    estimate.residual = norms(g);
    worst = 0;
    for (std::size_t n = 0; n < size.size(); ++n) {
      if (estimate.residual[n] > 0) estimate.residual[n] /= size[n];
      worst = std::max(worst, estimate.residual[n]);
    }
  }
  return estimate;
}

}  // namespace

Estimate wiener(Context& context, LinearOperator& op, SpectrumPrior& prior, const Tensor& y,
                const Shape& image, double sigma, const SolverProgress& progress, double tolerance, int cap) {
  const Shape expected = op.output_shape(image);
  require(y.shape() == expected, "Wiener: a measurement ", y.shape(), " of images ", image, "; expected ",
          expected);
  require(tolerance > 0 && tolerance < 1 && cap >= 0, "Wiener: a tolerance of ", tolerance, " and at most ",
          cap, " iterations; expected between 0 and 1, and 0 or more");
  require(sigma >= 0 && std::isfinite(sigma), "Wiener: a noise level of ", sigma, "; expected 0 or more");
  const Control control{progress, tolerance, cap};
  // Independent rows of nearly one size, as a picture: there the system of the measurement is the better one.
  if (op.has_pseudo_inverse() && (expected.C == 1 || expected.C == 3))
    return by_measurements(context, op, prior, y, image, sigma, control);
  return by_images(context, op, prior, y, image, std::max(sigma, least_sigma), control);
}

}  // namespace tweedie
