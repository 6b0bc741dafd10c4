// One table over all operators: gradients, pseudo-inverses, guards. (Values: each operator's own tests.)
#include <algorithm>

#include "operators/composed.hpp"
#include "operators/factory.hpp"
#include "operators/inpainting.hpp"
#include "operators/nonlinear_blur.hpp"
#include "tests/support/support.hpp"
#include "weights/random_source.hpp"

using namespace tweedie;
using namespace tweedie::test;
using nlohmann::json;

namespace {

struct Maker {
  std::string op;  ///< its name in `operator_kinds()`; empty: it is made by other means than a name
  std::function<std::unique_ptr<ForwardOperator>(Context&, Shape)> make;
};
using Data = std::function<OperatorData(Context&, Shape)>;

struct Row {
  const char* name;
  Maker maker;
  /// What it is tried with: by default, batches and single images, odd sides and even ones.
  std::vector<Shape> shapes = {{3, 3, 40, 56}, {1, 1, 33, 29}};
  /// Of the central differences. A linear map has no curvature: h = 1, and the tolerance is a few roundings
  /// of sums of tens of terms.
  double step = 1, tolerance = 1e-6;
  bool linear() const { return step == 1; }
};
const std::vector<Shape> even{{3, 3, 40, 56}};
const std::vector<Shape> colour{{3, 3, 40, 56}, {1, 3, 33, 29}};
const std::vector<Shape> complex{{3, 2, 40, 56}, {1, 2, 33, 29}};

Maker named(json settings, Data data = {}) {
  return {settings.at("name"), [settings, data](Context& context, Shape s) {
            return make_operator(context, settings, data ? data(context, s) : OperatorData{});
          }};
}

std::vector<Row> inpainting_rows() {
  const auto masked = [](std::function<std::vector<float>(int, int)> mask) {
    return named({{"name", "inpainting"}}, [mask](Context& context, Shape s) {
      OperatorData data;
      data["mask"] = context.upload({1, 1, s.H, s.W}, mask(s.H, s.W));
      return data;
    });
  };
  const auto box = [](int H, int W) { return box_mask(H, W, 5, 7, 11, 13); };
  const auto random = [](int H, int W) { return random_mask(H, W, 0.7, 3); };
  const auto for_each_channel = [](Context& context, Shape s) {
    std::vector<float> mask = random_values(s.size(), 3);
    for (float& m : mask) m = m > 0 ? 1.f : 0.f;
    OperatorData data;
    data["mask"] = context.upload(s, mask);
    return data;
  };
  const auto of_a_crop = [box](Context& context, Shape s) {
    const Tensor mask = context.upload({1, 1, s.H - 3, s.W - 5}, box(s.H - 3, s.W - 5));
    return on_crop(context, s.H - 3, s.W - 5, std::make_unique<Inpainting>(context, mask));
  };
  return {
      {"inpainting, box", masked(box)},
      {"inpainting, random", masked(random)},
      {"inpainting, extreme", masked([box](int H, int W) { return inverted(box(H, W)); })},
      {"inpainting, box and random", masked([=](int H, int W) { return both(box(H, W), random(H, W)); })},
      {"inpainting, a mask for each sample and channel", named({{"name", "inpainting"}}, for_each_channel)},
      {"inpainting of a crop", {"", of_a_crop}},
  };
}

json gaussian_blur(const char* boundary) {
  return {{"name", "gaussian_blur"}, {"kernel_size", 9}, {"intensity", 1.7}, {"boundary", boundary}};
}

std::vector<Row> filter_rows() {
  const auto smaller = [](int factor, const char* kernel) {
    return json{{"name", "super_resolution"}, {"scale_factor", factor}, {"kernel", kernel}};
  };
  const auto cropped_blur = [](Context& context, Shape s) -> std::unique_ptr<ForwardOperator> {
    return compose(make_crop(context, s.H - 3, s.W - 5),
                   make_operator(context, gaussian_blur("reflect"), {}));
  };
  const auto kernel = [](int taps) {  // so many of 7 x 11 are not 0
    return named({{"name", "kernel_blur"}}, [taps](Context& context, Shape) {
      std::vector<float> values = random_values(77, 6);
      for (int i = taps; i < 77; ++i) values[std::size_t(i * 40 % 77)] = 0;
      OperatorData data;
      data["kernel"] = context.upload({1, 1, 7, 11}, values);
      return data;
    });
  };
  return {
      {"identity", named({{"name", "noise"}})},
      {"Gaussian blur, reflected", named(gaussian_blur("reflect"))},
      {"Gaussian blur, circular", named(gaussian_blur("circular"))},
      {"motion blur, reflected", named({{"name", "motion_blur"}, {"kernel_size", 15}, {"seed", 4}})},
      {"motion blur, circular",
       named({{"name", "motion_blur"}, {"kernel_size", 15}, {"boundary", "circular"}})},
      {"blur by a few taps", kernel(9)},
      {"blur by many taps", kernel(77)},
      {"super-resolution x2, bicubic", named(smaller(2, "bicubic"))},
      {"super-resolution x4, bicubic", named(smaller(4, "bicubic"))},
      {"super-resolution x2, average", named(smaller(2, "average")), even},
      {"super-resolution x4, average", named(smaller(4, "average")), even},
      {"super-resolution x8, bicubic", named(smaller(8, "bicubic"))},
      {"colourisation", named({{"name", "colourisation"}}), colour},
      {"circular super-resolution",
       named({{"name", "super_resolution_circular"}, {"scale_factor", 4}},
             [](Context& context, Shape) {
               OperatorData data;
               data["kernel"] = context.upload({1, 1, 6, 9}, random_values(54, 6));
               return data;
             }),
       even},
      {"super-resolution of a blur",
       named({{"name", "composed"}, {"operators", {gaussian_blur("reflect"), smaller(2, "bicubic")}}})},
      {"a blur that was blind, by a given kernel",
       named({{"name", "blind_blur"}, {"padding", "reflect"}},
             [](Context& context, Shape) {
               OperatorData data;
               data["kernel"] = context.upload({1, 1, 6, 9}, random_values(54, 6));
               return data;
             })},
      {"turbulence, known",
       named({{"name", "turbulence"}, {"kernel_size", 7}},
             [](Context& context, Shape s) {
               OperatorData data;
               data["tilt"] = context.upload({1, 2, s.H, s.W}, random_values(2 * s.plane(), 7, -2.5f, 2.5f));
               return data;
             })},
      {"crop", {"", [](Context& context, Shape s) { return make_crop(context, s.H - 3, s.W - 5); }}},
      {"blur of a crop", {"", cropped_blur}},
  };
}

std::vector<Row> scanner_rows() {
  const auto scan = [](const char* mask, bool is_complex) {
    return json{{"name", "mri"}, {"mask", mask}, {"seed", 3}, {"complex", is_complex}};
  };
  const auto given_mask = [](Context& context, Shape s) {
    OperatorData data;
    data["mask"] = context.upload({1, 1, 1, s.W}, random_mask(1, s.W, 0.6, 5));
    return data;
  };
  const auto coils = [](bool is_complex) {
    return named({{"name", "mri"}, {"complex", is_complex}}, [](Context& context, Shape s) {
      OperatorData data;
      data["sensitivity"] = context.upload({5, 2, s.H, s.W}, random_values(10 * s.plane(), 4));
      return data;
    });
  };
  return {
      {"CT, sparse view", named({{"name", "ct"}, {"angles", 23}})},
      {"CT, limited angle",
       named({{"name", "ct"}, {"angles", 31}, {"first", -20}, {"span", 110}, {"detectors", 40}})},
      {"CT, most of a turn clockwise, about an axis beside the middle",
       named({{"name", "ct"}, {"angles", 17}, {"span", -300}, {"detectors", 45}, {"axis", 1.5}})},
      {"MRI, random columns", named(scan("uniform1d", false))},
      {"MRI, equispaced columns", named(scan("equispaced1d", false))},
      {"MRI, random entries", named(scan("uniform2d", false))},
      {"MRI, Gaussian entries of complex images", named(scan("gaussian2d", true)), complex},
      {"MRI, Gaussian columns of complex images", named(scan("gaussian1d", true)), complex},
      {"MRI, a given mask of columns", named({{"name", "mri"}}, given_mask)},
      {"MRI, 5 coils", coils(false)},
      {"MRI, 5 coils, complex images", coils(true), complex},
  };
}

std::vector<Row> nonlinear_rows() {
  const auto magnitudes = [](const char* range) {
    return json{{"name", "phase_retrieval"}, {"range", range}};
  };
  const auto of_a_crop = [=](Context& context, Shape s) {
    return on_crop(context, s.H - 3, s.W - 5, make_operator(context, magnitudes("pm1"), {}));
  };
  const auto encoded_blur = [](Context& context, Shape) -> std::unique_ptr<ForwardOperator> {
    RandomSource source(5);
    auto network =
        std::make_unique<KernelWizard>(context, WeightScope(source), KernelWizardConfig{3, 8, 1, 1, 16});
    return std::make_unique<NonlinearBlur>(context, std::move(network), Tensor(), NonlinearBlur::Draw::once);
  };
  // Magnitudes near 0 bend: central differences in float agree to about 1e-3 at this step.
  const double step = 2e-3, bent = 3e-3;
  const std::vector<Shape> any = Row{"", {}}.shapes;
  return {
      {"phase retrieval, [-1, 1]", named(magnitudes("pm1")), any, step, bent},
      {"phase retrieval, [0, 1]", named(magnitudes("unit")), any, step, bent},
      {"phase retrieval of a blur",
       named({{"name", "composed"}, {"operators", {gaussian_blur("reflect"), magnitudes("unit")}}}), any,
       step, bent},
      {"phase retrieval of a crop", {"", of_a_crop}, any, step, bent},
      // ReLUs that change sides within the step, and pixels that begin to be clamped, leave up to 2 parts in
      // a hundred, which shrink with the root of the step only.
      {"over-exposure", named({{"name", "hdr"}}), any, 1e-3, 3e-2},
      // Quality 100 rounds coefficients to 1/127.5 of the image's units: over a step of 2 that leaves noise
      // of 1e-3 in each entry of Jv, beside entries of 0.3.
      {"JPEG, chroma halved", named({{"name", "jpeg"}, {"quality", 100}}), {{3, 3, 48, 32}}, 2, 2e-2},
      {"JPEG, chroma in full",
       named({{"name", "jpeg"}, {"quality", 100}, {"chroma", "4:4:4"}}),
       {{3, 3, 40, 56}},
       2,
       2e-2},
      {"nonlinear blur", {"nonlinear_blur", encoded_blur}, {{3, 3, 128, 256}}, 1e-3, 3e-2},
  };
}

std::vector<Row> rows() {
  std::vector<Row> all;
  for (const auto& part : {inpainting_rows(), filter_rows(), scanner_rows(), nonlinear_rows()})
    all.insert(all.end(), part.begin(), part.end());
  return all;
}

void for_each_row(const std::function<void(const Row&, Context&, Shape)>& body) {
  for (const Device device : backends())
    for (const Row& row : rows())
      for (const Shape& shape : row.shapes) {
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

TEST_CASE("the table has a row for every operator") {
  std::vector<std::string> names;
  for (const OperatorKind* kind : operator_kinds()) names.push_back(kind->name);
  std::vector<std::string> in_table;
  for (const Row& row : rows())
    if (!row.maker.op.empty()) in_table.push_back(row.maker.op);
  for (const std::string& each : names)
    CHECK_MESSAGE(std::count(in_table.begin(), in_table.end(), each) > 0, "no row for ", each);
  for (const std::string& each : in_table)
    CHECK_MESSAGE(std::count(names.begin(), names.end(), each) == 1, "a row for ", each,
                  ", which is no operator");
}

TEST_CASE("every operator's vjp is the gradient of what it computes, a linear one's its adjoint") {
  for_each_row([](const Row& row, Context& context, Shape shape) {
    const auto op = row.maker.make(context, shape);
    const Shape measured = op->output_shape(shape);
    CHECK((as_linear(*op) != nullptr) == row.linear());
    const std::vector<float> x = random_values(shape.size(), 5);
    // A linear operator's is the same everywhere.
    const std::vector<float> point = row.linear() ? random_values(shape.size(), 2) : x;
    const auto f = [&](const std::vector<float>& at) {
      const Tensor y = op->forward(context.upload(shape, at));
      CHECK(y.shape() == measured);
      return context.download(y);
    };
    std::vector<float> value;
    const auto vjp = [&](const std::vector<float>& w) {
      const std::unique_ptr<Saved> saved = op->make_saved();
      value = context.download(op->forward(context.upload(shape, point), saved.get()));
      return context.download(op->backward(context.upload(measured, w), *saved));
    };
    check_vjp(row.name, f, vjp, x, row.tolerance, row.step);
    check_equal("value", value, f(point));
  });
}

TEST_CASE("a pseudo-inverse undoes: A A^+ A = A") {
  int tried = 0;
  for_each_row([&](const Row& row, Context& context, Shape shape) {
    const auto op = row.maker.make(context, shape);
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
    const auto op = row.maker.make(context, shape);
    Shape wrong = op->output_shape(shape);
    wrong.H += 4;
    const std::unique_ptr<Saved> saved = op->make_saved();
    op->forward(context.upload(shape, random_values(shape.size(), 2)), saved.get());
    CHECK_THROWS_AS(op->backward(context.planar(wrong), *saved), Error);
  });
}
