// Plots: marks, smoothing, where a curve is drawn, text.
#include "tools/plot.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "tests/tools/files_for_tests.hpp"

namespace tweedie::test {
namespace {

/// How far a pixel is from white.
double ink(const Image& image, int row, int column) {
  double most = 0;
  for (int c = 0; c < image.channels; ++c)
    most = std::max(most, 1.0 - double(image.data[image.index(c, row, column)]));
  return most;
}

double ink(const Image& image) {
  double sum = 0;
  for (int row = 0; row < image.height; ++row)
    for (int column = 0; column < image.width; ++column) sum += ink(image, row, column) / 2;
  return sum;
}

}  // namespace

TEST_CASE("plot: marks are round numbers inside the range, not too many") {
  CHECK(round_ticks(0, 10, 5) == std::vector<double>{0, 2, 4, 6, 8, 10});
  CHECK(round_ticks(0, 10, 10).size() == 11);
  CHECK(round_ticks(1, 9, 3) == std::vector<double>{5});
  const std::vector<double> fine = round_ticks(0.1234, 0.1239, 6);
  REQUIRE(fine.size() >= 3);
  CHECK(fine.front() >= 0.1234 - 1e-9);
  CHECK(fine.back() <= 0.1239 + 1e-9);
  for (const double low : {-3e6, -17.0, 0.0, 1e-7})
    for (const double range : {1e-4, 0.7, 42.0, 9e6}) {
      const std::vector<double> ticks = round_ticks(low, low + range, 7);
      CHECK(!ticks.empty());
      CHECK(ticks.size() <= 8);
      if (ticks.size() > 1) {
        const double step = ticks[1] - ticks[0],
                     mantissa = step / std::pow(10, std::floor(std::log10(step * 1.0001)));
        CHECK(std::min({std::abs(mantissa - 1), std::abs(mantissa - 2), std::abs(mantissa - 5)}) < 1e-2);
      }
    }
}

TEST_CASE("plot: smoothing is the weighted mean of the values so far") {
  const std::vector<double> values = {4, 1, std::nan(""), 7, -2};
  const double keep = 1 - 1 / 3.0;
  const std::vector<double> got = smoothed(values, 3);
  CHECK(got[0] == 4);
  CHECK(got[1] == doctest::Approx((keep * 4 + 1) / (keep + 1)));
  CHECK(got[2] == got[1]);
  CHECK(got[3] == doctest::Approx((keep * keep * 4 + keep * 1 + 7) / (keep * keep + keep + 1)));
  CHECK(smoothed(values, 1)[4] == -2);
  CHECK(std::isnan(smoothed({std::nan("")}, 2)[0]));
}

TEST_CASE("plot: lines lie where they should, have their width, and end where they do") {
  Image image = uniform_image(3, 40, 60, 1);
  draw_line(image, {{10, 20}, {50, 20}}, 2, black);
  for (int column = 0; column < 60; ++column) {
    CHECK(ink(image, 20, column) == (column >= 10 && column <= 50 ? 2 : column == 9 || column == 51 ? 1 : 0));
    CHECK(ink(image, 17, column) == 0);
  }
  CHECK(ink(image) ==
        doctest::Approx(2.0 * 41).epsilon(0.1));  // length times width, and half a pixel at the ends
  image = uniform_image(1, 200, 200, 1);
  draw_line(image, {{20, 30}, {170, 150}}, 3, black, 0.5);
  CHECK(ink(image) == doctest::Approx(0.5 * 3 * std::hypot(150, 120)).epsilon(0.03));
  CHECK(ink(image, 90, 95) == doctest::Approx(1));  // the middle of the line, half mixed in
  image = uniform_image(3, 20, 20, 1);
  const double nan = std::nan("");
  draw_line(image, {{2, 5}, {6, 5}, {nan, 5}, {14, 5}, {18, 5}}, 1, black);
  CHECK(ink(image, 5, 4) == 2);
  CHECK(ink(image, 5, 10) == 0);
  CHECK(ink(image, 5, 16) == 2);
  draw_line(image, {{-1e9, -1e9}, {1e9, 1e9}}, 1, black);  // mostly outside
  CHECK(ink(image, 12, 12) > 1.99);
}

TEST_CASE("plot: text has its letters, is found where it was put, and may lie outside") {
  Image image = uniform_image(1, 30, 60, 1);
  draw_text(image, 3, 4, "T", black);
  for (int row = 0; row < 7; ++row)
    for (int column = 0; column < 5; ++column)
      CHECK(ink(image, 4 + row, 3 + column) == (row == 0 || column == 2 ? 2 : 0));
  Image twice = uniform_image(1, 30, 60, 1);
  draw_text(twice, 3, 4, "T", black, 2);
  CHECK(ink(twice) == doctest::Approx(4 * ink(image)));
  Image up = uniform_image(1, 30, 60, 1);
  draw_text_upwards(up, 4, 20, "T", black);
  for (int row = 0; row < 7; ++row)
    for (int column = 0; column < 5; ++column)
      CHECK(ink(up, 20 - column, 4 + row) == ink(image, 4 + row, 3 + column));
  draw_text(image, -50, -4, "outside, and beyond the other side too", black);
  draw_text(image, 58, 28, "outside", black);
  CHECK(text_width("abc") == 17);
  CHECK(text_width("\xc3\xa4") == 5);  // one letter of two bytes
  CHECK(text_width("") == 0);
  for (char character = '!'; character <= '~'; ++character) {  // no two letters look alike
    Image one = uniform_image(1, 10, 6, 1);
    draw_text(one, 0, 0, std::string(1, character), black);
    CHECK(ink(one) >= 2);
    for (char other = '!'; other < character; ++other) {
      Image two = uniform_image(1, 10, 6, 1);
      draw_text(two, 0, 0, std::string(1, other), black);
      CAPTURE(character);
      CAPTURE(other);
      CHECK(one.data != two.data);
    }
  }
}

TEST_CASE("plot: a curve is where its numbers say, on even and logarithmic axes") {
  Plot plot;
  plot.curves = {
      {"", {0, 100}, {1, 1}, false}, {"", {0, 100}, {1000, 1000}, false}, {"", {40, 60}, {10, 10}, false}};
  plot.log_y = true;
  const Image image = draw_plot(plot);
  CHECK(image.width == 900);
  std::vector<int> rows;  // of coloured pixels in the middle
  for (int row = 45; row < 485; ++row) {
    const float red = image.data[image.index(0, row, 478)], blue = image.data[image.index(2, row, 478)];
    if (std::abs(red - blue) > 0.5 && (rows.empty() || row > rows.back() + 2)) rows.push_back(row);
  }
  REQUIRE(rows.size() == 3);  // 1000, 10, 1 from the top: a third of the way up for 10
  CHECK(double(rows[2] - rows[1]) / (rows[2] - rows[0]) == doctest::Approx(1.0 / 3).epsilon(0.01));
  CHECK(error_of([] { draw_plot(Plot{}); }).find("nothing to draw") != std::string::npos);
  plot.curves[0].y = {0, -1};
  plot.curves.resize(1);
  CHECK(error_of([&] { draw_plot(plot); }).find("nothing to draw on a logarithmic axis") !=
        std::string::npos);
  plot.curves[0].x = {0};
  CHECK(error_of([&] { draw_plot(plot); }).find("has 1 x and 2 y") != std::string::npos);
  const Image loss = draw_plot(loss_plot("loss", {1, 2, 3}, {3, std::nan(""), 1}));
  CHECK(ink(loss) > 1000);
  CHECK(ink(draw_plot(loss_plot("one", {1}, {3}))) > 1000);
}

TEST_CASE("plot: images of a batch") {
  std::vector<float> batch;
  for (int i = 0; i < 24; ++i) batch.push_back(float(i) / 24);
  const std::vector<Image> colour = images_of(batch, 3, 2, 2);
  REQUIRE(colour.size() == 2);
  CHECK(colour[1].data == std::vector<float>(batch.begin() + 12, batch.end()));
  const std::vector<Image> planes = images_of(batch, 2, 2, 3, 2);
  REQUIRE(planes.size() == 4);
  CHECK(planes[3].channels == 1);
  CHECK(planes[3].width == 6);
  for (int row = 0; row < 4; ++row)
    for (int column = 0; column < 6; ++column)
      CHECK(planes[3].data[planes[3].index(0, row, column)] ==
            batch[std::size_t(18 + row / 2 * 3 + column / 2)]);
  CHECK(error_of([&] { images_of(batch, 3, 3, 3); }).find("expected a multiple of 27") != std::string::npos);
}

}  // namespace tweedie::test
