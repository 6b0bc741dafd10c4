// Blur by any kernel against loops in double; the generator of motion kernels against what it promises.
#include "operators/kernel_blur.hpp"
#include "operators/motion_kernel.hpp"

#include "operators/factory.hpp"
#include "tests/operators/gradient_of.hpp"
#include "tests/support/support.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

constexpr Shape shape{2, 3, 17, 22};

// Without repeating the edge: one reflection is enough for the radii here.
int continued(int i, int n, bool circular) {
  if (circular) return (i + 10 * n) % n;
  if (i < 0) i = -i;
  return i < n ? i : 2 * (n - 1) - i;
}

std::vector<double> correlated(const std::vector<float>& x, const std::vector<float>& k, int kh, int kw,
                               bool circular) {
  std::vector<double> y;
  for (int plane = 0; plane < shape.N * shape.C; ++plane)
    for (int h = 0; h < shape.H; ++h)
      for (int w = 0; w < shape.W; ++w) {
        double sum = 0;
        for (int i = 0; i < kh; ++i)
          for (int j = 0; j < kw; ++j) {
            const int row = continued(h + i - kh / 2, shape.H, circular);
            const int column = continued(w + j - kw / 2, shape.W, circular);
            sum += double(k[std::size_t(i * kw + j)]) *
                   x[std::size_t((plane * shape.H + row) * shape.W + column)];
          }
        y.push_back(sum);
      }
  return y;
}

}  // namespace

TEST_CASE("kernel blur: cross-correlation with the continued image, and its exact adjoint") {
  const std::vector<float> x = random_values(shape.size(), 1);
  for (const Device device : backends())
    for (const char* rule : {"reflect", "circular"})
      for (const Shape taps : {Shape{1, 1, 5, 9}, Shape{1, 1, 1, 1}, Shape{1, 1, 31, 3}}) {
        CAPTURE(taps);
        Context context(device, 1, true);
        {
          const std::vector<float> kernel = random_values(taps.size(), 2);
          OperatorData data;
          data["kernel"] = context.upload(taps, kernel);
          const auto op = make_operator(context, {{"name", "kernel_blur"}, {"boundary", rule}}, data);
          CHECK(as_linear(*op) != nullptr);
          const auto f = [&](const std::vector<float>& at) {
            return context.download(op->forward(context.upload(shape, at)));
          };
          // FFTs in float of some 2000 values: 1e-6 of the largest, with a margin for sums that cancel.
          check_close(message("blur, ", rule), f(x),
                      correlated(x, kernel, taps.H, taps.W, std::string(rule) == "circular"), 2e-6);
          check_vjp(
              message("blur, ", rule), f,
              [&](const std::vector<float>& w) {
                return gradient_of(context, *op, context.upload(shape, x), context.upload(shape, w));
              },
              x, 5e-6, 1);
          // Another size of image, then the first one again: what was prepared for it does not stay.
          op->forward(context.upload({1, 1, 40, 33}, random_values(40 * 33, 3)));
          check_close("first size again", f(x),
                      correlated(x, kernel, taps.H, taps.W, std::string(rule) == "circular"), 2e-6);
        }
        CHECK(context.pool.damaged_guards() == 0);
        CHECK(context.pool.in_use() == 0);
      }
}

TEST_CASE("kernel blur: the direct, the separable and the FFT path agree, and the cheapest is taken") {
  const std::vector<float> x = random_values(shape.size(), 1);
  for (const Device device : backends())
    for (const Boundary rule : {Boundary::reflect, Boundary::circular}) {
      Context context(device, 1, true);
      const Shape taps{1, 1, 9, 7};
      std::vector<float> outer, scattered(std::size_t(taps.size()), 0.f);
      for (int h = 0; h < taps.H; ++h)
        for (int w = 0; w < taps.W; ++w) outer.push_back(float((1 + h % 4) * (w - 2)) / 50);
      for (const int at : {0, 5, 17, 40, 62}) scattered[std::size_t(at)] = float(at - 20) / 40;
      for (const std::vector<float>& kernel : {outer, scattered}) {
        const Tensor k = context.upload(taps, kernel), image = context.upload(shape, x);
        const std::vector<double> expected =
            correlated(x, kernel, taps.H, taps.W, rule == Boundary::circular);
        const auto chosen = make_blur(context, k, rule);
        KernelBlur direct(context, k, rule, KernelBlur::Path::direct);
        KernelBlur fft(context, k, rule, KernelBlur::Path::fft);
        CHECK((dynamic_cast<SeparableOperator*>(chosen.get()) != nullptr) == (kernel == outer));
        const std::vector<float> adjoint = context.download(fft.adjoint(image, shape));
        for (LinearOperator* op :
             {static_cast<LinearOperator*>(&direct), static_cast<LinearOperator*>(&fft), chosen.get()}) {
          check_close("forward", context.download(op->forward(image)), expected, 2e-6);
          check_close("adjoint", context.download(op->adjoint(image, shape)), adjoint, 2e-6);
        }
      }
      KernelBlur nothing(context, context.upload(taps, std::vector<float>(63, 0.f)), rule,
                         KernelBlur::Path::direct);
      for (const float v : context.download(nothing.forward(context.upload(shape, x)))) REQUIRE(v == 0);
    }
}

