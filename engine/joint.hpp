// Several unknowns sampled side by side, each by its own prior, all guided by one measurement: an image and
// the kernel that blurred it.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "engine/chart.hpp"
#include "engine/forward_operator.hpp"
#include "engine/sampler.hpp"

namespace tweedie {

/// How far a state moves against its gradient: scale, or scale * sqrt(abar_t) of the step's noise level.
struct StepRule {
  enum class Kind { constant, sqrt_abar };
  Kind kind = Kind::sqrt_abar;
  double scale = 1;
  double at(double alphas_cumprod) const;
};

/// weight * sum of R(u), added to the misfit: order 1, R(u) = u; order 0, the smooth count u^2 / (u^2 +
/// width^2). u is (x0_hat + 1) / 2 before a chart brings its sum to 1 (after that, both are constants: the
/// regulariser of the BlindDPS repository has no gradient), or the state itself where there is no prior.
/// Ours: the weight is not the lambda of the paper.
struct Sparsity {
  double weight = 0;
  int order = 1;
  double width = 0.05;
};

struct WalkerOptions {
  std::string name;  ///< of its unknown, for messages
  StepRule step;
  double clip = 1;  ///< x0_hat is limited to [-clip, clip], inside the gradient too; 0: not
  Sparsity sparsity;
  bool on_simplex =
      false;  ///< without a prior: projected onto the simplex, x >= 0 and sum 1, after each step
};

/// One unknown on its way from noise: its state, its prior, and what makes its estimate physical.
class Walker {
 public:
  /// `prior` null: the state is the estimate itself; it moves by its gradient alone and receives no noise.
  /// `chart` null: the operator takes the estimate as it is. The schedule's steps are those of all walkers.
  /// Whatever is pointed or referred to outlives this. Errors: learned variance asked of a prior that has
  /// none; a sampler of more than one evaluation a step; negative options; a projection of a walker with a
  /// prior.
  Walker(Context& context, WalkerOptions options, Denoiser* prior, Chart* chart, const Schedule& schedule,
         const SamplerOptions& sampler, NoiseSource& noise);

  const WalkerOptions& options() const { return options_; }
  const Schedule& schedule() const { return step_.schedule; }
  /// The evaluation of the last step: x0 is the clipped estimate, in the prior's coordinates.
  const Step& evaluation() const { return step_; }
  /// The gradient of the misfit with respect to the state at the last step, before its scale.
  const Tensor& gradient() const { return gradient_; }
  /// What the operator is given for a state in the prior's coordinates: clipped and through the chart.
  Tensor physical(const Tensor& state);

  Tensor x;  ///< planar; x_T before the first step

 private:
  friend class JointMisfit;
  /// Evaluates the prior, draws, and returns what the operator is given.
  Tensor propose_at(int index, int executed);
  /// Takes the gradient with respect to what the operator was given and moves the state.
  void finish(const Tensor& on_physical);

  Context& context_;
  WalkerOptions options_;
  Denoiser* prior_;
  Chart* chart_;
  std::unique_ptr<Saved> chart_saved_;
  Step step_;
  Tensor next_, gradient_;
};

/// The measurement that guides a set of walkers.
class JointMisfit {
 public:
  /// y: a measurement for each sample, or one for all. The operator outlives this.
  JointMisfit(Context& context, ForwardOperator& op, Tensor y);
  /// One step of all walkers (Chung, Kim, Kim & Ye, "Parallel diffusion models of operator and image for
  /// blind inverse problems", CVPR 2023, as their repository computes it): each draws its unguided x'_{t-1}
  /// from the clipped, uncharted estimate; the charted ones give the residual r = y - A(u_1, ..., u_K); every
  /// state becomes x'_{t-1} - s_t times the gradient of |r| (of each sample alone, not its square; 0 where it
  /// is 0) plus the sparsity. With one walker this is DPS. A kernel of one sample serves all images; its
  /// gradient is the sum over theirs. Draws are made in the order of the walkers. Errors: another number of
  /// walkers than the operator has unknowns, or shapes that do not fit.
  void step(std::span<Walker> walkers, int index, int executed);
  /// |r|^2 of each sample at the last step, (N, 1, 1, 1).
  const TensorOf<double>& distance_squared() const { return distance_squared_; }

 private:
  const Tensor& measurement(const Shape& measured);

  Context& context_;
  ForwardOperator& operator_;
  std::unique_ptr<Saved> saved_;
  Tensor y_, repeated_;
  TensorOf<double> distance_squared_;
  std::vector<Tensor> given_, gradients_;  ///< of each unknown; empty between steps
  std::vector<Tensor*> asked_;
};

/// Called after every step with its number from 0 on; return false to stop early.
using JointObserver = std::function<bool(int executed)>;

/// All steps of the schedule that the walkers share, from the states they hold. Errors: no walkers, schedules
/// of different lengths, and those of `JointMisfit::step`.
void joint_sample(std::span<Walker> walkers, JointMisfit& misfit, const JointObserver& observer = {});

}  // namespace tweedie
