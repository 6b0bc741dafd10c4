// Sinusoidal embedding of the diffusion time.
#pragma once

#include "kernels/queue.hpp"
#include "kernels/view.hpp"

namespace tweedie {

/// y (N, D, 1, 1), D even: y[n, i] = cos(t[n] w_i), y[n, D/2 + i] = sin(t[n] w_i), w_i =
/// max_period^(-i/(D/2)). t (N, 1, 1, 1) on the device, in steps (fractions allowed). Angles in double.
/// (guided-diffusion's timestep_embedding: cosine first.)
void timestep_embedding(Queue& q, View<float> y, View<const float> t, float max_period = 10000.f);

// The CUDA body; arguments are already checked.
namespace cuda {
void timestep_embedding(Queue& q, View<float> y, View<const float> t, float max_period);
}  // namespace cuda

}  // namespace tweedie
