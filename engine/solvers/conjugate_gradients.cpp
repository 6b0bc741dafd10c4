#include "engine/solvers/conjugate_gradients.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/elementwise.hpp"
#include "kernels/reduce.hpp"

namespace tweedie {
namespace {

class Solver {
 public:
  Solver(Context& context, Tensor& x, const LinearMap& M, const LinearMap& P, const Tensor& b,
         double tolerance)
      : context_(context),
        q_(context.queue),
        x_(x),
        M_(M),
        P_(P),
        sums_(context.per_sample(b.shape().N)),
        r_(context.planar(b.shape())),
        p_(context.planar(b.shape())),
        limit_(dot(b, preconditioned(b))),
        norm_(limit_),
        stuck_(limit_.size(), false) {
    for (double& value : norm_) value = std::sqrt(std::max(value, 0.0));
    for (double& value : limit_) value = std::max(value, 0.0) * tolerance * tolerance;
    axpby(q_, r_, 1.f, b, -1.f, M_(x_));
    copy(q_, p_, preconditioned(r_));
    squares_ = dot(r_, p_);
  }

  void step() {
    const Tensor Mp = M_(p_);
    const std::vector<double> curvature = dot(p_, Mp);
    for (std::size_t n = 0; n < squares_.size(); ++n) {
      if (at_rest(n)) continue;
      // No curvature along the residual: what is left of b is outside M's range.
      if (!(curvature[n] > 0)) {
        stuck_[n] = true;
        continue;
      }
      const float a = float(squares_[n] / curvature[n]);
      add_to(x_, a, p_, n);
      add_to(r_, -a, Mp, n);
    }
    const std::vector<double> before = squares_;
    const Tensor z = preconditioned(r_);
    squares_ = dot(r_, z);
    for (std::size_t n = 0; n < squares_.size(); ++n) {
      if (at_rest(n)) continue;
      const View<float> p = p_.view().sample(int(n));
      axpby(q_, p, 1.f, z.view().sample(int(n)), float(squares_[n] / before[n]), p);
    }
  }

  bool done() const {
    for (std::size_t n = 0; n < squares_.size(); ++n)
      if (!at_rest(n)) return false;
    return true;
  }

  /// |r| / |b| of each sample.
  std::vector<double> residual() const {
    std::vector<double> values;
    for (std::size_t n = 0; n < squares_.size(); ++n)
      values.push_back(norm_[n] > 0 ? std::sqrt(std::max(squares_[n], 0.0)) / norm_[n] : 0.0);
    return values;
  }

 private:
  bool at_rest(std::size_t n) const { return stuck_[n] || squares_[n] <= limit_[n]; }

  Tensor preconditioned(const Tensor& r) const { return P_ ? P_(r) : r; }

  void add_to(Tensor& y, float a, const Tensor& z, std::size_t n) {
    const View<float> to = y.view().sample(int(n));
    axpby(q_, to, 1.f, to, a, z.view().sample(int(n)));
  }

  // A few bytes and a wait: little beside M.
  std::vector<double> dot(const Tensor& u, const Tensor& v) {
    tweedie::dot(q_, sums_, u, v);
    return context_.download(sums_);
  }

  Context& context_;
  Queue& q_;
  Tensor& x_;
  const LinearMap &M_, &P_;
  TensorOf<double> sums_;
  Tensor r_, p_;
  std::vector<double> limit_, norm_;  ///< (tolerance |b|)^2, |b|
  std::vector<bool> stuck_;
  std::vector<double> squares_;  ///< |r|^2, all in P's norm
};

double largest(const std::vector<double>& values) {
  return values.empty() ? 0 : *std::max_element(values.begin(), values.end());
}

}  // namespace

Solved conjugate_gradients(Context& context, Tensor& x, const LinearMap& M, const Tensor& b, double tolerance,
                           int cap, const SolverProgress& progress, const LinearMap& P) {
  require(tolerance >= 0 && cap >= 0, "conjugate gradients: a tolerance of ", tolerance, " and at most ", cap,
          " iterations; expected 0 or more of both");
  require_alike("conjugate gradients", x.view(), b.view());
  Solver solver(context, x, M, P, b, tolerance);
  int iterations = 0;
  while (!solver.done() && iterations < cap) {
    solver.step();
    ++iterations;
    if (progress && !progress(iterations, largest(solver.residual()))) break;
  }
  return {iterations, solver.residual()};
}

}  // namespace tweedie
