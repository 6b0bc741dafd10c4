#include "engine/solvers/wiener.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

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

/// A system M u = b, and what its solution says: the image, the sum of `image(du)` over all that u is the sum
/// of.
struct System {
  LinearMap M;                                                   ///< symmetric, positive semidefinite
  LinearMap P;                                                   ///< near M's inverse
  LinearMap image;                                               ///< x of u
  std::function<Tensor(const Tensor& x, const Tensor& u)> rest;  ///< b - M u, from x = image(u)
  std::function<std::vector<double>(const Tensor&)> norms;       ///< of a rest, one a sample
  double least;  ///< how small a rest one round of conjugate gradients is asked for at most, of its start
};

/// Solves by rounds of conjugate gradients, each for what the rounds before have left: their recurrence
/// drifts away from that in float. Ends when the tolerance or the cap is reached, or a round has not halved
/// what was left; a sample keeps its image from before a round that made it worse.
Estimate refined(Context& context, const System& system, const Shape& unknown, const Shape& image,
                 const Control& control) {
  Queue& q = context.queue;
  Tensor u = context.planar(unknown), du = context.planar(unknown), kept = context.planar(image);
  Estimate estimate{context.planar(image), 0, {}};
  Tensor& x = estimate.x;
  fill(q, u, 0);
  fill(q, x, 0);
  Tensor rest = system.rest(x, u);
  const std::vector<double> size = system.norms(rest);
  estimate.residual.assign(size.size(), 1.0);
  bool go_on = true;
  for (double worst = 1, before = INFINITY; go_on && worst > control.tolerance && worst < before / 2;) {
    before = worst;
    fill(q, du, 0);
    // No further than float can tell: the rest is the next round's.
    const Solved solved = conjugate_gradients(
        context, du, system.M, rest, std::clamp(control.tolerance / worst / 10, system.least, 0.1),
        control.cap - estimate.iterations,
        [&](int k, double residual) {
          go_on = !control.progress || control.progress(estimate.iterations + k, worst * residual);
          return go_on;
        },
        system.P);
    estimate.iterations += solved.iterations;
    copy(q, kept, x);
    add(q, x, x, system.image(du));
    add(q, u, u, du);
    rest = system.rest(x, u);
    const std::vector<double> left = system.norms(rest);
    worst = 0;
    for (std::size_t n = 0; n < size.size(); ++n) {
      const double residual = left[n] == 0 ? 0 : left[n] / size[n];
      if (residual <= estimate.residual[n]) {
        worst = std::max(worst, residual);
        estimate.residual[n] = residual;
      } else {
        copy(q, x.view().sample(int(n)), kept.view().sample(int(n)));
        go_on = false;  // x is no longer that of u
      }
    }
  }
  return estimate;
}

/// x = S A^T u with (A S A^T + sigma^2) u = y, in measurement space.
Estimate by_measurements(Context& context, LinearOperator& op, SpectrumPrior& prior, const Tensor& y,
                         const Shape& image, double sigma, const Control& control) {
  Queue& q = context.queue;
  const std::vector<double> S = prior.spectrum({1, image.C, image.H, image.W});
  const Tensor gain = prior.upload_gain(image, {S.begin(), S.end()});
  const float variance = float(sigma * sigma);
  const Tensor b = measured_part(context, op, y);
  // About the inverse: that of S + sigma^2 for images of the measurement's size.
  std::vector<float> gains;
  for (const double power : prior.spectrum({1, y.shape().C, y.shape().H, y.shape().W}))
    gains.push_back(float(1 / (power + sigma * sigma)));
  const Tensor inverse = prior.upload_gain(y.shape(), gains);
  System system;
  system.image = [&](const Tensor& v) { return prior.filter(op.adjoint(v, image), gain); };
  system.M = [&](const Tensor& v) {
    Tensor Mv = op.forward(system.image(v));
    axpby(q, Mv, 1.f, Mv, variance, v);
    return Mv;
  };
  system.P = [&](const Tensor& r) {
    Tensor z = prior.filter(r, inverse);
    op.discard_unmeasured(z);
    return z;
  };
  system.rest = [&](const Tensor& x, const Tensor& u) {
    Tensor r = op.forward(x);
    axpbypcz(q, r, 1.f, b, -1.f, r, -variance, u);
    return r;
  };
  system.norms = [&](const Tensor& r) { return sample_norms(context, r); };
  system.least = 1e-4;
  return refined(context, system, y.shape(), image, control);
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
  std::vector<float> roots, inverses;
  for (std::size_t k = 0; k < S.size(); ++k) {
    roots.push_back(float(std::sqrt(S[k])));
    // Modes of which float keeps nothing beside the strongest are not blown up.
    inverses.push_back(float(1 / (a[k] * S[k] + sigma * sigma + 1e-8 * strongest)));
  }
  const Tensor root = prior.upload_gain(image, roots), inverse = prior.upload_gain(image, inverses);
  const float variance = float(sigma * sigma);
  const Tensor b = measured_part(context, op, y);
  const auto back = [&](const Tensor& v) { return prior.filter(op.adjoint(v, image), root); };
  System system;
  system.image = [&](const Tensor& z) { return prior.filter(z, root); };
  system.M = [&](const Tensor& z) {
    Tensor Mz = back(op.forward(system.image(z)));
    axpby(q, Mz, 1.f, Mz, variance, z);
    return Mz;
  };
  system.P = [&](const Tensor& v) { return prior.filter(v, inverse); };
  system.rest = [&](const Tensor& x, const Tensor& z) {
    Tensor r = op.forward(x);
    axpby(q, r, 1.f, b, -1.f, r);
    Tensor g = back(r);
    axpby(q, g, 1.f, g, -variance, z);
    return g;
  };
  system.norms = [&](const Tensor& g) {
    TensorOf<double> sums = context.per_sample(image.N);
    dot(q, sums, g, system.P(g));
    std::vector<double> values = context.download(sums);
    for (double& value : values) value = std::sqrt(std::max(value, 0.0));
    return values;
  };
  system.least = 1e-3;
  return refined(context, system, image, image, control);
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
  // There the system of the measurement is the better one: independent rows of nearly one size, or colours
  // that are mixed, which the other's preconditioner takes apart.
  const bool picture = expected.C == 1 || expected.C == 3;
  if (picture && (op.has_pseudo_inverse() || expected.C < image.C))
    return by_measurements(context, op, prior, y, image, sigma, control);
  return by_images(context, op, prior, y, image, std::max(sigma, least_sigma), control);
}

}  // namespace tweedie
