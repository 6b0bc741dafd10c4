// What is known of the image: operator, measurement and noise, asked by every solver.
#pragma once

#include <memory>

#include "engine/context.hpp"
#include "engine/forward_operator.hpp"

namespace tweedie {

/// The noise of a measurement, in units of [-1, 1] images.
struct NoiseModel {
  double sigma = 0;        ///< standard deviation of white Gaussian noise; 0: none
  double photon_rate = 0;  ///< above 0: Poisson instead, white is 255 photon_rate photons
};

/// -log p(y | x) of each sample up to a constant. Holds the state of one evaluation of the operator, so that
/// solvers allocate nothing after their first step.
class Likelihood {
 public:
  /// y: the measurement, (N, ...) or (1, ...) of the operator's output shape; one is shared by all samples.
  /// The operator outlives this.
  Likelihood(Context& context, ForwardOperator& op, Tensor y, NoiseModel noise = {});

  ForwardOperator& op() const { return operator_; }
  /// The operator where it is linear, else null.
  LinearOperator* linear() const { return linear_; }
  const NoiseModel& noise() const { return noise_; }
  /// y as it was given.
  const Tensor& y() const { return y_; }
  /// y for a batch whose measurements have this shape. Errors: another shape than y's.
  const Tensor& y(const Shape& measured);

  /// y - A x, ready for one `pull_back`.
  Tensor residual(const Tensor& x);
  /// (dA/dx)^T dy at the x of the last `residual`.
  Tensor pull_back(const Tensor& dy);

  /// |y - A x|^2 of each sample into `squared`, nothing kept for a way back.
  void misfit(TensorOf<double>& squared, const Tensor& x);

 private:
  Tensor see(const Tensor& x, Saved* saved);

  Context& context_;
  ForwardOperator& operator_;
  LinearOperator* linear_;
  NoiseModel noise_;
  Tensor y_, repeated_;
  std::unique_ptr<Saved> saved_;
};

}  // namespace tweedie
