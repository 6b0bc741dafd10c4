#include "operators/composed.hpp"

#include "operators/separable.hpp"

namespace tweedie {
namespace {

SparseRows first_pixels(int pixels, int kept) {
  require(kept <= pixels, "crop: ", kept, " of ", pixels, " pixels");
  SparseRows m{kept, pixels, {0}, {}, {}};
  for (int i = 0; i < kept; ++i) {
    m.index.push_back(i);
    m.weight.push_back(1.f);
    m.start.push_back(i + 1);
  }
  return m;
}

class LinearOnCrop : public LinearOperator {
 public:
  LinearOnCrop(std::unique_ptr<ForwardOperator> crop, std::unique_ptr<ForwardOperator> op)
      : crop_owner_(std::move(crop)),
        op_owner_(std::move(op)),
        crop_(dynamic_cast<LinearOperator&>(*crop_owner_)),
        op_(dynamic_cast<LinearOperator&>(*op_owner_)) {}
  Shape output_shape(const Shape& image) const override {
    return op_.output_shape(crop_.output_shape(image));
  }
  Tensor forward(const Tensor& x) override { return op_.forward(crop_.forward(x)); }
  Tensor adjoint(const Tensor& y, const Shape& image) override {
    return crop_.adjoint(op_.adjoint(y, crop_.output_shape(image)), image);
  }
  bool has_pseudo_inverse() const override { return op_.has_pseudo_inverse(); }
  Tensor pseudo_inverse(const Tensor& y, const Shape& image) override {
    return crop_.adjoint(op_.pseudo_inverse(y, crop_.output_shape(image)), image);
  }
  void discard_unmeasured(Tensor& y) override { op_.discard_unmeasured(y); }

 private:
  std::unique_ptr<ForwardOperator> crop_owner_, op_owner_;
  LinearOperator &crop_, &op_;
};

}  // namespace

Vjp<Tensor> Composed::vjp(const Tensor& x) {
  Vjp<Tensor> inner = first_->vjp(x), outer = second_->vjp(inner.value);
  pull_first_ = std::move(inner.pullback);
  pull_second_ = std::move(outer.pullback);
  return {std::move(outer.value),
          [this](const Tensor& cotangent) { return pull_first_(pull_second_(cotangent)); }};
}

std::unique_ptr<ForwardOperator> make_crop(Context& context, int H, int W) {
  return std::make_unique<SeparableOperator>(
      context, [H](int pixels) { return first_pixels(pixels, H); },
      [W](int pixels) { return first_pixels(pixels, W); }, true);
}

std::unique_ptr<ForwardOperator> on_crop(Context& context, int H, int W,
                                         std::unique_ptr<ForwardOperator> op) {
  std::unique_ptr<ForwardOperator> crop = make_crop(context, H, W);
  if (dynamic_cast<LinearOperator*>(op.get()))
    return std::make_unique<LinearOnCrop>(std::move(crop), std::move(op));
  return std::make_unique<Composed>(std::move(crop), std::move(op));
}

}  // namespace tweedie
