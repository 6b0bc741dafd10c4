// Over-exposure and JPEG: values, and images that are measured as they are.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "operators/factory.hpp"
#include "operators/jpeg.hpp"
#include "tests/support/support.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

std::vector<float> measured(Context& context, ForwardOperator& op, const std::vector<float>& x,
                            const Shape& s) {
  return context.download(op.forward(context.upload(s, x)));
}

/// Smooth pictures, as compression is made for.
std::vector<float> picture(const Shape& s) {
  std::vector<float> x;
  for (int n = 0; n < s.N; ++n)
    for (int c = 0; c < s.C; ++c)
      for (int h = 0; h < s.H; ++h)
        for (int w = 0; w < s.W; ++w)
          x.push_back(0.8f * std::sin(0.21f * float(h) + 0.3f * float(c)) *
                      std::cos(0.17f * float(w) + float(n)));
  return x;
}

double rms(const std::vector<float>& x, const std::vector<float>& y) {
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) sum += (double(x[i]) - y[i]) * (double(x[i]) - y[i]);
  return std::sqrt(sum / double(x.size()));
}

/// A gray picture by the standard's definition, in double: one block, luma only.
std::vector<double> gray_block(const std::vector<float>& x, const int (&first_row)[8], double other_steps) {
  const double pi = std::numbers::pi;
  const auto basis = [&](int u, int k) {
    return (u == 0 ? std::sqrt(0.125) : 0.5) * std::cos((2 * k + 1) * u * pi / 16);
  };
  std::vector<double> y(64, 0.0);
  for (int u = 0; u < 8; ++u)
    for (int v = 0; v < 8; ++v) {
      double c = 0;
      for (int h = 0; h < 8; ++h)
        for (int w = 0; w < 8; ++w)
          c += basis(u, h) * basis(v, w) * ((double(x[std::size_t(8 * h + w)]) + 1) * 127.5 - 128);
      const double step = u == 0 ? first_row[v] : other_steps;
      c = u == 0 ? step * std::round(c / step) : 0;
      for (int h = 0; h < 8; ++h)
        for (int w = 0; w < 8; ++w) y[std::size_t(8 * h + w)] += basis(u, h) * basis(v, w) * c;
    }
  for (double& value : y) value = (value + 128) / 127.5 - 1;
  return y;
}

}  // namespace

TEST_CASE("hdr: twice the image, clipped; half the measurement is measured as it") {
  for (const Device device : backends()) {
    Context context(device);
    const Shape s{2, 3, 5, 7};
    const auto op = make_operator(context, {{"name", "hdr"}}, {});
    const std::vector<float> x = random_values(s.size(), 1);
    std::vector<double> expected;
    for (const float v : x) expected.push_back(std::clamp(2.0 * v, -1.0, 1.0));
    const std::vector<float> y = measured(context, *op, x, s);
    check_close("hdr", y, expected, 1e-7);
    auto& image = dynamic_cast<ImageOperator&>(*op);
    REQUIRE(image.has_pseudo_inverse());
    const std::vector<float> back = context.download(image.pseudo_inverse(context.upload(s, y), s));
    check_equal("h h+ h", measured(context, *op, back, s), y);
  }
}

TEST_CASE("jpeg: a gray block is what the standard says") {
  // Rows alike: of the coefficients only those of the first row are not 0. Quality 50: the tables as they
  // are.
  const int first_row[8] = {16, 11, 10, 16, 24, 40, 51, 61};
  std::vector<float> row = random_values(8, 4), x;
  for (int h = 0; h < 8; ++h) x.insert(x.end(), row.begin(), row.end());
  const std::vector<double> expected = gray_block(x, first_row, 1);
  std::vector<float> colour;
  std::vector<double> all;
  for (int c = 0; c < 3; ++c) {
    colour.insert(colour.end(), x.begin(), x.end());
    all.insert(all.end(), expected.begin(), expected.end());
  }
  for (const Device device : backends()) {
    Context context(device);
    Jpeg op(context, 50, Jpeg::Chroma::full);
    check_close("block", measured(context, op, colour, {1, 3, 8, 8}), all, 2e-6);
  }
}

TEST_CASE("jpeg: its results stay as they are, quality orders them, and only chroma is averaged") {
  for (const Device device : backends()) {
    Context context(device);
    const Shape s{2, 3, 32, 48};
    const std::vector<float> x = picture(s);
    double before = 1e9;
    for (const int quality : {5, 25, 50, 75, 100}) {
      Jpeg op(context, quality, Jpeg::Chroma::halved);
      const std::vector<float> y = measured(context, op, x, s);
      check_close("h h", measured(context, op, y, s), y, 1e-5);  // a few roundings of 255 units in all
      const double error = rms(x, y);
      CHECK(error < before);
      CHECK(error > 0);
      before = error;
    }
    CHECK(before < 0.05);
    // In full, quality 100 rounds to units of 1/127.5 and no more.
    Jpeg full(context, 100, Jpeg::Chroma::full);
    CHECK(rms(x, measured(context, full, x, s)) < 1 / 127.5);
  }
}

TEST_CASE("jpeg: what it cannot take is refused") {
  Context context(Device::cpu);
  CHECK_THROWS_WITH_AS(Jpeg(context, 0, Jpeg::Chroma::full), doctest::Contains("expected 1 to 100"), Error);
  const Jpeg op(context, 50, Jpeg::Chroma::halved);
  CHECK_THROWS_WITH_AS((void)op.output_shape(Shape{1, 3, 24, 32}), doctest::Contains("multiples of 16"),
                       Error);
  CHECK_THROWS_WITH_AS((void)op.output_shape(Shape{1, 1, 32, 32}), doctest::Contains("3 channels"), Error);
}
