#include "operators/fixed.hpp"

#include "kernels/elementwise.hpp"

namespace tweedie {
namespace {

/// What both kinds share: the unknowns with one of them exchanged.
class Held {
 public:
  Held(std::unique_ptr<ForwardOperator> of, int free, std::vector<Tensor> values)
      : op(std::move(of)), free_(std::size_t(free)), values_(std::move(values)) {}
  Shape output_shape(const Shape& x) const {
    std::vector<Shape> shapes;
    for (const Tensor& value : values_) shapes.push_back(value.shape());
    shapes[free_] = x;
    return op->output_shape(shapes);
  }
  Tensor forward(const Tensor& x, Saved* saved) {
    values_[free_] = x;
    Tensor y = op->forward(Unknowns(values_), saved);
    values_[free_] = {};
    return y;
  }
  Tensor backward(const Tensor& dy, Saved& saved) {
    Tensor dx;
    std::vector<Tensor*> du(values_.size(), nullptr);
    du[free_] = &dx;
    op->backward(du, dy, saved);
    return dx;
  }

  std::unique_ptr<ForwardOperator> op;

 private:
  std::size_t free_;
  std::vector<Tensor> values_;
};

class Fixed : public ImageOperator {
 public:
  explicit Fixed(Held held) : held_(std::move(held)) {}
  Shape output_shape(const Shape& x) const override { return held_.output_shape(x); }
  std::unique_ptr<Saved> make_saved() const override { return held_.op->make_saved(); }
  Tensor forward(const Tensor& x, Saved* saved = nullptr) override { return held_.forward(x, saved); }
  Tensor backward(const Tensor& dy, Saved& saved) override { return held_.backward(dy, saved); }
  void discard_unmeasured(Tensor& y) override { held_.op->discard_unmeasured(y); }

 private:
  Held held_;
};

class LinearFixed : public LinearOperator {
 public:
  LinearFixed(Context& context, Held held)
      : context_(context), held_(std::move(held)), saved_(held_.op->make_saved()) {}
  Shape output_shape(const Shape& x) const override { return held_.output_shape(x); }
  Tensor apply(const Tensor& x) override { return held_.forward(x, nullptr); }
  /// The state of one forward at 0 serves all: the other unknowns stay, and the adjoint does not depend on x.
  Tensor adjoint(const Tensor& y, const Shape& image) override {
    if (image_ != image) {
      Tensor nothing = context_.planar(image);
      fill(context_.queue, nothing, 0);
      held_.forward(nothing, saved_.get());
      image_ = image;
    }
    return held_.backward(y, *saved_);
  }
  void discard_unmeasured(Tensor& y) override { held_.op->discard_unmeasured(y); }

 private:
  Context& context_;
  Held held_;
  Shape image_;
  std::unique_ptr<Saved> saved_;
};

}  // namespace

std::unique_ptr<ForwardOperator> fixed(Context& context, std::unique_ptr<ForwardOperator> op, int free,
                                       std::vector<Tensor> values) {
  const int unknowns = op->unknowns();
  require(free >= 0 && free < unknowns, "fixed: unknown ", free, " of an operator of ", unknowns);
  require(int(values.size()) == unknowns, "fixed: ", values.size(), " values for an operator of ", unknowns,
          " unknowns");
  const bool linear = op->linear_in(free);
  Held held(std::move(op), free, std::move(values));
  if (linear) return std::make_unique<LinearFixed>(context, std::move(held));
  return std::make_unique<Fixed>(std::move(held));
}

}  // namespace tweedie
