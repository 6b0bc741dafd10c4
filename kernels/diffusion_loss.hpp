// What a diffusion model is trained with: noised images, and the loss of the network's output with its
// gradient.
#pragma once

#include "kernels/queue.hpp"
#include "kernels/view.hpp"

namespace tweedie {

/// y[n] = factors[n, 0] x[n] + factors[n, 1] noise[n]; y, x, noise planar and alike; factors (N, 2, 1, 1) on
/// the device: sqrt(abar_t) and sqrt(1 - abar_t). In double, rounded once. (Ho et al. 2020, Eq. 4.)
void q_sample(Queue& q, View<float> y, View<const float> x, View<const float> noise,
              View<const double> factors);

/// One sample's timestep as the loss sees it; an array of them lies on the device, as doubles.
struct DiffusionLossRow {
  double recip = 0, recipm1 = 0;  ///< x0_hat = recip x_t - recipm1 eps
  double coef1 = 0, coef2 = 0;    ///< posterior mean = coef1 x_0 + coef2 x_t
  double log_beta = 0,
         log_posterior = 0;  ///< the bounds of the learned log variance; the latter also the truth
  double is_first = 0;       ///< 1 at t = 0, where the decoder's likelihood takes the KL's place
  double mse_weight = 1, vb_weight = 0;  ///< gradient = mse_weight d mse[n] + vb_weight d vb[n]
  double through_mean = 0;               ///< 1: vb's gradient runs through the mean, too
};
constexpr int diffusion_loss_fields = sizeof(DiffusionLossRow) / sizeof(double);

/// terms[n] = (mse, vb), the means over C, H, W of (noise - eps)^2 and, when `output` has 2C channels (eps,
/// then v in [-1, 1]), of the variational bound's term in bits: KL(q(x_{t-1} | x_t, x_0) || p(x_{t-1} |
/// x_t)), or at t = 0 -log p(x_0 | x_1) of 8-bit values. Without v, vb is 0. gradient (shape of output) =
/// mse_weight d mse / d output + vb_weight d vb / d output. x_start, x_t, noise (N, C, H, W); output (N, C or
/// 2C, H, W); terms (N, 2, 1, 1); rows (N, diffusion_loss_fields, 1, 1): DiffusionLossRows; all planar, on
/// the device. Everything is computed in double. (Nichol & Dhariwal 2021, Eq. 15 and 16; guided-diffusion's
/// GaussianDiffusion.training_losses.)
void diffusion_loss(Queue& q, View<float> gradient, View<double> terms, View<const float> output,
                    View<const float> x_start, View<const float> x_t, View<const float> noise,
                    View<const double> rows);

namespace cuda {
void q_sample(Queue& q, View<float> y, View<const float> x, View<const float> noise,
              View<const double> factors);
void diffusion_loss(Queue& q, View<float> gradient, View<double> terms, View<const float> output,
                    View<const float> x_start, View<const float> x_t, View<const float> noise,
                    View<const double> rows);
}  // namespace cuda

}  // namespace tweedie
