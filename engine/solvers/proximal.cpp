#include "engine/solvers/proximal.hpp"

#include "engine/solvers/conjugate_gradients.hpp"
#include "kernels/coefficients.hpp"
#include "kernels/elementwise.hpp"

namespace tweedie {
namespace {

void check(const char* what, const LinearOperator& op, const Tensor& y, const Shape& image, double r2,
           double s2) {
  const Shape expected = op.output_shape(image);
  require(y.shape() == expected, what, ": measurement ", y.shape(), " for images ", image, "; expected ",
          expected);
  require(r2 >= 0 && s2 > 0, what, ": variances ", r2, " and ", s2, "; expected 0 or more, and more than 0");
}

Tensor filtered(Context& context, Tensor c, const Tensor& s, const Filter& g) {
  filter(context.queue, c, c, s, g);
  return c;
}

/// M u = b from 0, M u = r2 F(u) + s2 u: the one call of conjugate gradients for the primal and the dual
/// side.
Tensor solve(Context& context, const LinearMap& F, const Tensor& b, double r2, double s2, int cap) {
  Tensor u;
  const auto M = [&](const Tensor& v) {
    Tensor Mv = F(v);
    axpby(context.queue, Mv, float(r2), Mv, float(s2), v);
    return Mv;
  };
  conjugate_gradients(context, u, std::ref(M), b, cg_tolerance, cap);
  return u;
}

Tensor dual_by_iteration(Context& context, LinearOperator& op, const Tensor& v, const Shape& image, double r2,
                         double s2, int cap) {
  const auto AAt = [&](const Tensor& w) { return op.apply(op.adjoint(w, image)); };
  return solve(context, std::ref(AAt), v, r2, s2, cap);
}

/// y - A x.
Tensor misfit(Context& context, LinearOperator& op, const Tensor& x, const Tensor& y) {
  Tensor r = op.apply(x);
  axpby(context.queue, r, 1.f, y, -1.f, r);
  op.discard_unmeasured(r);
  return r;
}

}  // namespace

Tensor kalman_step(Context& context, LinearOperator& op, const Tensor& r, const Shape& image, double r2,
                   double s2, int cap) {
  check("kalman_step", op, r, image, r2, s2);
  if (Spectral* svd = op.spectral(image))
    return svd->V(filtered(context, svd->Ut(r), svd->s(), {1, float(r2), float(s2)}));
  if (const Tensor w = op.own_dual_solve(r, image, r2, s2)) return op.adjoint(w, image);
  if (r.shape().size() <= image.size())
    return op.adjoint(dual_by_iteration(context, op, r, image, r2, s2, cap), image);
  const auto AtA = [&](const Tensor& u) { return op.adjoint(op.apply(u), image); };
  return solve(context, std::ref(AtA), op.adjoint(r, image), r2, s2, cap);
}

Tensor dual_solve(Context& context, LinearOperator& op, const Tensor& v, const Shape& image, double r2,
                  double s2, int cap) {
  check("dual_solve", op, v, image, r2, s2);
  Spectral* const svd = op.spectral(image);
  if (!svd) {
    Tensor w = op.own_dual_solve(v, image, r2, s2);
    return w ? w : dual_by_iteration(context, op, v, image, r2, s2, cap);
  }
  Tensor c = svd->Ut(v), outside;
  if (!svd->onto()) {  // what A cannot make is only divided by s2
    outside = svd->U(c);
    axpby(context.queue, outside, float(1 / s2), v, float(-1 / s2), outside);
  }
  Tensor w = svd->U(filtered(context, std::move(c), svd->s(), {0, float(r2), float(s2)}));
  if (outside) add(context.queue, w, w, outside);
  return w;
}

Tensor proximal(Context& context, LinearOperator& op, const Tensor& x0, const Tensor& y, double rho,
                int cap) {
  check("proximal", op, y, x0.shape(), 1, rho);
  Tensor x = kalman_step(context, op, misfit(context, op, x0, y), x0.shape(), 1, rho, cap);
  add(context.queue, x, x, x0);
  return x;
}

Tensor proximal(Context& context, LinearOperator& op, const Tensor& x0, const Tensor& y, const Tensor& w,
                double rho, int cap) {
  check("proximal", op, y, x0.shape(), 1, rho);
  require_alike("proximal: weights", w.view(), y.view());
  const auto weighted_adjoint = [&](Tensor r) {
    multiply(context.queue, r, r, w);
    multiply(context.queue, r, r, w);
    return op.adjoint(r, x0.shape());
  };
  const auto AtWA = [&](const Tensor& u) { return weighted_adjoint(op.apply(u)); };
  const Tensor b = weighted_adjoint(misfit(context, op, x0, y));
  Tensor x = solve(context, std::ref(AtWA), b, 1, rho, cap);
  add(context.queue, x, x, x0);
  return x;
}

bool inverts(LinearOperator& op, const Shape& image) {
  return op.has_pseudo_inverse() || op.spectral(image) != nullptr;
}

Tensor pseudo_inverse(Context& context, LinearOperator& op, const Tensor& y, const Shape& image,
                      double cutoff) {
  if (op.has_pseudo_inverse()) return op.pseudo_inverse(y, image);
  Spectral* const svd = op.spectral(image);
  require(svd != nullptr,
          "this operator has neither a pseudo-inverse nor a singular value decomposition here");
  const float above = float(cutoff * svd->largest());
  return svd->V(filtered(context, svd->Ut(y), svd->s(), {1, 1, 0, above}));
}

}  // namespace tweedie
