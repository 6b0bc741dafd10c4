#include "engine/solvers/classical.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/elementwise.hpp"
#include "kernels/reduce.hpp"
#include "kernels/total_variation.hpp"

namespace tweedie {
namespace {

constexpr double inner_tolerance = 1e-6;
constexpr int inner_cap = 30;

void check(const char* method, const LinearOperator& op, const Tensor& y, const Shape& image) {
  const Shape expected = op.output_shape(image);
  require(y.shape() == expected, method, ": a measurement ", y.shape(), " of images ", image, "; expected ",
          expected);
}

Shape pairs_of(const Shape& image) { return {image.N, 2 * image.C, image.H, image.W}; }

/// The state of `admm_tv`: x, z and u, and what their updates need.
class SplitTotalVariation {
 public:
  SplitTotalVariation(Context& context, LinearOperator& op, const Tensor& y, const Shape& image,
                      const AdmmTvOptions& options)
      : x(zero_filled(op, y, image)),
        context_(context),
        q_(context.queue),
        op_(op),
        image_(image),
        options_(options),
        back_projected_(op.adjoint(y, image)),
        rhs_(context.planar(image)),
        g_(context.planar(pairs_of(image))),
        z_(context.planar(pairs_of(image))),
        u_(context.planar(pairs_of(image))),
        work_(context.planar(pairs_of(image))) {
    differences(q_, z_, x);
    fill(q_, u_, 0);
  }

  void update_x() {
    axpby(q_, work_, 1.f, z_, -1.f, u_);
    differences_backward(q_, rhs_, work_);
    axpby(q_, rhs_, 1.f, back_projected_, rho(), rhs_);
    conjugate_gradients(
        context_, x,
        [this](const Tensor& v) {
          Tensor Mv = op_.adjoint(op_.forward(v), image_), smooth = context_.planar(image_);
          differences(q_, work_, v);
          differences_backward(q_, smooth, work_);
          axpby(q_, Mv, 1.f, Mv, rho(), smooth);
          return Mv;
        },
        rhs_, inner_tolerance, inner_cap);
    differences(q_, g_, x);
  }

  /// z and u, and the residuals of both conditions.
  std::vector<double> update_z() {
    add(q_, u_, u_, g_);
    shrink_differences(q_, work_, u_, float(options_.lambda / options_.rho));
    axpby(q_, u_, 1.f, u_, -1.f, work_);
    axpby(q_, z_, 1.f, work_, -1.f, z_);  // the change of z
    const std::vector<double> change = norms_of_adjoint(z_);
    std::vector<double> pull = norms_of_adjoint(u_);
    copy(q_, z_, work_);
    // With lambda 0 there is no dual: the change is then held to z itself.
    if (options_.lambda == 0) pull = norms_of_adjoint(z_);
    const std::vector<double> smooth = sample_norms(context_, g_), sparse = sample_norms(context_, z_);
    axpby(q_, work_, 1.f, g_, -1.f, z_);
    std::vector<double> residual = sample_norms(context_, work_);
    for (std::size_t n = 0; n < residual.size(); ++n)
      residual[n] = std::max(ratio(residual[n], std::max(smooth[n], sparse[n])), ratio(change[n], pull[n]));
    return residual;
  }

  Tensor x;

 private:
  float rho() const { return float(options_.rho); }
  static double ratio(double a, double b) { return a > 0 ? a / b : 0; }

  std::vector<double> norms_of_adjoint(const Tensor& pairs) {
    differences_backward(q_, rhs_, pairs);
    return sample_norms(context_, rhs_);
  }

  Context& context_;
  Queue& q_;
  LinearOperator& op_;
  const Shape image_;
  const AdmmTvOptions& options_;
  Tensor back_projected_, rhs_, g_, z_, u_, work_;  ///< A^T y, ..., D x, the split, its scaled dual
};

}  // namespace

Tensor zero_filled(LinearOperator& op, const Tensor& y, const Shape& image) {
  check("zero-filled image", op, y, image);
  return op.has_pseudo_inverse() ? op.pseudo_inverse(y, image) : op.adjoint(y, image);
}

Estimate admm_tv(Context& context, LinearOperator& op, const Tensor& y, const Shape& image,
                 const AdmmTvOptions& options, const SolverProgress& progress) {
  check("ADMM-TV", op, y, image);
  require(options.lambda >= 0 && options.rho > 0 && options.iterations >= 1, "ADMM-TV: lambda ",
          options.lambda, ", rho ", options.rho, ", ", options.iterations,
          " iterations; expected 0 or more, more than 0, 1 or more");
  SplitTotalVariation split(context, op, measured_part(context, op, y), image, options);
  Estimate estimate;
  double worst = INFINITY;
  while (estimate.iterations < options.iterations && worst > options.tolerance) {
    split.update_x();
    estimate.residual = split.update_z();
    ++estimate.iterations;
    worst = 0;
    for (const double value : estimate.residual) worst = std::max(worst, value);
    if (progress && !progress(estimate.iterations, worst)) break;
  }
  estimate.x = std::move(split.x);
  return estimate;
}

std::vector<double> tv_objective(Context& context, LinearOperator& op, const Tensor& x, const Tensor& y,
                                 double lambda) {
  const Shape image = x.shape();
  check("total variation", op, y, image);
  Queue& q = context.queue;
  Tensor residual = op.forward(x);
  axpby(q, residual, 1.f, measured_part(context, op, y), -1.f, residual);
  TensorOf<double> sums = context.per_sample(image.N);
  sum_squares(q, sums, residual);
  std::vector<double> objective = context.download(sums);
  Tensor pairs = context.planar(pairs_of(image)), norms = context.planar(image), one = context.planar(image);
  differences(q, pairs, x);
  difference_norms(q, norms, pairs);
  fill(q, one, 1);
  dot(q, sums, norms, one);
  const std::vector<double> variation = context.download(sums);
  for (std::size_t n = 0; n < objective.size(); ++n) objective[n] = objective[n] / 2 + lambda * variation[n];
  return objective;
}

}  // namespace tweedie
