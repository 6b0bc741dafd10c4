#include "engine/likelihood.hpp"

#include "kernels/elementwise.hpp"
#include "kernels/range.hpp"
#include "kernels/reduce.hpp"

namespace tweedie {

Likelihood::Likelihood(Context& context, ForwardOperator& op, Tensor y, NoiseModel noise)
    : context_(context),
      operator_(op),
      linear_(as_linear(op)),
      noise_(noise),
      y_(std::move(y)),
      saved_(op.make_saved()) {}

const Tensor& Likelihood::y(const Shape& measured) {
  if (y_.shape() == measured) return y_;
  Shape one = measured;
  one.N = 1;
  require(y_.shape() == one, "guidance: a measurement ", y_.shape(), ", the operator measures ", measured);
  if (repeated_.shape() != measured) {
    repeated_ = context_.planar(measured);
    for (int n = 0; n < measured.N; ++n) copy(context_.queue, repeated_.view().sample(n), y_.view());
  }
  return repeated_;
}

Tensor Likelihood::see(const Tensor& x, Saved* saved) {
  const Range range("operator");
  return operator_.forward(x, saved);
}

Tensor Likelihood::pull_back(const Tensor& dy) {
  const Range range("operator backward");
  return operator_.backward(dy, *saved_);
}

Tensor Likelihood::residual(const Tensor& x) {
  const Tensor seen = see(x, saved_.get());
  // Not in place: an operator may hand out what it was given.
  Tensor difference = context_.planar(seen.shape());
  axpby(context_.queue, difference, 1.f, y(seen.shape()), -1.f, seen);
  return difference;
}

void Likelihood::misfit(TensorOf<double>& squared, const Tensor& x) {
  const Tensor seen = see(x, nullptr);
  Tensor difference = context_.planar(seen.shape());
  axpby(context_.queue, difference, 1.f, y(seen.shape()), -1.f, seen);
  if (squared.shape().N != x.shape().N) squared = context_.per_sample(x.shape().N);
  sum_squares(context_.queue, squared.view(), difference);
}

}  // namespace tweedie
