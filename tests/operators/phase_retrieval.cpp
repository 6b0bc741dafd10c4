// Phase retrieval against the formula in double, its gradient, and what it cannot take.
#include "operators/phase_retrieval.hpp"

#include <complex>
#include <numbers>

#include "operators/factory.hpp"
#include "tests/operators/gradient_of.hpp"
#include "tests/support/support.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

constexpr Shape shape{3, 2, 12, 9};
using Wide = std::complex<double>;

// sqrt(1/n) |sum x exp(-2 pi i ...)| of one padded plane, frequency 0 at (H/2, W/2).
std::vector<double> magnitudes(const std::vector<double>& plane, int H, int W) {
  std::vector<double> y;
  for (int k = 0; k < H; ++k)
    for (int l = 0; l < W; ++l) {
      Wide sum = 0;
      for (int h = 0; h < H; ++h)
        for (int w = 0; w < W; ++w)
          sum += plane[std::size_t(h * W + w)] *
                 std::polar(1.0, -2 * std::numbers::pi *
                                     ((k - H / 2) * h / double(H) + (l - W / 2) * w / double(W)));
      y.push_back(std::abs(sum) / std::sqrt(double(H * W)));
    }
  return y;
}

std::vector<double> expected(const std::vector<float>& x, int pad_h, int pad_w, double scale, double offset) {
  const int H = shape.H + 2 * pad_h, W = shape.W + 2 * pad_w;
  std::vector<double> all;
  for (int plane = 0; plane < shape.N * shape.C; ++plane) {
    std::vector<double> padded(std::size_t(H * W), 0.0);
    for (int h = 0; h < shape.H; ++h)
      for (int w = 0; w < shape.W; ++w)
        padded[std::size_t((h + pad_h) * W + w + pad_w)] =
            scale * x[std::size_t((plane * shape.H + h) * shape.W + w)] + offset;
    const std::vector<double> y = magnitudes(padded, H, W);
    all.insert(all.end(), y.begin(), y.end());
  }
  return all;
}

}  // namespace

TEST_CASE("phase retrieval: centred magnitudes of the padded image") {
  const std::vector<float> x = random_values(shape.size(), 1);
  for (const Device device : backends()) {
    Context context(device, 1, true);
    const auto y = [&](const nlohmann::json& settings, const Shape& measured) {
      const auto op = make_operator(context, settings, {});
      CHECK(as_linear(*op) == nullptr);
      CHECK(op->output_shape(shape) == measured);
      const Tensor value = op->forward(context.upload(shape, x));
      CHECK(value.shape() == measured);
      const std::unique_ptr<Saved> saved = op->make_saved();
      check_equal("value of the pass that keeps what the gradient needs",
                  context.download(op->forward(context.upload(shape, x), saved.get())),
                  context.download(value));
      return context.download(value);
    };
    // int(2 / 8 * 12) = 3 rows and int(2 / 8 * 9) = 2 columns on each side. An FFT in float of 234 values is
    // off by some 1e-7 of the largest one.
    check_close("pm1", y({{"name", "phase_retrieval"}, {"oversample", 2.0}}, {3, 2, 18, 13}),
                expected(x, 3, 2, 1, 0), 1e-6);
    check_close("unit",
                y({{"name", "phase_retrieval"}, {"oversample", 3}, {"range", "unit"}}, {3, 2, 20, 15}),
                expected(x, 4, 3, 0.5, 0.5), 1e-6);
    check_close("no padding", y({{"name", "phase_retrieval"}, {"oversample", 0}}, shape),
                expected(x, 0, 0, 1, 0), 1e-6);
    CHECK(context.pool.damaged_guards() == 0);
  }
}

TEST_CASE("phase retrieval: the gradient, and 0 where the magnitude is 0") {
  for (const Device device : backends()) {
    Context context(device, 1, true);
    for (const char* range : {"pm1", "unit"}) {
      const auto op = make_operator(context, {{"name", "phase_retrieval"}, {"range", range}}, {});
      const Shape measured = op->output_shape(shape);
      const std::vector<float> x = random_values(shape.size(), 2);
      const auto vjp = [&](const std::vector<float>& at, const std::vector<float>& w) {
        return gradient_of(context, *op, context.upload(shape, at), context.upload(measured, w));
      };
      // Magnitudes near 0 bend: central differences in float agree to about 1e-3 at this step.
      check_vjp(
          message("phase retrieval, ", range),
          [&](const std::vector<float>& at) {
            return context.download(op->forward(context.upload(shape, at)));
          },
          [&](const std::vector<float>& w) { return vjp(x, w); }, x, 3e-3, 2e-3);
      // An image of which every transformed value is 0.
      const std::vector<float> nothing(std::size_t(shape.size()), std::string(range) == "unit" ? -1.f : 0.f);
      const std::vector<float> gradient = vjp(nothing, random_values(measured.size(), 3));
      check_equal("gradient at 0", gradient, std::vector<float>(gradient.size(), 0.f));
    }
    CHECK(context.pool.damaged_guards() == 0);
    CHECK(context.pool.in_use() == 0);
  }
}

TEST_CASE("phase retrieval: bad settings are named") {
  Context context(Device::cpu);
  const auto make = [&](const nlohmann::json& settings) { make_operator(context, settings, {}); };
  CHECK_THROWS_WITH_AS(make({{"name", "phase_retrieval"}, {"oversample", -1}}),
                       "operator phase_retrieval: 'oversample' is -1, expected a number from 0 to 1024",
                       Error);
  CHECK_THROWS_WITH_AS(make({{"name", "phase_retrieval"}, {"range", "01"}}),
                       "operator phase_retrieval: 'range' is '01', expected one of pm1, unit", Error);
}
