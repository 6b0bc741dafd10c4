#include "engine/evaluation.hpp"

#include <cmath>

#include "kernels/elementwise.hpp"

namespace tweedie {

double Evaluation::a() const { return std::sqrt(1 / level.alphas_cumprod); }
double Evaluation::b() const { return std::sqrt(1 / level.alphas_cumprod - 1); }

void Evaluation::evaluate(Denoiser& denoiser, double limit, bool with_gradient) {
  if (with_gradient && denoiser_ != &denoiser) {
    saved_ = denoiser.make_saved();
    denoiser_ = &denoiser;
  }
  prediction = {};  // given back before the network runs, so that every evaluation finds the same memory
  x0 = {};
  prediction = denoiser.forward(x, level, with_gradient ? saved_.get() : nullptr);
  x0 = context.planar(x.shape());
  axpby(context.queue, x0, float(a()), x, float(-b()), prediction.eps);
  limit_ = float(limit);
  if (limit_ > 0) clamp(context.queue, x0, x0, -limit_, limit_);
}

Tensor Evaluation::pull_back(const Tensor& cotangent) {
  require(denoiser_, "evaluation: a way back was not asked for");
  Queue& q = context.queue;
  Tensor g = context.planar(x.shape());
  if (limit_ > 0) {
    // The clipped x0_hat has lost where it was clipped: its unclipped values are formed again.
    axpby(q, g, float(a()), x, float(-b()), prediction.eps);
    clamp_backward(q, g, cotangent, g, -limit_, limit_);
  } else {
    copy(q, g, cotangent);
  }
  Tensor on_eps = context.planar(x.shape());
  axpby(q, on_eps, float(-b()), g, 0.f, g);
  const Tensor through_network = denoiser_->backward(on_eps, *saved_);
  axpby(q, g, float(a()), g, 1.f, through_network);
  return g;
}

}  // namespace tweedie
