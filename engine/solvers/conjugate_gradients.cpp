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
         double tolerance, const Alongside* alongside)
      : context_(context),
        q_(context.queue),
        x_(x),
        M_(M),
        P_(P),
        alongside_(alongside),
        sums_(context.per_sample(b.shape().N)),
        r_(context.planar(b.shape())),
        p_(context.planar(b.shape())),
        limit_(context, b.shape().N),
        norm_(context, b.shape().N),
        stuck_(context, b.shape().N),
        squares_(context, b.shape().N),
        before_(context, b.shape().N),
        curvature_(context, b.shape().N) {
    dot(limit_, b, preconditioned(b));
    for (std::size_t n = 0; n < limit_.size(); ++n) {
      const double square = std::max(limit_[n], 0.0);
      norm_[n] = std::sqrt(square);
      limit_[n] = square * tolerance * tolerance;
    }
    if (x_) {
      axpby(q_, r_, 1.f, b, -1.f, M_(x_));
    } else {
      x_ = context.planar(b.shape());
      fill(q_, x_, 0.f);
      copy(q_, r_, b);
    }
    copy(q_, p_, preconditioned(r_));
    dot(squares_, r_, p_);
  }

  void step() {
    const Tensor Mp = M_(p_);
    dot(curvature_, p_, Mp);
    for (std::size_t n = 0; n < squares_.size(); ++n) {
      if (at_rest(n)) continue;
      // No curvature along the residual: what is left of b is outside M's range.
      if (!(curvature_[n] > 0)) {
        stuck_[n] = 1;
        continue;
      }
      const float a = float(squares_[n] / curvature_[n]);
      add_to(x_, a, p_, n);
      add_to(r_, -a, Mp, n);
      if (alongside_) add_to(alongside_->of_x, a, alongside_->of_p, n);
    }
    std::copy(squares_.begin(), squares_.end(), before_.begin());
    const Tensor z = preconditioned(r_);
    dot(squares_, r_, z);
    for (std::size_t n = 0; n < squares_.size(); ++n) {
      if (at_rest(n)) continue;
      const View<float> p = p_.view().sample(int(n));
      axpby(q_, p, 1.f, z.view().sample(int(n)), float(squares_[n] / before_[n]), p);
    }
  }

  bool done() const {
    for (std::size_t n = 0; n < squares_.size(); ++n)
      if (!at_rest(n)) return false;
    return true;
  }

  /// |r| / |b| of each sample.
  Scalars residual() const {
    Scalars values(context_, int(squares_.size()));
    for (std::size_t n = 0; n < squares_.size(); ++n)
      if (norm_[n] > 0) values[n] = std::sqrt(std::max(squares_[n], 0.0)) / norm_[n];
    return values;
  }

 private:
  bool at_rest(std::size_t n) const { return stuck_[n] != 0 || squares_[n] <= limit_[n]; }

  Tensor preconditioned(const Tensor& r) const { return P_ ? P_(r) : r; }

  void add_to(Tensor& y, float a, const Tensor& z, std::size_t n) {
    const View<float> to = y.view().sample(int(n));
    axpby(q_, to, 1.f, to, a, z.view().sample(int(n)));
  }

  // A few bytes and a wait: little beside M.
  void dot(Scalars& values, const Tensor& u, const Tensor& v) {
    tweedie::dot(q_, sums_, u, v);
    context_.download(values, sums_);
  }

  Context& context_;
  Queue& q_;
  Tensor& x_;
  const LinearMap &M_, &P_;
  const Alongside* alongside_;
  TensorOf<double> sums_;
  Tensor r_, p_;
  Scalars limit_, norm_;  ///< (tolerance |b|)^2, |b|
  Scalars stuck_;         ///< whether M has no more to give
  Scalars squares_;       ///< |r|^2, all in P's norm
  Scalars before_, curvature_;
};

double largest(const Scalars& values) {
  return values.size() == 0 ? 0 : *std::max_element(values.begin(), values.end());
}

}  // namespace

Solved conjugate_gradients(Context& context, Tensor& x, const LinearMap& M, const Tensor& b, double tolerance,
                           int cap, const SolverProgress& progress, const LinearMap& P,
                           const Alongside* alongside) {
  require(tolerance >= 0 && cap >= 0, "conjugate gradients: a tolerance of ", tolerance, " and at most ", cap,
          " iterations; expected 0 or more of both");
  if (x) require_alike("conjugate gradients", x.view(), b.view());
  require(x || !alongside || alongside->of_x, "conjugate gradients: nothing to add to alongside");
  Solver solver(context, x, M, P, b, tolerance, alongside);
  int iterations = 0;
  while (!solver.done() && iterations < cap) {
    solver.step();
    ++iterations;
    if (progress && !progress(iterations, largest(solver.residual()))) break;
  }
  return {iterations, solver.residual()};
}

}  // namespace tweedie
