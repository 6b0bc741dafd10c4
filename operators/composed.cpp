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

class LinearComposed : public LinearOperator {
 public:
  LinearComposed(std::unique_ptr<ForwardOperator> first, std::unique_ptr<ForwardOperator> second)
      : first_owner_(std::move(first)),
        second_owner_(std::move(second)),
        first_(*as_linear(*first_owner_)),
        second_(*as_linear(*second_owner_)) {}
  Shape output_shape(const Shape& image) const override {
    return second_.output_shape(first_.output_shape(image));
  }
  Tensor apply(const Tensor& x) override { return second_.forward(first_.forward(x)); }
  Tensor adjoint(const Tensor& y, const Shape& image) override {
    return first_.adjoint(second_.adjoint(y, between(image)), image);
  }
  void discard_unmeasured(Tensor& y) override { second_.discard_unmeasured(y); }

 private:
  Shape image_, between_;
  std::unique_ptr<ForwardOperator> first_owner_, second_owner_;

 protected:
  /// What the second one sees of images; kept, since an operator may take its time to tell.
  const Shape& between(const Shape& image) {
    if (image_ != image) {
      between_ = first_.output_shape(image);
      image_ = image;
    }
    return between_;
  }
  LinearOperator &first_, &second_;
};

// A crop's rows are orthonormal, so that (A crop)^+ is A^+ followed by the padding.
class LinearOnCrop : public LinearComposed {
 public:
  using LinearComposed::LinearComposed;
  bool has_pseudo_inverse() const override { return second_.has_pseudo_inverse(); }
  Tensor pseudo_inverse(const Tensor& y, const Shape& image) override {
    return first_.adjoint(second_.pseudo_inverse(y, between(image)), image);
  }
};

}  // namespace

struct Composed::Both : Saved {
  std::unique_ptr<Saved> first, second;
};

std::unique_ptr<Saved> Composed::make_saved() const {
  auto both = std::make_unique<Both>();
  both->first = first_->make_saved();
  both->second = second_->make_saved();
  return both;
}

Tensor Composed::forward(const Tensor& x, Saved* saved) {
  Both* const both = saved ? &saved_as<Both>(*saved, "composed operator") : nullptr;
  return second_->forward(first_->forward(x, both ? both->first.get() : nullptr),
                          both ? both->second.get() : nullptr);
}

Tensor Composed::backward(const Tensor& dy, Saved& saved) {
  Both& both = saved_as<Both>(saved, "composed operator");
  return first_->backward(second_->backward(dy, *both.second), *both.first);
}

std::unique_ptr<ForwardOperator> compose(std::unique_ptr<ForwardOperator> first,
                                         std::unique_ptr<ForwardOperator> second) {
  if (as_linear(*first) && as_linear(*second))
    return std::make_unique<LinearComposed>(std::move(first), std::move(second));
  return std::make_unique<Composed>(std::move(first), std::move(second));
}

std::unique_ptr<ForwardOperator> make_crop(Context& context, int H, int W) {
  return std::make_unique<SeparableOperator>(
      context, [H](int pixels) { return first_pixels(pixels, H); },
      [W](int pixels) { return first_pixels(pixels, W); }, true);
}

std::unique_ptr<ForwardOperator> on_crop(Context& context, int H, int W,
                                         std::unique_ptr<ForwardOperator> op) {
  std::unique_ptr<ForwardOperator> crop = make_crop(context, H, W);
  if (as_linear(*op)) return std::make_unique<LinearOnCrop>(std::move(crop), std::move(op));
  return std::make_unique<Composed>(std::move(crop), std::move(op));
}

const OperatorKind composed_kind{.name = "composed",
                                 .what = "operators one after another, from a task file",
                                 .make = nullptr,  // see operators/factory.cpp
                                 .of_many = true};

}  // namespace tweedie
