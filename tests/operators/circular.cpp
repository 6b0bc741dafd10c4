// Circular blurs and DDRM's separable operators by their definitions, in loops.
#include "operators/circular.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels/elementwise.hpp"
#include "operators/moving_blur.hpp"
#include "operators/recorded.hpp"
#include "operators/truncated.hpp"
#include "tests/support/support.hpp"

using namespace tweedie;
using namespace tweedie::test;
using nlohmann::json;

namespace {

int wrapped(int i, int n) { return ((i % n) + n) % n; }

/// y[h, w] = sum k[i, j] x[h + sign (i - kh/2), w + sign (j - kw/2)].
std::vector<double> filtered(const std::vector<float>& x, const Shape& s, const std::vector<float>& k, int kh,
                             int kw, int sign) {
  std::vector<double> y;
  for (int plane = 0; plane < s.N * s.C; ++plane)
    for (int h = 0; h < s.H; ++h)
      for (int w = 0; w < s.W; ++w) {
        double sum = 0;
        for (int i = 0; i < kh; ++i)
          for (int j = 0; j < kw; ++j) {
            const int row = wrapped(h + sign * (i - kh / 2), s.H),
                      column = wrapped(w + sign * (j - kw / 2), s.W);
            sum += double(k[std::size_t(i * kw + j)]) * x[std::size_t((plane * s.H + row) * s.W + column)];
          }
        y.push_back(sum);
      }
  return y;
}

/// M x M^T of every plane, in double.
std::vector<double> separable(const std::vector<float>& x, const Shape& s, const DenseMatrix& m) {
  std::vector<double> y;
  for (int plane = 0; plane < s.N * s.C; ++plane)
    for (int i = 0; i < m.rows; ++i)
      for (int j = 0; j < m.rows; ++j) {
        double sum = 0;
        for (int h = 0; h < s.H; ++h)
          for (int w = 0; w < s.W; ++w)
            sum += m.values[std::size_t(i * m.columns + h)] * m.values[std::size_t(j * m.columns + w)] *
                   x[std::size_t((plane * s.H + h) * s.W + w)];
        y.push_back(sum);
      }
  return y;
}

const json blur{{"name", "deblur_separable"},
                {"taps", 5},
                {"sigma", 10.0},
                {"taps_used", 4},
                {"padding", "zero"},
                {"zero", 0.0},
                {"singular_order", "correct"}};

}  // namespace

TEST_CASE("circular blur: correlation and convolution with edges joined, kernels of any size") {
  for (const Device device : backends()) {
    Context context(device);
    for (const Shape& s : {Shape{2, 3, 8, 6}, Shape{1, 1, 7, 5}, Shape{1, 2, 1, 9}})
      for (const auto& [kh, kw] : {std::pair{3, 5}, {4, 2}, {1, 1}, {12, 9}}) {
        CAPTURE(s);
        CAPTURE(kh);
        const std::vector<float> x = random_values(s.size(), 1), k = random_values(kh * kw, 2);
        const Tensor kernel = context.upload({1, 1, kh, kw}, k);
        CircularBlur correlation(context, kernel, Direction::correlate);
        CircularBlur convolution(context, kernel, Direction::convolve);
        check_close("correlate", context.download(correlation.apply(context.upload(s, x))),
                    filtered(x, s, k, kh, kw, 1), 2e-6);
        check_close("convolve", context.download(convolution.apply(context.upload(s, x))),
                    filtered(x, s, k, kh, kw, -1), 2e-6);
      }
  }
}

