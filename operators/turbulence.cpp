#include "operators/turbulence.hpp"

#include <array>

namespace tweedie {

struct Turbulence::Both : Saved {
  std::unique_ptr<Saved> warp, blur;
};

std::unique_ptr<Saved> Turbulence::make_saved() const {
  auto both = std::make_unique<Both>();
  both->warp = warp_.make_saved();
  both->blur = blur_.make_saved();
  return both;
}

Shape Turbulence::output_shape(std::span<const Shape> u) const {
  require(u.size() == 3, "turbulence: ", u.size(),
          " unknowns; expected an image, a kernel and displacements");
  return blur_.output_shape(std::array{warp_.output_shape(std::array{u[0], u[2]}), u[1]});
}

Tensor Turbulence::forward(Unknowns u, Saved* saved) {
  require(u.size() == 3, "turbulence: ", u.size(),
          " unknowns; expected an image, a kernel and displacements");
  Both* const both = saved ? &saved_as<Both>(*saved, "turbulence") : nullptr;
  const Tensor displaced = warp_.forward(std::array{u[0], u[2]}, both ? both->warp.get() : nullptr);
  return blur_.forward(std::array{displaced, u[1]}, both ? both->blur.get() : nullptr);
}

void Turbulence::backward(std::span<Tensor* const> du, const Tensor& dy, Saved& saved) {
  require(du.size() == 3, "turbulence: gradients of ", du.size(), " unknowns; expected three");
  Both& both = saved_as<Both>(saved, "turbulence");
  Tensor on_displaced;
  const bool further = du[0] || du[2];
  blur_.backward(std::array{further ? &on_displaced : nullptr, du[1]}, dy, *both.blur);
  if (further) warp_.backward(std::array{du[0], du[2]}, on_displaced, *both.warp);
}

}  // namespace tweedie
