#include "operators/hdr.hpp"

#include "kernels/elementwise.hpp"

namespace tweedie {
namespace {

constexpr float gain = 2;

}  // namespace

struct OverExposure::State : Saved {
  Tensor scaled;  ///< 2 x
};

std::unique_ptr<Saved> OverExposure::make_saved() const { return std::make_unique<State>(); }

Tensor OverExposure::forward(const Tensor& x, Saved* saved) {
  Tensor scaled = context_.planar(x.shape()), y = context_.planar(x.shape());
  axpby(context_.queue, scaled, gain, x, 0, x);
  clamp(context_.queue, y, scaled, -1, 1);
  if (saved) saved_as<State>(*saved, "hdr").scaled = std::move(scaled);
  return y;
}

Tensor OverExposure::backward(const Tensor& dy, Saved& saved) {
  const Tensor& scaled = saved_as<State>(saved, "hdr").scaled;
  require(dy.shape() == scaled.shape(), "hdr: measurement ", dy.shape(), " for images ", scaled.shape());
  Tensor dx = context_.planar(dy.shape());
  clamp_backward(context_.queue, dx, dy, scaled, -1, 1);
  axpby(context_.queue, dx, gain, dx, 0, dx);
  return dx;
}

Tensor OverExposure::pseudo_inverse(const Tensor& y, const Shape& image) {
  require(y.shape() == image, "hdr: measurement ", y.shape(), " for images ", image);
  Tensor x = context_.planar(image);
  axpby(context_.queue, x, 1 / gain, y, 0, y);
  return x;
}

namespace {

std::unique_ptr<ForwardOperator> make_hdr(Context& context, const Settings&, const OperatorData&) {
  return std::make_unique<OverExposure>(context);
}

}  // namespace

const OperatorKind hdr_kind{
    .name = "hdr", .what = "over-exposure: twice the image, clipped to its range", .make = make_hdr};

}  // namespace tweedie
