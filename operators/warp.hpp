// A displacement of every pixel that is itself unknown: what turbulent air does to a picture.
#pragma once

#include <memory>

#include "engine/context.hpp"
#include "engine/forward_operator.hpp"

namespace tweedie {

/// A(x, phi): x (N, C, H, W) read at displaced pixels, phi (N or 1, 2, H, W) in pixels, channel 0 to the
/// right, channel 1 downwards; linear interpolation, 0 outside (kernels/warp.hpp). Linear in x.
class Warp : public ForwardOperator {
 public:
  explicit Warp(Context& context) : context_(context) {}
  int unknowns() const override { return 2; }
  bool linear_in(int unknown) const override { return unknown == 0; }
  /// Errors: not two unknowns; displacements that are not the image's.
  Shape output_shape(std::span<const Shape> u) const override;
  std::unique_ptr<Saved> make_saved() const override;
  Tensor forward(Unknowns u, Saved* saved = nullptr) override;
  void backward(std::span<Tensor* const> du, const Tensor& dy, Saved& saved) override;
  using ForwardOperator::backward;
  using ForwardOperator::forward;

 private:
  struct State;
  Context& context_;
};

}  // namespace tweedie
