// Tomography against ray sums in double and against line integrals known in closed form.
#include "operators/ct.hpp"

#include <numbers>

#include "operators/factory.hpp"
#include "tests/support/support.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

constexpr double pi = std::numbers::pi;

// A phantom whose line integrals are known; lengths are pixels, from the image's centre.
struct Phantom {
  double x, y;  // its centre, y upwards
  std::function<double(double r)> density;
  std::function<double(double s)> integral;  // along a line s from its centre
};

Phantom gaussian(double sigma) {
  const auto bell = [sigma](double r) { return std::exp(-r * r / (2 * sigma * sigma)); };
  return {5.3, -7.1, bell, [=](double s) { return sigma * std::sqrt(2 * pi) * bell(s); }};
}

Phantom disc(double radius) {
  return {-4.6, 3.2, [radius](double r) { return r < radius ? 1.0 : 0.0; },
          [radius](double s) { return 2 * std::sqrt(std::max(0.0, radius * radius - s * s)); }};
}

// The mean of the density over each pixel, from 8x8 points.
std::vector<float> image_of(const Phantom& p, int H, int W) {
  std::vector<float> x;
  for (int h = 0; h < H; ++h)
    for (int w = 0; w < W; ++w) {
      double sum = 0;
      for (int i = 0; i < 64; ++i)
        sum += p.density(std::hypot(w - (W - 1) / 2.0 + (i % 8 - 3.5) / 8 - p.x,
                                    (H - 1) / 2.0 - h + (i / 8 - 3.5) / 8 - p.y));
      x.push_back(float(sum / 64));
    }
  return x;
}

// Its line integrals, the image's longer side being 1; the axis is seen so many detectors beyond the middle.
std::vector<float> sinogram_of(const Phantom& p, int detectors, const std::vector<double>& degrees,
                               int longer_side, double axis = 0) {
  std::vector<float> y;
  for (const double degree : degrees)
    for (int d = 0; d < detectors; ++d) {
      const double t = degree * pi / 180, s = d - (detectors - 1) / 2.0 - axis;
      y.push_back(float(p.integral(s - p.x * std::cos(t) - p.y * std::sin(t)) / longer_side));
    }
  return y;
}

std::vector<double> evenly(double first, double span, int count) {
  std::vector<double> degrees;
  for (int k = 0; k < count; ++k) degrees.push_back(first + span * k / count);
  return degrees;
}

}  // namespace

TEST_CASE("CT: interpolated ray sums, the image's longer side being 1") {
  const Shape shape{2, 3, 20, 27};
  const std::vector<float> x = random_values(shape.size(), 1);
  const int angles = 9, detectors = 35;  // of 27 columns and a diagonal of 33.6: 34, made odd
  std::vector<double> expected;
  const auto at = [&](int plane, double h, double w, bool along_w) {  // linear along one axis, 0 outside
    double sum = 0;
    const int from = int(std::floor(along_w ? w : h));
    for (int i = from; i <= from + 1; ++i) {
      const int row = along_w ? int(std::lround(h)) : i, column = along_w ? i : int(std::lround(w));
      if (row < 0 || row >= shape.H || column < 0 || column >= shape.W) continue;
      sum +=
          (1 - std::abs(i - (along_w ? w : h))) * x[std::size_t((plane * shape.H + row) * shape.W + column)];
    }
    return sum;
  };
  for (int plane = 0; plane < shape.N * shape.C; ++plane)
    for (int a = 0; a < angles; ++a)
      for (int d = 0; d < detectors; ++d) {
        const double t = (-25 + 140.0 * a / angles) * pi / 180, c = std::cos(t), n = std::sin(t);
        const double s = d - (detectors - 1) / 2.0, middle_h = (shape.H - 1) / 2.0,
                     middle_w = (shape.W - 1) / 2.0;
        double sum = 0;
        if (std::abs(c) >= std::abs(n))
          for (int h = 0; h < shape.H; ++h)
            sum += at(plane, h, middle_w + (s - (middle_h - h) * n) / c, true) / std::abs(c);
        else
          for (int w = 0; w < shape.W; ++w)
            sum += at(plane, middle_h - (s - (w - middle_w) * c) / n, w, false) / std::abs(n);
        expected.push_back(sum / shape.W);
      }
  for (const Device device : backends()) {
    Context context(device, 1, true);
    const auto op =
        make_operator(context, {{"name", "ct"}, {"angles", angles}, {"first", -25}, {"span", 140}}, {});
    const Tensor y = op->forward(context.upload(shape, x));
    CHECK(y.shape() == Shape{2, 3, angles, detectors});
    // Positions of up to 30 pixels, rounded to 1e-6 of a pixel a few times.
    check_close(name(device), context.download(y), expected, 1e-5);
  }
}

