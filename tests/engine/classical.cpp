// Conjugate gradients, Wiener's filter where every mode is by itself, total variation where the minimiser is
// known. (With the operators of tasks: tests/operators/classical.cpp.)
#include "engine/solvers/classical.hpp"
#include "engine/solvers/wiener.hpp"

#include <cmath>

#include "kernels/elementwise.hpp"
#include "kernels/matmul.hpp"
#include "tests/engine/gaussian.hpp"
#include "tests/support/support.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

class Same : public LinearOperator {
 public:
  explicit Same(Context& context) : context_(context) {}
  Shape output_shape(const Shape& image) const override { return image; }
  Tensor apply(const Tensor& x) override {
    Tensor y = context_.planar(x.shape());
    copy(context_.queue, y, x);
    return y;
  }
  Tensor adjoint(const Tensor& y, const Shape&) override { return forward(y); }

 private:
  Context& context_;
};

// B^T B + 0.1 for a random B (n x n): symmetric, positive definite.
std::vector<float> positive_definite(int n) {
  const std::vector<float> B = random_values(n * n, 7);
  std::vector<float> M;
  for (int i = 0; i < n; ++i)
    for (int j = 0; j < n; ++j) {
      double sum = i == j ? 0.1 : 0;
      for (int k = 0; k < n; ++k) sum += double(B[std::size_t(k * n + i)]) * B[std::size_t(k * n + j)];
      M.push_back(float(sum));
    }
  return M;
}

}  // namespace

TEST_CASE("conjugate gradients: one system a sample, each to its own tolerance") {
  const int n = 15;
  const Shape s{4, 1, 3, 5};
  const std::vector<float> M = positive_definite(n);
  std::vector<float> solution = random_values(s.size(), 1), b;
  for (std::size_t i = 0; i < 15; ++i) {
    solution[15 + i] *= 1e-4f;  // scales of their own
    solution[30 + i] = 0;
  }
  for (std::size_t sample = 0; sample < 4; ++sample)
    for (std::size_t i = 0; i < 15; ++i) {
      double sum = 0;
      for (std::size_t j = 0; j < 15; ++j) sum += double(M[i * 15 + j]) * solution[sample * 15 + j];
      b.push_back(float(sum));
    }
  for (const Device device : backends()) {
    Context context(device, 1, true);
    const Tensor matrix = context.upload({1, 1, n, n}, M), rhs = context.upload(s, b);
    int calls = 0;
    const auto apply = [&](const Tensor& x) {
      ++calls;
      Tensor y = context.planar(x.shape());  // (4, 15) times a symmetric matrix
      matmul(context.queue, {y.data(), 4, n, n, 0, false}, {x.data(), 4, n, n, 0, false},
             {matrix.data(), n, n, n, 0, false});
      return y;
    };
    Tensor x = context.upload(s, std::vector<float>(60, 0.f));
    int told = 0;
    const Solved solved = conjugate_gradients(context, x, apply, rhs, 1e-6, 200, [&](int k, double) {
      CHECK(k == ++told);
      return true;
    });
    CHECK(told == solved.iterations);
    CHECK(solved.iterations >= 10);  // exact arithmetic needs 15
    CHECK(solved.iterations <= 60);
    REQUIRE(solved.residual.size() == 4);
    for (std::size_t i = 0; i < 4; ++i) CHECK(solved.residual[i] <= (i == 2 ? 0 : 1e-6));
    // A relative residual of 1e-6 is an error as many times larger as M's condition, some hundreds.
    const std::vector<float> got = context.download(x);
    for (std::size_t i = 0; i < 4; ++i)
      check_close("solution", {got.data() + 15 * i, 15}, {solution.data() + 15 * i, 15}, 1e-3);
    // Preconditioned by M's diagonal: another way to the same end.
    std::vector<float> inverse;
    for (std::size_t i = 0; i < 15; ++i) inverse.push_back(1 / M[i * 15 + i]);
    const Tensor diagonal = context.upload({1, 1, 3, 5}, inverse);
    Tensor other = context.upload(s, std::vector<float>(60, 0.f));
    const Solved again = conjugate_gradients(context, other, apply, rhs, 1e-6, 200, {}, [&](const Tensor& r) {
      Tensor z = context.planar(r.shape());
      multiply(context.queue, z, r, diagonal);
      return z;
    });
    for (std::size_t i = 0; i < 4; ++i) CHECK(again.residual[i] <= 1e-6);
    const std::vector<float> preconditioned = context.download(other);
    for (std::size_t i = 0; i < 4; ++i)
      check_close("preconditioned", {preconditioned.data() + 15 * i, 15}, {solution.data() + 15 * i, 15},
                  1e-3);
    // From the solution there is nothing to do; from 0, one iteration is not enough.
    CHECK(conjugate_gradients(context, x, apply, rhs, 1e-5, 200).iterations == 0);
    fill(context.queue, x, 0);
    const Solved stopped =
        conjugate_gradients(context, x, apply, rhs, 1e-6, 200, [](int, double) { return false; });
    CHECK(stopped.iterations == 1);
    CHECK(stopped.residual[0] > 1e-3);
    CHECK(context.pool.damaged_guards() == 0);
  }
}

