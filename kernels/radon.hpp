// Line integrals along parallel rays: the Radon transform, its exact adjoint, and backprojection.
#pragma once

#include <vector>

#include "kernels/queue.hpp"
#include "kernels/view.hpp"

namespace tweedie {

/// What the rays of one angle share (Joseph 1982): they cross the image along its driving axis, the one they
/// are nearer to, and meet its step v at the fractional index
///   u(d, v) = per_detector d + (per_step v + start)
/// along the other axis, d being the detector; `length` of the ray belongs to each step.
struct RadonAngle {
  float per_detector, per_step, start, length;
  float per_pixel;  ///< 1 / per_detector: detectors along one pixel
  int steps_rows;   ///< 1: the steps are rows and u counts columns; 0: the other way round
};

/// The same for all angles, borrowed from device memory, and what it was made for.
struct RadonView {
  int H = 0, W = 0, detectors = 0, angles = 0;
  const RadonAngle* angle = nullptr;
};

/// The angles (radians) of H x W images of square pixels with sides of length `pixel`, on the host. The rays
/// of angle t have x cos t + y sin t = s, x to the right and y upwards from the image's centre; detector d is
/// at s = (d - (detectors - 1) / 2 - axis) pixels, so that at angle 0 the rays are columns. The centre is
/// seen `axis` detectors beyond their middle, the same at all angles: it is where the rotation's axis is.
/// Errors: no pixels, no detectors, more than 16384 of either in a row (u would lose its fraction), an angle
/// or an axis that is not finite.
std::vector<RadonAngle> radon_angles(int H, int W, int detectors, double pixel,
                                     const std::vector<double>& radians, double axis = 0);

/// y[n, c, a, d] = length sum_v (1 - f) x[i] + f x[i + 1], i + f = u(d, v), at step v of angle a, x being 0
/// outside: y (N, C, angles, detectors), x (N, C, H, W), planar. Sums are fused multiply-adds in the order of
/// v: the same bits on every backend. y may not overlap x.
void radon(Queue& q, View<float> y, View<const float> x, const RadonView& r);
/// The adjoint, x = sum_a length sum_d w y[n, c, a, d] with the very weights `radon` uses, gathered pixel by
/// pixel: no order of threads changes it, and the same bits on every backend.
void radon_adjoint(Queue& q, View<float> x, View<const float> y, const RadonView& r);
/// x = sum_a of y interpolated linearly at each pixel's place on the detector, 0 beyond its ends: what
/// filtered backprojection sums. (The sum of the adjoint's weights depends on how a pixel lies between rays.)
void backproject(Queue& q, View<float> x, View<const float> y, const RadonView& r);

/// Detectors that may see a pixel: those less than one pixel, and so at most one detector, from it. They are
/// looked for `radon_slack` further out, more than rounding misplaces any; one too many has weight 0.
inline constexpr int radon_candidates = 3;
inline constexpr float radon_slack = 0.01f;

// The CUDA bodies; arguments are already checked.
namespace cuda {
void radon(Queue& q, View<float> y, View<const float> x, const RadonView& r);
void backproject(Queue& q, View<float> x, View<const float> y, const RadonView& r, bool interpolated);
}  // namespace cuda

}  // namespace tweedie