TEST_CASE("CT: the projections of a Gaussian and of a disc are what calculus says") {
  const int H = 64, W = 80;
  for (const Device device : backends()) {
    Context context(device, 1, true);
    Radon op(context, {48, 7, 180, 0});
    const auto check = [&](const Phantom& p, double tolerance) {
      const Tensor y = op.forward(context.upload({1, 1, H, W}, image_of(p, H, W)));
      check_close(name(device), context.download(y), sinogram_of(p, y.shape().W, evenly(7, 180, 48), W),
                  tolerance);
    };
    // A pixel's mean and linear interpolation widen a variance of 49 by up to 1/12 + 1/4: half of that share
    // is lost at the peak.
    check(gaussian(7), 3.5e-3);
    // At the edge a chord begins like a square root: a blur of a tenth of a pixel there is a chord of a tenth
    // of the diameter.
    check(disc(20), 0.1);
  }
}

TEST_CASE("CT: filtered backprojection recovers phantoms from many views") {
  const int H = 64, W = 80;
  const Shape shape{1, 1, H, W};
  for (const Device device : backends()) {
    Context context(device, 1, true);
    Radon op(context, {150, -10, 180, 0});
    const Shape measured = op.output_shape(shape);
    const auto from_closed_form = [&](const Phantom& p) {
      return context.download(op.filtered_backprojection(
          context.upload(measured, sinogram_of(p, measured.W, evenly(-10, 180, 150), W)), shape));
    };
    const auto from_projection = [&](const Phantom& p) {
      return context.download(
          op.filtered_backprojection(op.forward(context.upload(shape, image_of(p, H, W))), shape));
    };
    // Linear interpolation on the detector widens a variance of 36 by up to 1/4 a second time.
    const std::vector<float> bell = image_of(gaussian(6), H, W);
    check_close("Gaussian from its integrals", from_closed_form(gaussian(6)), bell, 5e-3);
    check_close("Gaussian from its projection", from_projection(gaussian(6)), bell, 1e-2);
    // Inside a disc, away from its edge, the density is 1: the level is right, not only the shape.
    const std::vector<float> recovered = from_closed_form(disc(20)), inside = image_of(disc(15), H, W);
    double sum = 0, pixels = 0, worst = 0;
    for (std::size_t i = 0; i < inside.size(); ++i) {
      if (inside[i] != 1) continue;
      sum += recovered[i];
      pixels += 1;
      worst = std::max(worst, std::abs(recovered[i] - 1.0));
    }
    CHECK(sum / pixels == doctest::Approx(1).epsilon(1e-3));
    CHECK(worst < 0.02);
    CHECK(context.pool.damaged_guards() == 0);
  }
}

TEST_CASE("CT: what a view counts") {
  const auto check = [&](const std::vector<double>& at, const std::vector<double>& expected) {
    const std::vector<double> weights = view_weights(at);
    REQUIRE(weights.size() == expected.size());
    for (std::size_t i = 0; i < at.size(); ++i)
      CHECK_MESSAGE(weights[i] * 180 / pi == doctest::Approx(expected[i]).epsilon(1e-9), i, " of ",
                    at.size());
  };
  check({17}, {180});
  check({0, 60, 120}, {60, 60, 60});
  check({0, 10, 60, 120}, {35, 30, 55, 60});                     // half of each gap, the last one to 180
  check({120, 0, 60}, {60, 60, 60});                             // in any order
  check({0, 60, 120, 180, 240, 300}, {30, 30, 30, 30, 30, 30});  // a turn: each direction twice
  check({0, 72, 144, 216, 288}, {36, 36, 36, 36, 36});           // a turn: directions 36 degrees apart
  check({0, 60, 120, 180}, {30, 60, 60, 30});                    // both ends
  check({0, -60, -120}, {60, 60, 60});                           // clockwise
  check({-30, 0, 30}, {30, 30, 30});                             // 120 degrees were not measured
  check({0, 1, 2, 90, 91, 92}, {1, 1, 1, 1, 1, 1});              // two ranges were
  check({0, 1, 2, 90}, {1, 1, 1, 1});                            // alone between two ranges that were not
  check(evenly(0, 90, 45), std::vector<double>(45, 2));
  check(evenly(3, 360, 459), std::vector<double>(459, 180.0 / 459));
}

