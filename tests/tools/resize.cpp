// FID's resizers: what any resizer must do, and where these differ by their definitions. (Their numbers are
// held to recorded ones by tweedie-verify.)
#include "tools/metrics/resize.hpp"

#include <algorithm>
#include <cmath>

#include "tests/tools/files_for_tests.hpp"

namespace tweedie::test {
namespace {

using metrics::Planes;
using metrics::Resizer;

constexpr Resizer all[] = {Resizer::bilinear, Resizer::bilinear_tf1, Resizer::bilinear_antialiased,
                           Resizer::bicubic_pil};

Planes row(std::vector<double> values) { return {1, 1, int(values.size()), std::move(values)}; }

}  // namespace

TEST_CASE("resizing keeps a flat image flat, and an image of that size as it is") {
  const Planes flat{2, 5, 7, std::vector<double>(70, 0.3)};
  Planes ramp{1, 4, 6, {}};
  for (int i = 0; i < 24; ++i) ramp.data.push_back((i * 7 % 24) / 24.0);
  for (const Resizer r : all) {
    const Planes y = metrics::resized(flat, 11, 3, r);
    CHECK(y.data.size() == 66);
    CHECK(std::all_of(y.data.begin(), y.data.end(), [](double v) { return std::abs(v - 0.3) < 1e-15; }));
    CHECK(metrics::resized(ramp, 4, 6, r).data == ramp.data);
  }
}

TEST_CASE("two pixels become four: centres and corners") {
  const Planes x = row({0, 1});
  const auto check = [&](Resizer r, const std::vector<double>& expected) {
    const Planes y = metrics::resized(x, 1, 4, r);
    for (std::size_t i = 0; i < 4; ++i) CHECK(y.data[i] == doctest::Approx(expected[i]).epsilon(1e-14));
  };
  check(Resizer::bilinear, {0, 0.25, 0.75, 1});
  check(Resizer::bilinear_antialiased, {0, 0.25, 0.75, 1});  // enlarging, nothing is antialiased
  check(Resizer::bilinear_tf1, {0, 0.5, 1, 1});
}

TEST_CASE("four pixels become two: only antialiasing sees all of them") {
  const Planes x = row({0, 1, 0, 0});
  CHECK(metrics::resized(x, 1, 2, Resizer::bilinear).data == std::vector<double>{0.5, 0});
  CHECK(metrics::resized(x, 1, 2, Resizer::bilinear_tf1).data == std::vector<double>{0, 0});
  // Triangles of half-width 2 about 1 and 3: weights 0.75, 0.75, 0.25 on the first three; their mirror on the
  // rest.
  const Planes y = metrics::resized(x, 1, 2, Resizer::bilinear_antialiased);
  CHECK(y.data[0] == doctest::Approx(0.75 / 1.75));
  CHECK(y.data[1] == doctest::Approx(0.25 / 1.75));
}

TEST_CASE("Pillow's bicubic overshoots, and is held to [0, 1]") {
  const Planes y = metrics::resized(row({0, 0, 1, 1}), 1, 13, Resizer::bicubic_pil);
  CHECK(*std::min_element(y.data.begin(), y.data.end()) == 0);
  CHECK(*std::max_element(y.data.begin(), y.data.end()) == 1);
}

TEST_CASE("what Inception is fed: range and channels") {
  const Planes gray{1, 2, 2, {1, 1, 1, 1}};
  const std::vector<float> x = metrics::prepared(gray, metrics::inception_input("pytorch"));
  CHECK(x.size() == 3 * 299 * 299);
  CHECK(std::all_of(x.begin(), x.end(), [](float v) { return v == 1; }));
  const std::vector<float> levels = metrics::prepared(gray, metrics::inception_input("clean"));
  CHECK(std::all_of(levels.begin(), levels.end(), [](float v) { return v == 127.f / 128; }));
  CHECK(error_of([] { metrics::inception_input("daps"); }) == "there is no input of Inception named daps");
}

}  // namespace tweedie::test
