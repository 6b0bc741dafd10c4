// Displacements and turbulence: compositions of what the kernels' tests hold to loops.
#include "operators/turbulence.hpp"

#include <array>

#include "operators/fixed.hpp"
#include "tests/operators/unknowns.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

using Values = std::vector<float>;

constexpr Shape image{2, 3, 13, 18}, taps{2, 1, 6, 5}, field{2, 2, 13, 18};

/// Displacements whose fractions keep away from 0 and 1, where the slope jumps.
Values displacements() {
  Values phi = random_values(field.size(), 3, -2.5f, 2.5f);
  for (float& d : phi) d = std::floor(d) + 0.1f + 0.8f * (d - std::floor(d));
  return phi;
}

}  // namespace

TEST_CASE("warp operator: gradients in the image and in the displacements") {
  for (const Device device : backends()) {
    Context context(device, 1, true);
    {
      Warp op(context);
      const Several at{context, op, {image, field}, {random_values(image.size(), 1), displacements()}};
      CHECK(at.measured() == image);
      at.check_gradient("warp, image", 0, 1e-6, 1);
      // Quadratic along a line within the cells: rounding over the step is all.
      at.check_gradient("warp, displacements", 1, 1e-4, 1e-2);
      const auto free = [&](int k) {
        return fixed(context, std::make_unique<Warp>(context), k, at.tensors());
      };
      CHECK(as_linear(*free(0)) != nullptr);
      CHECK(as_linear(*free(1)) == nullptr);
      const auto of_field = free(1);
      const auto saved = of_field->make_saved();
      check_equal("fixed image", context.download(of_field->forward(at.tensors()[1], saved.get())),
                  at.forward());
      const Values dy = random_values(image.size(), 4);
      check_equal("fixed image", context.download(of_field->backward(context.upload(image, dy), *saved)),
                  at.gradients(dy, {false, true})[1]);
    }
    CHECK(context.pool.damaged_guards() == 0);
    CHECK(context.pool.in_use() == 0);
  }
}

TEST_CASE("turbulence: displaced first, then blurred, and all gradients") {
  for (const Device device : backends()) {
    Context context(device, 1, true);
    {
      Turbulence op(context, Padding::zero);
      const Several at{context,
                       op,
                       {image, taps, field},
                       {random_values(image.size(), 1), random_values(taps.size(), 2), displacements()}};
      Warp warp(context);
      Convolution blur(context, Padding::zero);
      const std::vector<Tensor> u = at.tensors();
      const Tensor displaced = warp.forward(std::array{u[0], u[2]});
      check_equal("in turn", at.forward(), context.download(blur.forward(std::array{displaced, u[1]})));
      // The blur sums 30 products of FFTs in float: 1e-6 of the largest, over the step.
      at.check_gradient("turbulence, image", 0, 5e-6, 1);
      at.check_gradient("turbulence, kernel", 1, 5e-6, 1);
      at.check_gradient("turbulence, displacements", 2, 3e-4, 1e-2);
      CHECK(as_linear(*fixed(context, std::make_unique<Turbulence>(context, Padding::zero), 0, u)));
      CHECK(as_linear(*fixed(context, std::make_unique<Turbulence>(context, Padding::zero), 1, u)));
      CHECK(!as_linear(*fixed(context, std::make_unique<Turbulence>(context, Padding::zero), 2, u)));
      CHECK_THROWS_WITH_AS(op.output_shape(std::array{image, field, taps}), doctest::Contains("expected"),
                           Error);
    }
    CHECK(context.pool.damaged_guards() == 0);
    CHECK(context.pool.in_use() == 0);
  }
}