TEST_CASE("moving blur: a correlation by the kernel it was last given, its adjoint and its dual solution") {
  for (const Device device : backends()) {
    Context context(device);
    const Shape s{2, 3, 9, 8}, y = s;
    MovingBlur blur(context, {1, 1, s.H, s.W});
    const Tensor x = context.upload(s, random_values(s.size(), 1)),
                 v = context.upload(y, random_values(y.size(), 2));
    for (const auto& [kh, kw, seed] : {std::tuple{3, 5, 3}, {9, 7, 4}, {1, 1, 5}}) {
      CAPTURE(kh);
      const std::vector<float> k = random_values(kh * kw, std::uint64_t(seed));
      const Tensor kernel = context.upload({1, 1, kh, kw}, k);
      blur.set(kernel);
      check_close("correlate", context.download(blur.apply(x)),
                  filtered(context.download(x), s, k, kh, kw, 1), 2e-6);
      check_close("adjoint", context.download(blur.adjoint(v, s)),
                  filtered(context.download(v), s, k, kh, kw, -1), 2e-6);
      // By definition, with our own product of A and A^T.
      for (const double r2 : {0.0, 0.3}) {
        const Tensor w = blur.own_dual_solve(v, s, r2, 0.2);
        Tensor back = blur.apply(blur.adjoint(w, s));
        axpby(context.queue, back, float(r2), back, 0.2f, w);
        check_close("dual solution", context.download(back), context.download(v), 5e-6);
      }
    }
    CHECK_THROWS_WITH_AS(blur.set(context.normal({1, 1, 3, 9})), doctest::Contains("a kernel of 9 pixels"),
                         Error);
    CHECK_THROWS_WITH_AS(blur.set(context.normal({1, 3, 3, 3})), doctest::Contains("expected (1, 1, kh, kw)"),
                         Error);
    CHECK_THROWS_WITH_AS(blur.apply(context.normal({1, 1, 8, 9})), doctest::Contains("expected 9x8"), Error);
  }
}

TEST_CASE("circular reduction: every factor-th pixel of the convolution, from pixel 0 on") {
  for (const Device device : backends()) {
    Context context(device);
    const Shape s{2, 3, 12, 9};
    const std::vector<float> x = random_values(s.size(), 1), k = random_values(20, 2);
    CircularReduction op(context, context.upload({1, 1, 5, 4}, k), 3);
    const std::vector<double> whole = filtered(x, s, k, 5, 4, -1);
    std::vector<double> expected;
    for (int plane = 0; plane < 6; ++plane)
      for (int h = 0; h < 12; h += 3)
        for (int w = 0; w < 9; w += 3) expected.push_back(whole[std::size_t((plane * 12 + h) * 9 + w)]);
    check_close("reduction", context.download(op.apply(context.upload(s, x))), expected, 2e-6);
    CHECK_THROWS_WITH_AS((void)op.output_shape(Shape{1, 1, 12, 10}), doctest::Contains("multiples of 3"),
                         Error);
  }
}

TEST_CASE(
    "DDRM's blur: zeros outside, the last odd tap never used, and the Gaussian's taps not made up for it") {
  const DenseMatrix m = ddrm_blur(4, {1, 2, 3, 4, 5});
  const std::vector<double> expected{3, 4, 0, 0, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2, 3};
  for (std::size_t i = 0; i < expected.size(); ++i) CHECK(m.values[i] == expected[i]);
  const std::vector<double> taps = ddrm_gaussian(5, 1.5);
  CHECK(std::accumulate(taps.begin(), taps.end(), 0.0) == doctest::Approx(1));
  CHECK(taps[2] / taps[0] == doctest::Approx(std::exp(0.5 * 4 / 2.25)));
}

TEST_CASE("DDRM's bicubic reduction: a constant stays, a slope keeps its value at the middle of each block") {
  const int pixels = 24, factor = 4;
  const DenseMatrix m = ddrm_bicubic(pixels, factor, -0.5);
  REQUIRE(m.rows == 6);
  for (int row = 0; row < m.rows; ++row) {
    double sum = 0, at = 0;
    for (int j = 0; j < pixels; ++j) {
      sum += m.values[std::size_t(row * pixels + j)];
      at += j * m.values[std::size_t(row * pixels + j)];
    }
    CHECK(sum == doctest::Approx(1));
    // The taps lie symmetrically about the block's middle; near the edges some are mirrored.
    if (row > 1 && row < 4) CHECK(at == doctest::Approx(row * factor + 1.5));
  }
  CHECK_THROWS_AS(ddrm_bicubic(25, 4, -0.5), Error);
}

