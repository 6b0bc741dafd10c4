// Images displaced pixel by pixel, with linear interpolation: what turbulent air does to a picture.
#pragma once

#include "kernels/queue.hpp"
#include "kernels/view.hpp"

namespace tweedie {

/// y[n, c, h, w] = x[n, c] at row h + phi[n, 1, h, w] and column w + phi[n, 0, h, w], interpolated between
/// the four pixels around that point; each of them that lies outside the image counts 0. Planar (b = 1): y
/// and x (N, C, H, W), phi (N or 1, 2, H, W) in pixels, channel 0 to the right and channel 1 downwards; a phi
/// of one sample displaces all of them. A displacement that is NaN gives NaN. y may not overlap the others.
/// Errors: shapes differ, not planar. (The tilt of Chung et al., "Parallel diffusion models of operator and
/// image for blind inverse problems", CVPR 2023, with the right grid for H != W.)
void warp(Queue& q, View<float> y, View<const float> x, View<const float> phi);
/// dx = the adjoint of `warp` at dy: every dy is shared out among the four pixels it was read from. The terms
/// of one pixel are summed in the order of dy's pixels: the same bits every time and on every backend.
/// (On a GPU a pixel looks for its terms, through a list of where each run of 32 pixels points to; the time
/// grows with the spread of phi.) Errors as for `warp`.
void warp_backward_image(Queue& q, View<float> dx, View<const float> dy, View<const float> phi);
/// dphi = the gradient of <dy, warp(x, phi)> with respect to phi, summed over channels, and over samples
/// where phi has one. Where a displacement is whole, that towards the larger displacement. dphi has phi's
/// shape.
void warp_backward_displacement(Queue& q, View<float> dphi, View<const float> dy, View<const float> x,
                                View<const float> phi);

// The CUDA bodies; arguments are already checked.
namespace cuda {
void warp(Queue& q, View<float> y, View<const float> x, View<const float> phi);
void warp_backward_image(Queue& q, View<float> dx, View<const float> dy, View<const float> phi);
void warp_backward_displacement(Queue& q, View<float> dphi, View<const float> dy, View<const float> x,
                                View<const float> phi);
}  // namespace cuda

}  // namespace tweedie
