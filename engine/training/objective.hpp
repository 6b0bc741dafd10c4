// What training minimises, and the noised batch it is measured on.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "engine/context.hpp"
#include "engine/schedule.hpp"
#include "kernels/diffusion_loss.hpp"

namespace tweedie {

/// The loss of one sample, made of its mse and vb terms (see `diffusion_loss`).
struct Objective {
  /// simple: mse. hybrid: mse + factor vb, vb's gradient reaching the variance alone. bound: factor vb, whose
  /// gradient runs through the mean, too.
  enum class Kind { simple, hybrid, bound } kind = Kind::simple;
  double factor = 0;

  double loss(double mse, double vb) const;
};

/// guided-diffusion's loss of a network: epsilon's mean square error; with a learned variance L_simple +
/// L_vlb / 1000, L_vlb being `steps` times one step's term.
Objective default_objective(bool learns_variance, int steps);

/// The numbers that the loss needs at index t of a schedule; its gradient is multiplied by `weight`.
DiffusionLossRow loss_row(const Schedule& schedule, int t, const Objective& objective, double weight);

/// A batch at its timesteps, ready for the network and for the loss.
class NoisedBatch {
 public:
  /// x_start, noise planar, alike; one index and weight a sample. `weights` multiply the gradients.
  NoisedBatch(Context& context, const Schedule& schedule, const Objective& objective, Tensor x_start,
              Tensor noise, std::span<const int> indices, std::span<const double> weights);
  /// q(x_t | x_0) with that noise.
  const Tensor& x_t() const { return x_t_; }

  struct Losses {
    std::vector<double> loss, mse, vb;  ///< one a sample; vb in bits per dimension
  };
  /// The terms of the network's output, and d sum_n weights[n] loss[n] / d output in `gradient` (its shape).
  Losses losses(Tensor& gradient, const Tensor& output);

 private:
  Context& context_;
  Objective objective_;
  Tensor x_start_, noise_, x_t_;
  TensorOf<double> rows_;
};

}  // namespace tweedie