TEST_CASE(
    "DDRM's separable operators: M x M^T; singular values below the threshold count as 0 but are listed") {
  for (const Device device : backends()) {
    Context context(device);
    const Shape s{2, 3, 8, 8};
    const std::vector<float> x = random_values(s.size(), 1);
    const DenseMatrix m = ddrm_blur(8, ddrm_gaussian(5, 10));
    const auto whole = make_recorded_operator(context, blur, {}, s);
    check_close("blur", context.download(whole->forward(context.upload(s, x))), separable(x, s, m), 2e-6);

    json cut = blur;
    cut["zero"] = 0.5;
    const auto op = make_recorded_operator(context, cut, {}, s);
    const Svd svd = singular_values(m.values, 8, 8);
    DenseMatrix low{8, 8, std::vector<double>(64, 0.0)};
    int kept = 0;
    for (std::size_t k = 0; k < 8; ++k) {
      if (svd.s[k] < 0.5) continue;
      ++kept;
      for (std::size_t i = 0; i < 8; ++i)
        for (std::size_t j = 0; j < 8; ++j)
          low.values[i * 8 + j] += svd.U[i * 8 + k] * svd.s[k] * svd.V[j * 8 + k];
    }
    REQUIRE(kept > 0);
    REQUIRE(kept < 8);
    check_close("truncated", context.download(op->forward(context.upload(s, x))), separable(x, s, low), 2e-6);
    Spectral& spectral = *as_linear(*op)->spectral(s);
    int zeros = 0, listed = 0;
    for (const float value : context.download(spectral.s())) zeros += value == 0;
    for (const float value : context.download(spectral.listed())) listed += value == 1;
    CHECK(zeros == 3 * (64 - kept * kept));
    CHECK(listed == 3 * 64);
  }
}

TEST_CASE("DDRM's order of singular values by mistake: rank k of channel c has the value of rank C k + c") {
  for (const Device device : backends()) {
    Context context(device);
    const int side = 6, count = side * side, C = 2;
    const Shape s{1, C, side, side};
    const Svd svd = singular_values(ddrm_blur(side, ddrm_gaussian(5, 10)).values, side, side);
    const auto product = [&](int flat) {
      return svd.s[std::size_t(flat / side)] * svd.s[std::size_t(flat % side)];
    };
    std::vector<int> order(std::size_t(count), 0);
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return product(a) > product(b); });
    json compat = blur;
    compat["singular_order"] = "compat";
    const auto op = make_recorded_operator(context, compat, {}, s, order);
    const std::vector<float> x = random_values(s.size(), 1);
    std::vector<double> expected(x.size(), 0.0);
    const auto entry = [side](const std::vector<double>& m, int row, int column) {
      return m[std::size_t(row * side + column)];
    };
    for (int c = 0; c < C; ++c)
      for (int k = 0; k < count; ++k) {
        const int i = order[std::size_t(k)] / side, j = order[std::size_t(k)] % side;
        double coefficient = 0;
        for (int h = 0; h < side; ++h)
          for (int w = 0; w < side; ++w)
            coefficient +=
                entry(svd.V, h, i) * entry(svd.V, w, j) * x[std::size_t((c * side + h) * side + w)];
        coefficient *= product(order[std::size_t((C * k + c) % count)]);
        for (int h = 0; h < side; ++h)
          for (int w = 0; w < side; ++w)
            expected[std::size_t((c * side + h) * side + w)] +=
                entry(svd.U, h, i) * entry(svd.U, w, j) * coefficient;
      }
    check_close("compat", context.download(op->forward(context.upload(s, x))), expected, 2e-6);
    CHECK_THROWS_WITH_AS(make_recorded_operator(context, compat, {}, s), doctest::Contains("takes an order"),
                         Error);
    order[0] = order[1];
    CHECK_THROWS_WITH_AS(make_recorded_operator(context, compat, {}, s, order),
                         doctest::Contains("no permutation"), Error);
  }
}

TEST_CASE("recorded operators: other programs' names, and what is missing is named") {
  Context context(Device::cpu);
  const Shape s{1, 3, 8, 8};
  const std::vector<float> x = random_values(s.size(), 1);
  const Tensor image = context.upload(s, x);
  const auto made = [&](const json& table) { return make_recorded_operator(context, table, {}, s); };
  check_equal("denoising", context.download(made({{"name", "denoising"}})->forward(image)), x);
  const auto mean =
      make_operator(context, {{"name", "super_resolution"}, {"scale_factor", 4}, {"kernel", "average"}}, {});
  check_equal("average",
              context.download(made({{"name", "sr_averagepooling"}, {"scale_factor", 4}})->forward(image)),
              context.download(mean->forward(image)));
  CHECK_THROWS_WITH_AS(made({{"name", "sr_bicubic"}, {"a", -0.5}, {"zero", 0.03}}),
                       doctest::Contains("'scale_factor' is missing"), Error);
  CHECK_THROWS_WITH_AS(made({{"name", "colorization"}, {"weights", "gray"}}),
                       doctest::Contains("'weights' is"), Error);
  CHECK_THROWS_WITH_AS(made({{"name", "gaussian_blur_circular"}}), doctest::Contains("no kernel given"),
                       Error);
  CHECK_THROWS_WITH_AS(made({{"names", 1}}), doctest::Contains("'name'"), Error);
}