TEST_CASE("CT: a full turn, angles in a list, an axis beside the middle: the same image") {
  const int side = 64, detectors = 91;
  const Shape shape{1, 1, side, side};
  std::vector<double> uneven;  // the gaps are 1 and 2 degrees in turn, and the order is no order
  for (int k = 0; k < 120; ++k) uneven.push_back(((k * 37) % 120) / 2 * 3 + ((k * 37) % 120) % 2);
  struct Way {
    const char* name;
    double first, span, axis;
    bool listed;
    std::vector<double> degrees;
  };
  const std::vector<Way> ways{
      {"half a turn", 0, 180, 0, false, evenly(0, 180, 151)},
      {"a turn", 0, 360, 0, false, evenly(0, 360, 302)},
      {"a turn of an odd number", 5, 360, 0, false, evenly(5, 360, 301)},
      {"clockwise, and an axis", 5, -360, 3.5, false, evenly(5, -360, 301)},
      {"a list, and an axis", 0, 180, -2.25, true, uneven},
  };
  for (const Device device : backends())
    for (const Way& way : ways) {
      Context context(device, 1, true);
      RadonSettings settings;
      settings.angles = int(way.degrees.size()), settings.detectors = detectors;
      settings.first = way.first, settings.span = way.span, settings.axis = way.axis;
      if (way.listed) settings.directions = way.degrees;
      Radon op(context, settings);
      const Shape measured = op.output_shape(shape);
      const std::vector<float> y = sinogram_of(gaussian(6), detectors, way.degrees, side, way.axis);
      // As in the test of 180 degrees: the detector's interpolation widens the Gaussian.
      const std::vector<float> x = image_of(gaussian(6), side, side);
      check_close(way.name, context.download(op.filtered_backprojection(context.upload(measured, y), shape)),
                  x, 5e-3);
      check_close(way.name, context.download(op.forward(context.upload(shape, x))), y, 5e-3);
    }
}

TEST_CASE("CT: filtered backprojection of a batch is that of each, and knows its span") {
  const Shape shape{3, 2, 21, 16};
  for (const Device device : backends()) {
    Context context(device, 1, true);
    Radon op(context, {12, 30, 60, 0});
    const Shape measured = op.output_shape(shape);
    const std::vector<float> y = random_values(measured.size(), 1);
    const std::vector<float> all =
        context.download(op.filtered_backprojection(context.upload(measured, y), shape));
    const std::ptrdiff_t sample = measured.sample(), pixels = shape.sample();
    const std::vector<float> second(y.begin() + sample, y.begin() + 2 * sample);
    check_close("second", std::vector<float>(all.begin() + pixels, all.begin() + 2 * pixels),
                context.download(op.filtered_backprojection(
                    context.upload({1, 2, measured.H, measured.W}, second), {1, 2, 21, 16})),
                1e-6);
    // The sum over views, in double: the ramp as a plain sum, 60 degrees in 12 steps.
    std::vector<double> expected(std::size_t(pixels), 0.0);
    const int D = measured.W;
    for (int c = 0; c < 2; ++c)
      for (int a = 0; a < 12; ++a) {
        const double t = (30 + 5 * a) * pi / 180;
        std::vector<double> filtered(std::size_t(D + 1), 0.0);
        for (int d = 0; d < D; ++d)
          for (int k = 0; k < D; ++k)
            filtered[std::size_t(d)] += second[std::size_t((c * 12 + a) * D + k)] *
                                        (d == k             ? 0.25
                                         : (d - k) % 2 == 0 ? 0.0
                                                            : -1 / (pi * pi * (d - k) * (d - k)));
        for (int h = 0; h < 21; ++h)
          for (int w = 0; w < 16; ++w) {
            const double s = (w - 7.5) * std::cos(t) + (10 - h) * std::sin(t) + (D - 1) / 2.0;
            const int i = int(std::floor(s));
            REQUIRE((i >= 0 && i < D));
            expected[std::size_t((c * 21 + h) * 16 + w)] +=
                21 * (60 * pi / 180 / 12) *
                ((1 - (s - i)) * filtered[std::size_t(i)] + (s - i) * filtered[std::size_t(i + 1)]);
          }
      }
    // Detector positions are rounded to 2e-6; the FFTs add as much.
    check_close("views", std::vector<float>(all.begin() + pixels, all.begin() + 2 * pixels), expected, 1e-5);
  }
}

