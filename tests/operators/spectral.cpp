// Singular value decompositions and exact steps of all operators that have them, against dense matrices in
// double.
#include "engine/spectral.hpp"

#include <algorithm>

#include "engine/solvers/proximal.hpp"
#include "kernels/elementwise.hpp"
#include "operators/factory.hpp"
#include "operators/inpainting.hpp"
#include "operators/recorded.hpp"
#include "tests/operators/dense_solver.hpp"

using namespace tweedie;
using namespace tweedie::test;
using nlohmann::json;

namespace {

struct Row {
  const char* name;
  json settings;
  std::vector<Shape> shapes;
  std::function<OperatorData(Context&, Shape)> data = {};
  bool spectral = true;
  bool closed = spectral;  ///< exact steps without iteration
};

std::vector<Row> rows() {
  const std::vector<Shape> any{{3, 3, 6, 9}, {1, 2, 7, 5}}, even{{3, 2, 8, 12}, {1, 3, 4, 8}};
  const auto mask = [](Context& context, Shape s) {
    OperatorData data;
    data["mask"] = context.upload({1, 1, s.H, s.W}, random_mask(s.H, s.W, 0.4, 3));
    return data;
  };
  const auto mask_of_channels = [](Context& context, Shape s) {
    OperatorData data;
    std::vector<float> values = random_values(s.sample(), 3);
    for (float& m : values) m = m > 0 ? 1.f : 0.f;
    data["mask"] = context.upload({1, s.C, s.H, s.W}, values);
    return data;
  };
  const auto any_kernel = [](Context& context, Shape) {
    OperatorData data;
    std::vector<float> values = random_values(15, 6, 0.f, 1.f);
    for (float& k : values) k /= 8;
    data["kernel"] = context.upload({1, 1, 3, 5}, values);
    return data;
  };
  const auto smaller = [](int factor, const char* by) {
    return json{{"name", "super_resolution"}, {"scale_factor", factor}, {"kernel", by}};
  };
  const auto large_kernel = [](Context& context, Shape) {
    OperatorData data;
    std::vector<float> values = random_values(120, 8, 0.f, 1.f);
    for (float& k : values) k /= 60;
    data["kernel"] = context.upload({1, 1, 12, 10}, values);
    return data;
  };
  const json scan{{"name", "mri"}, {"mask", "uniform2d"}, {"acceleration", 2}, {"seed", 3}};
  json complex_scan = scan;
  complex_scan["complex"] = true;
  const json ddrm_blur{
      {"name", "deblur_separable"}, {"taps", 5}, {"sigma", 10.0}, {"taps_used", 4}, {"zero", 0.03},
      {"singular_order", "correct"}};
  return {
      {"identity", {{"name", "noise"}}, any},
      {"mask", {{"name", "inpainting"}}, any, mask},
      {"mask of channels", {{"name", "inpainting"}}, any, mask_of_channels},
      {"block mean", smaller(4, "average"), even},
      {"bicubic reduction", smaller(2, "bicubic"), {{3, 2, 8, 12}, {1, 1, 7, 9}}},
      {"Gaussian blur, reflected", {{"name", "gaussian_blur"}, {"kernel_size", 5}, {"intensity", 1.0}}, any},
      {"colourisation", {{"name", "colourisation"}}, {{3, 3, 6, 9}, {1, 3, 7, 5}}},
      {"colourisation by other weights",
       {{"name", "colorization"}, {"weights", {-0.5, 1.5}}},
       {{2, 2, 5, 6}}},
      {"any blur, circular", {{"name", "kernel_blur"}, {"boundary", "circular"}}, any, any_kernel},
      {"blur by even sides, larger than the image", {{"name", "gaussian_blur_circular"}}, any, large_kernel},
      {"circular reduction",
       {{"name", "super_resolution_circular"}, {"scale_factor", 4}},
       even,
       large_kernel,
       false,
       true},
      {"circular reduction by 3",
       {{"name", "super_resolution_circular"}, {"scale_factor", 3}},
       {{2, 1, 9, 15}},
       large_kernel,
       false,
       true},
      {"k-space of real images", scan, any},
      {"k-space of complex images", complex_scan, {{3, 2, 6, 9}, {1, 4, 7, 6}}},
      {"DDRM's blur", ddrm_blur, {{3, 3, 8, 8}, {1, 1, 7, 7}}},
      {"DDRM's bicubic reduction",
       {{"name", "sr_bicubic"}, {"scale_factor", 2}, {"a", -0.5}, {"zero", 0.03}},
       {{3, 2, 8, 8}}},
      {"any blur, reflected", {{"name", "kernel_blur"}}, any, any_kernel, false},
  };
}

void for_each_row(const std::function<void(const Row&, Context&, LinearOperator&, Shape)>& body) {
  for (const Device device : backends())
    for (const Row& row : rows())
      for (const Shape& shape : row.shapes) {
        CAPTURE(std::string(name(device)));
        CAPTURE(std::string(row.name));
        CAPTURE(shape);
        Context context(device, 1, true);
        {
          const auto op = make_recorded_operator(context, row.settings,
                                                 row.data ? row.data(context, shape) : OperatorData{}, shape);
          LinearOperator* linear = as_linear(*op);
          REQUIRE(linear != nullptr);
          body(row, context, *linear, shape);
        }
        CHECK(context.pool.damaged_guards() == 0);
        CHECK(context.pool.in_use() == 0);
      }
}

double squares(const std::vector<float>& values) {
  double sum = 0;
  for (const float v : values) sum += double(v) * v;
  return sum;
}

Tensor times(Context& context, const Tensor& c, const Tensor& s) {
  Tensor y = context.planar(c.shape());
  multiply(context.queue, y, c, s);
  return y;
}

/// By how much rounding a measurement may move a proximal map: by the least singular value, or by rho.
double amplification(Context& context, LinearOperator& op, const Shape& shape, double rho) {
  double least = 1;
  if (Spectral* svd = op.spectral(shape))
    for (const float s : context.download(svd->s()))
      if (s > 0) least = std::min(least, double(s));
  return 1 + std::min(1 / least, 0.5 / std::sqrt(rho));
}

// A sum of some tens of terms, a few times over.
constexpr double rounding = 2e-6;

/// Conjugate gradients stop by the residual, which the condition of A^T A + rho turns into an error. The
/// rows' singular values are below 2, weights included below 4.
double of_iteration(double rho) { return cg_tolerance * (1 + 4 / rho); }

}  // namespace

