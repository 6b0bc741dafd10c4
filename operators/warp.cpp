#include "operators/warp.hpp"

#include <array>

#include "kernels/warp.hpp"

namespace tweedie {

struct Warp::State : Saved {
  Tensor image, displacement;
};

std::unique_ptr<Saved> Warp::make_saved() const { return std::make_unique<State>(); }

Shape Warp::output_shape(std::span<const Shape> u) const {
  require(u.size() == 2, "warp: ", u.size(), " unknowns; expected an image and displacements");
  const Shape &x = u[0], &phi = u[1];
  require((phi.N == 1 || phi.N == x.N) && phi == Shape{phi.N, 2, x.H, x.W}, "warp: displacements ", phi,
          " of images ", x, "; expected (1 or ", x.N, ", 2, ", x.H, ", ", x.W, ")");
  return x;
}

Tensor Warp::forward(Unknowns u, Saved* saved) {
  require(u.size() == 2, "warp: ", u.size(), " unknowns; expected an image and displacements");
  Tensor y = context_.planar(output_shape(std::array{u[0].shape(), u[1].shape()}));
  warp(context_.queue, y, u[0], u[1]);
  if (saved) {
    State& state = saved_as<State>(*saved, "warp");
    state.image = u[0], state.displacement = u[1];
  }
  return y;
}

void Warp::backward(std::span<Tensor* const> du, const Tensor& dy, Saved& saved) {
  require(du.size() == 2, "warp: gradients of ", du.size(), " unknowns; expected two");
  const State& state = saved_as<State>(saved, "warp");
  if (du[0]) {
    Tensor dx = context_.planar(state.image.shape());
    warp_backward_image(context_.queue, dx, dy, state.displacement);
    *du[0] = std::move(dx);
  }
  if (du[1]) {
    Tensor dphi = context_.planar(state.displacement.shape());
    warp_backward_displacement(context_.queue, dphi, dy, state.image, state.displacement);
    *du[1] = std::move(dphi);
  }
}

}  // namespace tweedie
