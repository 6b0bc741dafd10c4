// One table over all operators: adjointness, pseudo-inverses, guards; then each against loops in double.
#include "operators/composed.hpp"
#include "operators/factory.hpp"
#include "operators/inpainting.hpp"
#include "operators/separable.hpp"
#include "tests/support/support.hpp"

using namespace tweedie;
using namespace tweedie::test;
using nlohmann::json;

namespace {

using Maker = std::function<std::unique_ptr<ForwardOperator>(Context&, Shape)>;

struct Row {
  const char* name;
  Maker make;
  bool odd_sizes = true;  ///< whether it takes any height and width
  bool gray = true;       ///< whether it takes images of one channel
  int channels = 0;       ///< the number it is tried with; 0: 3 and 1
};

Maker named(json settings) {
  return [settings](Context& context, Shape) { return make_operator(context, settings, {}); };
}

Maker masked(std::function<std::vector<float>(int, int)> mask) {
  return [mask](Context& context, Shape s) -> std::unique_ptr<ForwardOperator> {
    return std::make_unique<Inpainting>(context, context.upload({1, 1, s.H, s.W}, mask(s.H, s.W)));
  };
}

std::vector<Row> rows() {
  const auto blur = [](const char* boundary) {
    return json{{"name", "gaussian_blur"}, {"kernel_size", 9}, {"intensity", 1.7}, {"boundary", boundary}};
  };
  const auto smaller = [](int factor, const char* kernel) {
    return json{{"name", "super_resolution"}, {"scale_factor", factor}, {"kernel", kernel}};
  };
  const auto mask_per_channel = [](Context& context, Shape s) -> std::unique_ptr<ForwardOperator> {
    std::vector<float> mask = random_values(s.size(), 3);
    for (float& m : mask) m = m > 0 ? 1.f : 0.f;
    return std::make_unique<Inpainting>(context, context.upload(s, mask));
  };
  const auto cropped_blur = [blur](Context& context, Shape s) -> std::unique_ptr<ForwardOperator> {
    return std::make_unique<Composed>(make_crop(context, s.H - 3, s.W - 5),
                                      make_operator(context, blur("reflect"), {}));
  };
  const auto scan = [](const char* mask, bool complex) {
    return json{{"name", "mri"}, {"mask", mask}, {"seed", 3}, {"complex", complex}};
  };
  const auto given_mask = [scan](Context& context, Shape s) {
    OperatorData data;
    data.mask = context.upload({1, 1, 1, s.W}, random_mask(1, s.W, 0.6, 5));
    return make_operator(context, {{"name", "mri"}}, data);
  };
  const auto coils = [](bool complex) {
    return [complex](Context& context, Shape s) {
      OperatorData data;
      data.sensitivity = context.upload({5, 2, s.H, s.W}, random_values(10 * s.plane(), 4));
      return make_operator(context, {{"name", "mri"}, {"complex", complex}}, data);
    };
  };
  return {
      {"CT, sparse view", named({{"name", "ct"}, {"angles", 23}})},
      {"CT, limited angle",
       named({{"name", "ct"}, {"angles", 31}, {"first", -20}, {"span", 110}, {"detectors", 40}})},
      {"MRI, random columns", named(scan("uniform1d", false))},
      {"MRI, equispaced columns", named(scan("equispaced1d", false))},
      {"MRI, random entries", named(scan("uniform2d", false))},
      {"MRI, Gaussian entries of complex images", named(scan("gaussian2d", true)), true, true, 2},
      {"MRI, Gaussian columns of complex images", named(scan("gaussian1d", true)), true, true, 2},
      {"MRI, a given mask of columns", given_mask},
      {"MRI, 5 coils", coils(false)},
      {"MRI, 5 coils, complex images", coils(true), true, true, 2},
      {"identity", named({{"name", "noise"}})},
      {"inpainting, box", masked([](int H, int W) { return box_mask(H, W, 5, 7, 11, 13); })},
      {"inpainting, random", masked([](int H, int W) { return random_mask(H, W, 0.7, 3); })},
      {"inpainting, extreme", masked([](int H, int W) { return inverted(box_mask(H, W, 5, 7, 11, 13)); })},
      {"inpainting, box and random",
       masked([](int H, int W) { return both(box_mask(H, W, 5, 7, 11, 13), random_mask(H, W, 0.7, 3)); })},
      {"inpainting, a mask for each sample and channel", mask_per_channel},
      {"Gaussian blur, reflected", named(blur("reflect"))},
      {"Gaussian blur, circular", named(blur("circular"))},
      {"motion blur, reflected", named({{"name", "motion_blur"}, {"kernel_size", 15}, {"seed", 4}})},
      {"motion blur, circular",
       named({{"name", "motion_blur"}, {"kernel_size", 15}, {"boundary", "circular"}})},
      {"super-resolution x2, bicubic", named(smaller(2, "bicubic"))},
      {"super-resolution x4, bicubic", named(smaller(4, "bicubic"))},
      {"super-resolution x2, average", named(smaller(2, "average")), false},
      {"super-resolution x4, average", named(smaller(4, "average")), false},
      {"super-resolution x8, bicubic", named(smaller(8, "bicubic"))},
      {"colourisation", named({{"name", "colourisation"}}), true, false},
      {"super-resolution of a blur",
       named({{"name", "composed"}, {"operators", {blur("reflect"), smaller(2, "bicubic")}}})},
      {"crop", [](Context& context, Shape s) { return make_crop(context, s.H - 3, s.W - 5); }},
      {"blur of a crop", cropped_blur},
  };
}

void for_each_row(const std::function<void(const Row&, Context&, Shape)>& body) {
  for (const Device device : backends())
    for (const Row& row : rows())
      for (Shape shape : {Shape{3, 3, 40, 56}, Shape{1, 1, 33, 29}}) {
        if ((shape.H % 4 != 0 && !row.odd_sizes) || (shape.C == 1 && !row.gray)) continue;
        if (row.channels > 0) shape.C = row.channels;
        CAPTURE(std::string(name(device)));
        CAPTURE(std::string(row.name));
        CAPTURE(shape);
        Context context(device, 1, true);
        body(row, context, shape);
        CHECK(context.pool.damaged_guards() == 0);
        CHECK(context.pool.in_use() == 0);
      }
}

}  // namespace