TEST_CASE("spectral: V is orthogonal, U's columns orthonormal, and A = U S V^T") {
  int tried = 0;
  for_each_row([&](const Row& row, Context& context, LinearOperator& op, Shape shape) {
    Spectral* const svd = op.spectral(shape);
    REQUIRE((svd != nullptr) == row.spectral);
    if (!svd) return;
    ++tried;
    const std::vector<float> values = random_values(shape.size(), 5);
    const Tensor x = context.upload(shape, values), c = svd->Vt(x);
    CHECK(svd->s().shape() == Shape{1, shape.C, shape.H, shape.W});
    CHECK(c.shape() == shape);
    CHECK(squares(context.download(c)) == doctest::Approx(squares(values)).epsilon(rounding));
    check_close("V V^T x", context.download(svd->V(c)), values, rounding);
    check_close("V^T V x", context.download(svd->Vt(svd->V(x))), values, rounding);

    const Tensor y = op.apply(x);
    check_close("U S V^T x", context.download(svd->U(times(context, c, svd->s()))), context.download(y),
                rounding);
    const std::vector<float> listed = context.download(times(context, x, svd->listed()));
    check_close("U^T U c", context.download(svd->Ut(svd->U(x))), listed, rounding);
    if (svd->onto()) {
      Tensor any = context.upload(y.shape(), random_values(y.shape().size(), 6));
      op.discard_unmeasured(any);
      check_close("U U^T y", context.download(svd->U(svd->Ut(any))), context.download(any), rounding);
    }
    for (const float s : context.download(svd->s())) CHECK(s >= 0);
    // For another number of samples the same one serves.
    CHECK(op.spectral({shape.N + 2, shape.C, shape.H, shape.W}) == svd);
  });
  CHECK(tried > 0);
}

