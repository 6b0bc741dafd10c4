#include "operators/moving_turbulence.hpp"

#include <array>
#include <utility>

#include "engine/solvers/conjugate_gradients.hpp"
#include "engine/solvers/proximal.hpp"
#include "kernels/elementwise.hpp"

namespace tweedie {

MovingTurbulence::MovingTurbulence(Context& context, const Shape& image, const Tensor& kernel, Tensor tilt)
    : context_(context),
      warp_(context),
      blur_(context, image),
      saved_(warp_.make_saved()),
      at_image_(warp_.make_saved()),
      tilt_(std::move(tilt)) {
  blur_.set(kernel);
}

void MovingTurbulence::set_tilt(Tensor tilt) {
  tilt_ = std::move(tilt);
  image_ = {};
}

Shape MovingTurbulence::output_shape(const Shape& x) const {
  return blur_.output_shape(warp_.output_shape(std::array{x, tilt_.shape()}));
}

Tensor MovingTurbulence::apply(const Tensor& x) { return blur_.apply(warp_.forward(std::array{x, tilt_})); }

// The state of one warp of 0 serves until the displacements move: the adjoint does not depend on x.
Tensor MovingTurbulence::adjoint(const Tensor& y, const Shape& image) {
  if (image_ != image) {
    Tensor nothing = context_.planar(image);
    fill(context_.queue, nothing, 0);
    warp_.forward(std::array{nothing, tilt_}, saved_.get());
    image_ = image;
  }
  Tensor dx;
  warp_.backward(std::array<Tensor*, 2>{&dx, nullptr}, blur_.adjoint(y, image), *saved_);
  return dx;
}

Tensor MovingTurbulence::tilt_gradient(const Tensor& x, const Tensor& dy) {
  warp_.forward(std::array{x, tilt_}, at_image_.get());
  Tensor dtilt;
  warp_.backward(std::array<Tensor*, 2>{nullptr, &dtilt}, blur_.adjoint(dy, x.shape()), *at_image_);
  return dtilt;
}

Tensor MovingTurbulence::own_dual_solve(const Tensor& v, const Shape& image, double r2, double s2) {
  const auto M = [&](const Tensor& w) {
    Tensor Mw = apply(adjoint(w, image));
    axpby(context_.queue, Mw, float(r2), Mw, float(s2), w);
    return Mw;
  };
  const auto of_blur = [&](const Tensor& w) { return blur_.own_dual_solve(w, image, r2, s2); };
  Tensor w;
  conjugate_gradients(context_, w, M, v, 1e-4, cg_cap, {}, of_blur);
  return w;
}

}  // namespace tweedie