TEST_CASE("Wiener: the closed form where the operator acts mode by mode") {
  for (const Device device : backends())
    for (const Shape shape : {Shape{1, 1, 16, 12}, Shape{1, 1, 9, 11}}) {
      Context context(device, 3);
      BlurProblem problem(context, shape, 0.1);
      const Estimate estimate = wiener(context, problem.blur, problem.prior, problem.y, shape, problem.sigma);
      CHECK(estimate.residual[0] <= 1e-6);
      const std::vector<std::complex<double>> got = modes(context, estimate.x);
      const ModeStatistics exact = problem.posterior();
      double error = 0, size = 0;
      for (std::size_t k = 0; k < got.size(); ++k) {
        error += std::norm(got[k] - exact.mean[k]);
        size += std::norm(exact.mean[k]);
      }
      CHECK(std::sqrt(error / size) < 1e-5);
    }
}

TEST_CASE("ADMM-TV: the levels of a step come closer by lambda over their widths") {
  for (const Device device : backends()) {
    Context context(device, 1, true);
    Same op(context);
    // Along each axis: 3 pixels of one level, then 5 of another; two channels, three samples.
    for (const bool rows : {false, true}) {
      const Shape s = rows ? Shape{3, 2, 8, 3} : Shape{3, 2, 3, 8};
      std::vector<float> y, expected;
      for (int plane = 0; plane < 6; ++plane)
        for (int h = 0; h < s.H; ++h)
          for (int w = 0; w < s.W; ++w) {
            const bool second = (rows ? h : w) >= 3;
            const float jump = 0.2f * float(plane) - 0.4f;  // down, none, up
            const float lambda = 0.06f, sign = plane < 2 ? -1.f : 1.f;
            y.push_back(0.1f + (second ? jump : 0.f));
            // The gap of 0.2 and more is wider than lambda (1/3 + 1/5) = 0.032.
            expected.push_back(plane == 2 ? 0.1f
                               : second   ? 0.1f + jump - sign * lambda / 5
                                          : 0.1f + sign * lambda / 3);
          }
      AdmmTvOptions options{0.06, 0.5, 2000, 1e-6};
      const Estimate estimate = admm_tv(context, op, context.upload(s, y), s, options);
      CHECK(estimate.iterations < 2000);
      // As near as float lets the splitting come.
      check_close("step", context.download(estimate.x), expected, 1e-4);
    }
    CHECK(context.pool.damaged_guards() == 0);
  }
}

TEST_CASE("ADMM-TV: a strong weight leaves the mean, none leaves the image") {
  for (const Device device : backends()) {
    Context context(device);
    Same op(context);
    const Shape s{2, 1, 6, 5};
    const std::vector<float> values = random_values(s.size(), 3);
    std::vector<double> mean(2, 0.0), expected;
    for (std::size_t i = 0; i < 60; ++i) mean[i / 30] += values[i] / 30.0;
    for (std::size_t i = 0; i < 60; ++i) expected.push_back(mean[i / 30]);
    const Tensor y = context.upload(s, values);
    check_close("mean", context.download(admm_tv(context, op, y, s, {50, 1, 2000, 1e-6}).x), expected, 1e-3);
    check_close("image", context.download(admm_tv(context, op, y, s, {0, 1, 2000, 1e-6}).x), values, 1e-4);
  }
}

TEST_CASE("classical estimates: what they cannot take is refused in one line") {
  Context context(Device::cpu);
  Same op(context);
  SpectrumPrior prior(context);
  const Shape s{1, 1, 4, 4};
  const Tensor y = context.upload({1, 1, 4, 3}, random_values(12, 1)),
               good = context.upload(s, random_values(16, 1));
  CHECK_THROWS_WITH_AS(
      zero_filled(op, y, s),
      "zero-filled image: a measurement (1, 1, 4, 3) of images (1, 1, 4, 4); expected (1, 1, 4, 4)", Error);
  CHECK_THROWS_AS(wiener(context, op, prior, y, s, 0.1), Error);
  CHECK_THROWS_WITH_AS(wiener(context, op, prior, good, s, -1),
                       "Wiener: a noise level of -1; expected 0 or more", Error);
  CHECK_THROWS_WITH_AS(admm_tv(context, op, good, s, {0.1, 0, 5, 1e-3}),
                       "ADMM-TV: lambda 0.1, rho 0, 5 iterations; expected 0 or more, more than 0, 1 or more",
                       Error);
}