TEST_CASE("proximal: the minimiser that a dense solver finds, for rho from 1e-8 to 1e8") {
  for_each_row([](const Row& row, Context& context, LinearOperator& op, Shape shape) {
    const DenseOperator dense(context, op, shape);
    const Shape measured = op.output_shape(shape);
    const std::vector<float> x0 = random_values(shape.size(), 5), y = random_values(measured.size(), 6),
                             w = random_values(measured.size(), 7, 0.2f, 2.f);
    for (const double rho : {1e-8, 1e-4, 1e-2, 1.0, 1e3, 1e8}) {
      if (!row.closed && rho < 1e-2) continue;
      CAPTURE(rho);
      const Tensor x = proximal(context, op, context.upload(shape, x0), context.upload(measured, y), rho);
      std::vector<double> expected;
      for (int n = 0; n < shape.N; ++n)
        for (const double value :
             dense.proximal(x0.data() + n * shape.sample(), y.data() + n * measured.sample(), nullptr, rho))
          expected.push_back(value);
      check_close("proximal", context.download(x), expected,
                  rounding * amplification(context, op, shape, rho));
      if (rho < 1e-2) continue;
      const Tensor weighted = proximal(context, op, context.upload(shape, x0), context.upload(measured, y),
                                       context.upload(measured, w), rho);
      expected.clear();
      for (int n = 0; n < shape.N; ++n)
        for (const double value :
             dense.proximal(x0.data() + n * shape.sample(), y.data() + n * measured.sample(),
                            w.data() + n * measured.sample(), rho))
          expected.push_back(value);
      check_close("with weights", context.download(weighted), expected, of_iteration(rho));
    }
  });
}

TEST_CASE("dual_solve: what a dense solver finds, and push-through gives kalman_step") {
  for_each_row([](const Row& row, Context& context, LinearOperator& op, Shape shape) {
    const DenseOperator dense(context, op, shape);
    const Shape measured = op.output_shape(shape);
    const std::vector<float> v = random_values(measured.size(), 6);
    Tensor on_device = context.upload(measured, v);
    op.discard_unmeasured(on_device);
    const std::vector<float> seen = context.download(on_device);
    for (const double s2 : {1e-6, 1e-2, 1.0, 1e6}) {
      if (!row.closed && s2 < 1e-2) continue;
      CAPTURE(s2);
      const double r2 = 0.7;
      const Tensor w = dual_solve(context, op, on_device, shape, r2, s2);
      std::vector<double> expected;
      for (int n = 0; n < shape.N; ++n)
        for (const double value : dense.dual_solve(seen.data() + n * measured.sample(), r2, s2))
          expected.push_back(value);
      const double once = amplification(context, op, shape, s2);  // the inverse of A A^T has its square
      const double tolerance = row.closed ? rounding * once * once : of_iteration(s2);
      check_close("dual_solve", context.download(w), expected, tolerance);
      const Tensor step = kalman_step(context, op, on_device, shape, r2, s2);
      // What A cannot make of v is divided by s2 in w, and A^T takes it away again.
      Spectral* const svd = op.spectral(shape);
      const double taken = svd && !svd->onto() ? rounding / s2 : 0;
      check_close("A^T dual_solve", context.download(step), context.download(op.adjoint(w, shape)),
                  tolerance + taken);
    }
  });
}

TEST_CASE("pseudo_inverse: A A^+ A = A by the singular values") {
  for_each_row([](const Row& row, Context& context, LinearOperator& op, Shape shape) {
    if (!row.closed) return;
    CHECK(inverts(op, shape));
    const Tensor y = op.apply(context.upload(shape, random_values(shape.size(), 5)));
    check_close("A A^+ A x", context.download(op.apply(pseudo_inverse(context, op, y, shape))),
                context.download(y), rounding * amplification(context, op, shape, 1e-12));
  });
}

TEST_CASE("spectral: samples with masks of their own have none") {
  Context context(Device::cpu);
  Inpainting op(context, context.upload({2, 1, 1, 2}, std::vector<float>{1, 0, 0, 1}));
  CHECK(op.spectral({2, 1, 1, 2}) == nullptr);
}

TEST_CASE("exact steps: what does not fit is refused") {
  Context context(Device::cpu);
  const auto op = make_operator(context, {{"name", "super_resolution"}, {"scale_factor", 2}}, {});
  LinearOperator& linear = *as_linear(*op);
  const Tensor x = context.upload({1, 1, 4, 4}, random_values(16, 1));
  CHECK_THROWS_WITH_AS(proximal(context, linear, x, x, 1), doctest::Contains("expected (1, 1, 2, 2)"), Error);
  const Tensor y = linear.apply(x);
  CHECK_THROWS_WITH_AS(proximal(context, linear, x, y, 0), doctest::Contains("more than 0"), Error);
  CHECK_THROWS_WITH_AS(proximal(context, linear, x, y, x, 1), doctest::Contains("weights"), Error);
}
