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
      [W](int pixels) { return first_pixels(pixels, W); });
}

}  // namespace tweedie
