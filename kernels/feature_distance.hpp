// The distance of two feature maps that LPIPS sums: channels are scaled to unit length at each pixel, then
// compared (Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", CVPR
// 2018, Eq. 1).
#pragma once

#include "kernels/queue.hpp"
#include "kernels/view.hpp"

namespace tweedie {

/// What keeps a vanishing feature vector from a division by zero: |f| = sqrt(sum_c f_c^2 + inside) + outside.
/// The package lpips adds 1e-10 outside, torchmetrics 1e-8 inside.
struct FeatureLength {
  float outside = 1e-10f, inside = 0;
};

/// d (N, 1, H, W) planar: d[n, p] = sum_c weights[c] (a_c / |a| - b_c / |b|)^2 at each pixel p of a and b (N,
/// C, H, W), any layout, alike; `weights` holds C floats on the device.
void feature_distance(Queue& q, View<float> d, View<const float> a, View<const float> b, const float* weights,
                      const FeatureLength& length);
/// da = the gradient with respect to a of sum dd d; a, b, da alike, dd as d. Where all of a's channels are 0
/// the root has no derivative and da is 0.
void feature_distance_backward(Queue& q, View<float> da, View<const float> dd, View<const float> a,
                               View<const float> b, const float* weights, const FeatureLength& length);

// The CUDA bodies; arguments are already checked.
namespace cuda {
void feature_distance(Queue& q, View<float> d, View<const float> a, View<const float> b, const float* weights,
                      const FeatureLength& length);
void feature_distance_backward(Queue& q, View<float> da, View<const float> dd, View<const float> a,
                               View<const float> b, const float* weights, const FeatureLength& length);
}  // namespace cuda

}  // namespace tweedie
