#include "layers/class_guidance.hpp"

#include <utility>

#include "kernels/elementwise.hpp"

namespace tweedie {

struct ClassGuidance::Both : Saved {
  std::unique_ptr<Saved> of_class, of_any;
};

ClassGuidance::ClassGuidance(Context& context, UNet& network, double scale)
    : context_(context), network_(network), scale_(float(scale)) {
  require(network.config().num_classes.has_value(), "class guidance: the network is not class-conditional");
}

std::unique_ptr<Saved> ClassGuidance::make_saved() const {
  auto both = std::make_unique<Both>();
  both->of_class = network_.make_saved();
  both->of_any = network_.make_saved();
  return both;
}

Prediction ClassGuidance::forward(const Tensor& x, const NoiseLevel& level, Saved* saved) {
  Both* const both = saved ? &saved_as<Both>(*saved, "class guidance") : nullptr;
  Prediction result = network_.forward(x, level, both ? both->of_class.get() : nullptr);
  const std::vector<int> labels = network_.labels();
  network_.set_labels({UNet::any_class});
  const Prediction any = network_.forward(x, level, both ? both->of_any.get() : nullptr);
  network_.set_labels(labels);
  axpby(context_.queue, result.eps, scale_, result.eps, 1 - scale_, any.eps);
  return result;
}

Tensor ClassGuidance::backward(const Tensor& deps, Saved& saved) {
  Both& both = saved_as<Both>(saved, "class guidance");
  Tensor dx = network_.backward(deps, *both.of_class);
  const Tensor of_any = network_.backward(deps, *both.of_any);
  axpby(context_.queue, dx, scale_, dx, 1 - scale_, of_any);
  return dx;
}

}  // namespace tweedie
