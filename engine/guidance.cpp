#include "engine/guidance.hpp"

#include "kernels/elementwise.hpp"
#include "kernels/reduce.hpp"

namespace tweedie {

DpsGuidance::DpsGuidance(Context& context, ForwardOperator& op, Tensor y, double zeta)
    : context_(context),
      operator_(op),
      y_(std::move(y)),
      zeta_(zeta),
      distance_squared_(context.per_sample(y_.shape().N)) {}

Tensor DpsGuidance::apply(Step& step, Tensor next) {
  Queue& q = context_.queue;
  const Vjp<Tensor> measured = operator_.vjp(step.x0);
  Tensor residual = context_.planar(measured.value.shape());
  axpby(q, residual, 1.f, y_, -1.f, measured.value);  // r = y - A x0_hat
  sum_squares(q, distance_squared_.view(), residual);
  divide_by_norm(q, residual, residual, distance_squared_.view(), -1.f);  // d|r| / d(A x0_hat) = -r / |r|
  const Tensor gradient = step.pull_back(measured.pullback(residual));
  axpby(q, next, 1.f, next, float(-zeta_), gradient);
  return next;
}

std::unique_ptr<Guidance> make_guidance(Context& context, const std::string& method, ForwardOperator& op,
                                        Tensor y, double scale) {
  if (method == "vanilla" || method == "none") return nullptr;
  require(method == "ps" || method == "dps", "guidance '", method, "' is not known; expected dps or none");
  return std::make_unique<DpsGuidance>(context, op, std::move(y), scale);
}

}  // namespace tweedie