TEST_CASE("CT: enough detectors for the diagonal, aligned with columns") {
  Context context(Device::cpu);
  Radon op(context, {4, 0, 180, 0}), few(context, {4, 0, 180, 11});
  CHECK(op.output_shape({3, 2, 40, 56}) == Shape{3, 2, 4, 70});
  CHECK(op.output_shape({1, 1, 33, 29}) == Shape{1, 1, 4, 45});
  CHECK(op.output_shape({1, 1, 3, 4}) == Shape{1, 1, 4, 6});
  CHECK(few.output_shape({1, 1, 33, 29}) == Shape{1, 1, 4, 11});
  // At angle 0 each ray is one column's sum.
  const std::vector<float> x = random_values(12, 1);
  const std::vector<float> y = context.download(op.forward(context.upload({1, 1, 3, 4}, x)));
  for (std::size_t d = 0; d < 6; ++d)
    CHECK(y[d] == doctest::Approx(d == 0 || d == 5 ? 0 : (x[d - 1] + x[d + 3] + x[d + 7]) / 4));
}

TEST_CASE("CT: one operator takes images of changing sizes") {
  for (const Device device : backends()) {
    Context context(device, 1, true);
    Radon op(context, {5, 10, 180, 14});
    for (const Shape& shape : {Shape{1, 1, 9, 14}, Shape{1, 1, 14, 9}, Shape{1, 1, 7, 9}}) {
      Radon fresh(context, {5, 10, 180, 14});
      const Tensor x = context.upload(shape, random_values(shape.size(), 1)), y = op.forward(x);
      check_equal("forward", context.download(y), context.download(fresh.forward(x)));
      check_equal("backprojection", context.download(op.filtered_backprojection(y, shape)),
                  context.download(fresh.filtered_backprojection(y, shape)));
    }
  }
}

TEST_CASE("CT: bad settings are named") {
  Context context(Device::cpu);
  const auto refuses = [&](const nlohmann::json& settings, const char* text) {
    nlohmann::json all = settings;
    all["name"] = "ct";
    CHECK_THROWS_WITH_AS(make_operator(context, all, {}), doctest::Contains(text), Error);
  };
  refuses({{"angles", 0}}, "operator ct: 'angles' is 0, expected a whole number from 1 to 100000");
  refuses({{"span", 361}}, "operator ct: 'span' is 361, expected a number from -360 to 360");
  refuses({{"span", 0}}, "CT: a span of 0 degrees; expected up to 360 either way, and not 0");
  refuses({{"axis", 20000}}, "operator ct: 'axis' is 20000, expected");
  OperatorData two;
  two["directions"] = context.upload({1, 1, 1, 2}, std::vector<float>{0, 90});
  CHECK_THROWS_WITH_AS(make_operator(context, {{"name", "ct"}, {"angles", 3}}, two),
                       "CT: 2 directions for 3 angles", Error);
  refuses({{"detectors", -1}}, "operator ct: 'detectors' is -1, expected a whole number from 0 to 16384");
  refuses({{"views", 3}}, "the setting 'views' is not known here");
  Radon op(context, {4, 0, 180, 11});
  const Tensor y = context.upload({1, 1, 4, 12}, std::vector<float>(48, 0.f));
  CHECK_THROWS_WITH_AS(op.filtered_backprojection(y, {1, 1, 8, 8}),
                       "CT: measurement (1, 1, 4, 12) for images (1, 1, 8, 8); expected (1, 1, 4, 11)",
                       Error);
}
