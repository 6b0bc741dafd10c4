// Guidance: how a measurement steers a sampler.
#pragma once

#include "engine/forward_operator.hpp"
#include "engine/sampler.hpp"

namespace tweedie {

/// Diffusion posterior sampling (Chung et al., ICLR 2023, Algorithm 1 in the form of their experiments):
///   x <- x' - zeta grad_{x_t} |y - A(x0_hat(x_t))| ,
/// the norm taken for each sample of the batch, not its square; its gradient is 0 where the norm is 0.
class DpsGuidance : public Guidance {
 public:
  /// y: the measurement, (N, ...) or (1, ...) of the operator's output shape. The operator outlives this.
  DpsGuidance(Context& context, ForwardOperator& op, Tensor y, double zeta);
  bool needs_gradient() const override { return true; }
  Tensor apply(Step& step, Tensor next) override;
  const TensorOf<double>& distance_squared() const override { return distance_squared_; }

 private:
  Context& context_;
  ForwardOperator& operator_;
  Tensor y_;
  double zeta_;
  TensorOf<double> distance_squared_;
};

/// Guidance by name: "ps" or "dps" is DpsGuidance; "vanilla" or "none" is null. `scale` is zeta.
/// Errors: an unknown name.
std::unique_ptr<Guidance> make_guidance(Context& context, const std::string& method, ForwardOperator& op,
                                        Tensor y, double scale);

}  // namespace tweedie
