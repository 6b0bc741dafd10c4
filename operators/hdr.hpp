// Over-exposure: what is brighter than the sensor's range is lost.
#pragma once

#include "engine/context.hpp"
#include "engine/forward_operator.hpp"
#include "operators/kinds.hpp"

namespace tweedie {

/// y = clip(2 x, -1, 1): the high dynamic range task of DAPS (Zhang et al. 2024). Its gradient is 2 dy where
/// the value is within the range, its ends included, else 0. h^+(y) = y / 2.
class OverExposure : public ImageOperator {
 public:
  explicit OverExposure(Context& context) : context_(context) {}
  Shape output_shape(const Shape& image) const override { return image; }
  std::unique_ptr<Saved> make_saved() const override;
  Tensor forward(const Tensor& x, Saved* saved = nullptr) override;
  Tensor backward(const Tensor& dy, Saved& saved) override;
  bool has_pseudo_inverse() const override { return true; }
  Tensor pseudo_inverse(const Tensor& y, const Shape& image) override;

 private:
  struct State;
  Context& context_;
};

extern const OperatorKind hdr_kind;

}  // namespace tweedie
