// Imaging through turbulent air: a displacement of every pixel, then a blur.
#pragma once

#include "operators/convolution.hpp"
#include "operators/warp.hpp"

namespace tweedie {

/// A(x, k, phi) = k * warp(x, phi): the image, the kernel and the displacements, in the BlindDPS repository's
/// order of unknowns. Linear in x and in k. Shapes and errors as for `Convolution` and `Warp`.
class Turbulence : public ForwardOperator {
 public:
  Turbulence(Context& context, Padding padding) : warp_(context), blur_(context, padding) {}
  int unknowns() const override { return 3; }
  bool linear_in(int unknown) const override { return unknown != 2; }
  Shape output_shape(std::span<const Shape> u) const override;
  std::unique_ptr<Saved> make_saved() const override;
  Tensor forward(Unknowns u, Saved* saved = nullptr) override;
  void backward(std::span<Tensor* const> du, const Tensor& dy, Saved& saved) override;
  using ForwardOperator::backward;
  using ForwardOperator::forward;

 private:
  struct Both;
  Warp warp_;
  Convolution blur_;
};

}  // namespace tweedie