TEST_CASE("every operator's vjp is the adjoint of what it computes") {
  for_each_row([](const Row& row, Context& context, Shape shape) {
    const auto op = row.make(context, shape);
    const Shape measured = op->output_shape(shape);
    CHECK(op->is_linear());
    const auto f = [&](const std::vector<float>& x) {
      const Tensor y = op->forward(context.upload(shape, x));
      CHECK(y.shape() == measured);
      return context.download(y);
    };
    const auto vjp = [&](const std::vector<float>& w) {
      return context.download(op->vjp(context.upload(shape, random_values(shape.size(), 2)))
                                  .pullback(context.upload(measured, w)));
    };
    // A linear map has no curvature: h = 1, and the tolerance is a few roundings of sums of tens of terms.
    check_vjp(row.name, f, vjp, random_values(shape.size(), 5), 1e-6, 1.0);
    const std::vector<float> x = random_values(shape.size(), 6);
    check_equal("value", context.download(op->vjp(context.upload(shape, x)).value), f(x));
  });
}

TEST_CASE("a pseudo-inverse undoes: A A^+ A = A") {
  int tried = 0;
  for_each_row([&](const Row& row, Context& context, Shape shape) {
    const auto op = row.make(context, shape);
    auto* linear = dynamic_cast<LinearOperator*>(op.get());
    const Tensor x = context.upload(shape, random_values(shape.size(), 5));
    if (!linear) return;
    const Tensor y = linear->forward(x);
    if (!linear->has_pseudo_inverse()) {
      CHECK_THROWS_WITH_AS(linear->pseudo_inverse(y, shape), doctest::Contains("no pseudo-inverse"), Error);
      return;
    }
    ++tried;
    check_close("A A^+ A x", context.download(linear->forward(linear->pseudo_inverse(y, shape))),
                context.download(y), 1e-6);
  });
  CHECK(tried >= 8 * int(backends().size()));  // identity and the masks, at two sizes
}

TEST_CASE("measurements of another shape are refused") {
  for_each_row([](const Row& row, Context& context, Shape shape) {
    const auto op = row.make(context, shape);
    const Shape wrong{shape.N, shape.C, shape.H + 4, shape.W};
    if (auto* linear = dynamic_cast<LinearOperator*>(op.get()))
      CHECK_THROWS_AS(linear->adjoint(context.planar(wrong), shape), Error);
  });
}
