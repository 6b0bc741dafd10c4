// One operator after another, and the crop that lets a network work on a larger image than the measured one.
#pragma once

#include <memory>

#include "engine/context.hpp"
#include "engine/forward_operator.hpp"
#include "operators/kinds.hpp"

namespace tweedie {

/// y = second(first(x)).
class Composed : public ImageOperator {
 public:
  Composed(std::unique_ptr<ForwardOperator> first, std::unique_ptr<ForwardOperator> second)
      : first_(std::move(first)), second_(std::move(second)) {}
  Shape output_shape(const Shape& image) const override {
    return second_->output_shape(first_->output_shape(image));
  }
  std::unique_ptr<Saved> make_saved() const override;
  Tensor forward(const Tensor& x, Saved* saved = nullptr) override;
  Tensor backward(const Tensor& dy, Saved& saved) override;
  void discard_unmeasured(Tensor& y) override { second_->discard_unmeasured(y); }

 private:
  struct Both;

  std::unique_ptr<ForwardOperator> first_, second_;
};

/// second(first(x)): a LinearOperator, without a pseudo-inverse, where both are.
std::unique_ptr<ForwardOperator> compose(std::unique_ptr<ForwardOperator> first,
                                         std::unique_ptr<ForwardOperator> second);

/// The top left H x W pixels of an image; the adjoint, which is the pseudo-inverse too, pads with zeros.
std::unique_ptr<ForwardOperator> make_crop(Context& context, int H, int W);

/// `op` of the top left H x W pixels: a LinearOperator where `op` is one, with a pseudo-inverse where `op`
/// has one (the crop's rows are orthonormal, so (A crop)^+ is A^+ followed by the padding).
std::unique_ptr<ForwardOperator> on_crop(Context& context, int H, int W, std::unique_ptr<ForwardOperator> op);

extern const OperatorKind composed_kind;

}  // namespace tweedie