TEST_CASE("kernel blur: a kernel of even sides, or none, is refused") {
  Context context(Device::cpu);
  OperatorData data;
  CHECK_THROWS_WITH_AS(make_operator(context, {{"name", "kernel_blur"}}, data),
                       "operator kernel_blur: no kernel given", Error);
  data["kernel"] = context.upload({1, 1, 3, 4}, random_values(12, 1));
  CHECK_THROWS_WITH_AS(make_operator(context, {{"name", "kernel_blur"}}, data),
                       "blur: a kernel of shape (1, 1, 3, 4); expected (1, 1, odd, odd)", Error);
  CHECK_THROWS_AS(make_operator(context, {{"name", "motion_blur"}, {"kernel_size", 5}}, data), Error);
}

namespace {

/// Smaller of the two principal variances of a kernel, in pixels^2.
double width(const std::vector<float>& kernel, int size) {
  double sum = 0, mean[2] = {}, moment[3] = {};
  for (int pass = 0; pass < 2; ++pass)
    for (int h = 0; h < size; ++h)
      for (int w = 0; w < size; ++w) {
        const double k = kernel[std::size_t(h * size + w)];
        if (pass == 0) {
          sum += k;
          mean[0] += k * h;
          mean[1] += k * w;
        } else {
          const double dh = h - mean[0], dw = w - mean[1];
          moment[0] += k * dh * dh;
          moment[1] += k * dh * dw;
          moment[2] += k * dw * dw;
        }
      }
  CHECK(std::abs(sum - 1) < 1e-5);
  const double half = (moment[0] + moment[2]) / 2;
  return half - std::sqrt(std::pow((moment[0] - moment[2]) / 2, 2) + moment[1] * moment[1]);
}

}  // namespace

TEST_CASE("motion kernels: non-negative, of sum 1, lines at intensity 0 and scribbles at 1") {
  constexpr int size = 61, count = 40;
  double lines = 0, scribbles = 0;
  for (std::uint64_t seed = 0; seed < count; ++seed) {
    const std::vector<float> line = motion_kernel(size, 0, seed), scribble = motion_kernel(size, 1, seed);
    for (const float k : scribble) CHECK(k >= 0);
    // A line drawn with a soft pen is as wide as the pen: (61 / 75)^2 for the softening, and up to 1/4 for
    // a point shared between pixels.
    const double pen = std::pow(size / 75.0, 2) + 0.25;
    CHECK(width(line, size) < pen);
    lines += width(line, size) / count;
    scribbles += width(scribble, size) / count;
  }
  CHECK(scribbles > 4 * lines);
  check_equal("the same seed", motion_kernel(size, 0.5, 7), motion_kernel(size, 0.5, 7));
  CHECK(motion_kernel(size, 0.5, 7) != motion_kernel(size, 0.5, 8));
  // Of even sides, too, about size / 2.
  double total = 0, rows = 0, columns = 0;
  for (std::uint64_t seed = 0; seed < count; ++seed) {
    const std::vector<float> even = motion_kernel(64, 0.2, seed);
    REQUIRE(even.size() == 64 * 64);
    for (int i = 0; i < 64 * 64; ++i) {
      total += even[std::size_t(i)] / count;
      rows += even[std::size_t(i)] * (i / 64) / count;
      columns += even[std::size_t(i)] * (i % 64) / count;
    }
  }
  CHECK(std::abs(total - 1) < 1e-5);
  CHECK(std::abs(rows - 32) < 1);
  CHECK(std::abs(columns - 32) < 1);
  CHECK_THROWS_WITH_AS(motion_kernel(2, 0.5, 1), "motion blur: kernel_size 2; expected 3 or more", Error);
  CHECK_THROWS_WITH_AS(motion_kernel(61, 1.5, 1), "motion blur: intensity 1.5; expected 0 to 1", Error);
}
