// Exact steps towards a measurement: the proximal map of |y - A x|^2 and the linear systems it is made of.
#pragma once

#include "engine/context.hpp"
#include "engine/forward_operator.hpp"

namespace tweedie {

// Each of these takes the operator's singular value decomposition where there is one (`spectral`), else a
// way of its own (`own_dual_solve`), else conjugate gradients down to `cg_tolerance`, at most
// `cap` iterations. By the push-through identity
//   A^T (r2 A A^T + s2)^-1 r = (r2 A^T A + s2)^-1 A^T r
// all are one system, solved on the side that has fewer values. Nothing is divided by rho or s2 where A
// measures something, so that both may be tiny: the error is that of y in float times |A^+| or 1 / (2
// rho^(1/2)), whichever is less. Images and measurements are planar.

/// A residual at which conjugate gradients stop: what float arithmetic carries.
inline constexpr double cg_tolerance = 1e-6;
inline constexpr int cg_cap = 500;

/// A^T (r2 A A^T + s2)^-1 r, `image` being the shape of the result: the step from x_0 to the posterior mean
/// of x where x ~ N(x_0, r2) and y = A x + N(0, s2), up to the factor r2. Errors: r2 < 0, s2 <= 0, r of
/// another shape.
Tensor kalman_step(Context& context, LinearOperator& op, const Tensor& r, const Shape& image, double r2,
                   double s2, int cap = cg_cap);

/// (r2 A A^T + s2)^-1 v, v alike measurements of `image`. Errors as above.
Tensor dual_solve(Context& context, LinearOperator& op, const Tensor& v, const Shape& image, double r2,
                  double s2, int cap = cg_cap);

/// argmin_x |y - A x|^2 + rho |x - x_0|^2. Errors: rho <= 0, y of another shape.
Tensor proximal(Context& context, LinearOperator& op, const Tensor& x0, const Tensor& y, double rho,
                int cap = cg_cap);

/// argmin_x |w (y - A x)|^2 + rho |x - x_0|^2, w >= 0 alike y (1 / the noise's standard deviation, say, of
/// photon counts): by conjugate gradients. Errors as above.
Tensor proximal(Context& context, LinearOperator& op, const Tensor& x0, const Tensor& y, const Tensor& w,
                double rho, int cap = cg_cap);

/// True where `pseudo_inverse` below has a way for images of this shape.
bool inverts(LinearOperator& op, const Shape& image);
/// A^+ y: the operator's own, or by its singular values above `cutoff` times the largest; those below count
/// as 0, for in float they are noise. Errors: neither is known.
Tensor pseudo_inverse(Context& context, LinearOperator& op, const Tensor& y, const Shape& image,
                      double cutoff = 1e-5);

}  // namespace tweedie
