// The operator around KernelWizard: ranges, clamping, which kernel.
#include "operators/nonlinear_blur.hpp"

#include "tests/operators/gradient_of.hpp"
#include "tests/support/support.hpp"
#include "weights/random_source.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

constexpr Shape image{2, 3, 128, 128};

std::unique_ptr<KernelWizard> network(Context& context) {
  RandomSource source(5);
  return std::make_unique<KernelWizard>(context, WeightScope(source), KernelWizardConfig{3, 8, 1, 1, 16});
}

}  // namespace

TEST_CASE("nonlinear blur: 2 B((x + 1) / 2) - 1, clamped, with gradient 0 where it was") {
  // Somewhat beyond the range of images, so that much is clamped.
  const std::vector<float> x = random_values(image.size(), 1, -1.3f, 1.3f),
                           w = random_values(image.size(), 2);
  const std::vector<float> code = random_values(16, 3, -2, 2);
  for (const Device device : backends()) {
    Context context(device, 1, true);
    NonlinearBlur op(context, network(context), context.upload({1, 16, 1, 1}, code),
                     NonlinearBlur::Draw::once);
    CHECK(op.output_shape(image) == image);
    // The network by itself, with everything around it in double.
    const auto alone = network(context);
    std::vector<float> unit, codes = code, masked = w;
    for (const float v : x) unit.push_back((v + 1) / 2);
    codes.insert(codes.end(), code.begin(), code.end());
    KernelWizard::Saved inner;
    const std::vector<float> blurred = context.download(
        alone->forward(context.upload(image, unit), context.upload({2, 16, 1, 1}, codes), &inner));
    std::vector<double> expected;
    std::size_t clamped = 0;
    for (std::size_t i = 0; i < blurred.size(); ++i) {
      const double raw = 2.0 * blurred[i] - 1;
      expected.push_back(std::clamp(raw, -1.0, 1.0));
      if (std::abs(raw) > 1) masked[i] = 0, ++clamped;
    }
    CHECK(clamped > 100);
    CHECK(clamped < blurred.size() / 2);
    check_close("value", context.download(op.forward(context.upload(image, x))), expected, 1e-6);
    check_close("gradient", gradient_of(context, op, context.upload(image, x), context.upload(image, w)),
                context.download(alone->backward(context.upload(image, masked), inner)), 1e-6);
  }
}

TEST_CASE("nonlinear blur: one kernel for all calls and samples, or one for each") {
  Context context(Device::cpu, 1);
  std::vector<float> x = random_values(image.size(), 1);
  std::copy_n(x.begin(), image.sample(), x.begin() + image.sample());  // twice the same sample
  const auto halves = [&](NonlinearBlur& op) {
    const std::vector<float> y = context.download(op.forward(context.upload(image, x)));
    return std::pair(std::vector<float>(y.begin(), y.begin() + image.sample()),
                     std::vector<float>(y.begin() + image.sample(), y.end()));
  };
  NonlinearBlur fixed(context, network(context), {}, NonlinearBlur::Draw::once);
  const auto first = halves(fixed);
  check_equal("another sample", first.second, first.first);
  check_equal("another call", halves(fixed).first, first.first);
  // The seed alone decides, not what was drawn before.
  NonlinearBlur same(context, network(context), {}, NonlinearBlur::Draw::once, 0);
  check_equal("the same seed", halves(same).first, first.first);
  NonlinearBlur other(context, network(context), {}, NonlinearBlur::Draw::once, 1);
  CHECK(halves(other).first != first.first);
  NonlinearBlur fresh(context, network(context), {}, NonlinearBlur::Draw::per_call);
  const auto drawn = halves(fresh);
  CHECK(drawn.first != drawn.second);
  CHECK(halves(fresh).first != drawn.first);
}

TEST_CASE("nonlinear blur: a code that belongs to other images is refused") {
  Context context(Device::cpu, 1);
  const Tensor code = context.upload({1, 16, 1, 1}, random_values(16, 1));
  NonlinearBlur op(context, network(context), code, NonlinearBlur::Draw::once);
  CHECK_THROWS_WITH_AS(
      op.output_shape({1, 3, 128, 256}),
      "nonlinear blur: a kernel's code of (1, 16, 1, 1) for images (1, 3, 128, 256), which take "
      "(1, 16, 1, 2)",
      Error);
  CHECK_THROWS_AS(NonlinearBlur(context, network(context), code, NonlinearBlur::Draw::per_call), Error);
}
