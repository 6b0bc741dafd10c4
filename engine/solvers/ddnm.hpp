// Denoising diffusion null-space models (Wang et al., ICLR 2023).
#pragma once

#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "engine/solvers/solver.hpp"
#include "engine/solvers/spectral_sum.hpp"

namespace tweedie {

struct DdnmOptions {
  double eta = 0.85;
  int travel_length = 1, travel_repeat = 1;  ///< jump back so many steps, so many times less one; 1: never
  /// To replay published runs of DDNM+: their Lambda_noise forgets a V^T, so that eps and z come turned by a
  /// V that their SVD library chose. Empty: as they are, which is right.
  std::function<Tensor(const Tensor&)> compat_turn = {};
};

/// The steps of a run with time travel, as (level, next level) of the schedule, -1 being the end; a next
/// level above the level is a jump back (the jump schedule of RePaint; Wang et al., Algorithm 2).
std::vector<std::pair<int, int>> travel_steps(int steps, int length, int repeat);

/// DDNM: x0' = x0 - A^+(A x0 - y), then x_s = sqrt(abar_s) x0' + sqrt(1 - abar_s)(eta z + sqrt(1 - eta^2)
/// eps). DDNM+, where the measurement has noise sy (their Eq. 17 to 19, component by component of A = U S
/// V^T, with a = sqrt(abar_s) and st = sqrt(1 - abar_s)):
///   st > a sy / s:  x0' moves all the way,  noise sqrt(st^2 - a^2 sy^2 / s^2) z
///   st < a sy / s:  x0' moves by s st sqrt(1 - eta^2) / (a sy),  noise st eta z
///   no measurement: noise st (eta z + sqrt(1 - eta^2) eps)
/// A jump back goes from the last estimate: x = sqrt(abar) x0 + sqrt(1 - abar) z.
class Ddnm : public Solver {
 public:
  /// plus: DDNM+, which needs the singular values; else any linear operator that can be inverted.
  Ddnm(const DdnmOptions& options, bool plus) : options_(options), plus_(plus) {}
  int steps(const Posterior& p) const override;
  Tensor start(Posterior& p) override;
  Tensor step(Posterior& p, Tensor x, int executed) override;
  const Tensor& estimate() const override { return at_->x0; }
  const TensorOf<double>& misfit_squared() const override { return misfit_; }

 private:
  void prepare(Posterior& p);
  Tensor by_inverse(Posterior& p, const Tensor& z, double bar);
  Tensor by_components(Posterior& p, const Tensor& z, double bar);

  DdnmOptions options_;
  bool plus_;
  std::vector<std::pair<int, int>> travel_;
  std::optional<Evaluation> at_;
  std::optional<SpectralSum> sum_;
  Tensor Uty_;
  TensorOf<double> misfit_;
};

extern const SolverKind ddnm_kind, ddnm_plus_kind;

}  // namespace tweedie
