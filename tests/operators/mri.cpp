// Magnetic resonance imaging against the transform's definition in double; masks; what is refused.
#include "operators/mri.hpp"
#include "operators/sampling_mask.hpp"

#include <complex>
#include <map>
#include <numbers>

#include "operators/factory.hpp"
#include "tests/support/support.hpp"

using namespace tweedie;
using namespace tweedie::test;
using nlohmann::json;

namespace {

using Wide = std::complex<double>;

struct Setup {
  Shape image;
  bool complex;
  int coils;  // 0: one, without a sensitivity
  json settings() const { return {{"name", "mri"}, {"complex", complex}}; }
  int channels() const { return complex ? image.C / 2 : image.C; }
  Shape measured() const { return {image.N, 2 * channels() * std::max(coils, 1), image.H, image.W}; }
  std::vector<float> mask() const {
    std::vector<float> m = random_values(image.plane(), 8);
    for (float& value : m) value = value > 0.2f ? 1.f : 0.f;
    return m;
  }
  std::vector<float> sensitivity() const { return random_values(2 * coils * image.plane(), 9); }
  OperatorData data(Context& context) const {
    OperatorData d;
    d["mask"] = context.upload({1, 1, image.H, image.W}, mask());
    if (coils > 0) d["sensitivity"] = context.upload({coils, 2, image.H, image.W}, sensitivity());
    return d;
  }
};

const std::vector<Setup> setups{
    {{3, 2, 7, 10}, false, 0}, {{2, 4, 6, 9}, true, 0}, {{1, 1, 8, 8}, false, 1},
    {{2, 3, 5, 6}, false, 3},  {{2, 4, 9, 4}, true, 3}, {{1, 1, 1, 5}, false, 0},
};

// Each entry of k-space as a plain sum, both indices counted from the middle.
std::vector<double> measured_by_definition(const Setup& setup, const std::vector<float>& x) {
  const Shape s = setup.image, m = setup.measured();
  const std::vector<float> mask = setup.mask(), map = setup.sensitivity();
  std::vector<double> y(std::size_t(m.size()), 0.0);
  const auto pixel = [&](int n, int c, int h, int w) {
    return double(x[std::size_t(((n * s.C + c) * s.H + h) * s.W + w)]);
  };
  for (int n = 0; n < s.N; ++n)
    for (int k = 0; k < std::max(setup.coils, 1); ++k)
      for (int c = 0; c < setup.channels(); ++c)
        for (int u = 0; u < s.H; ++u)
          for (int v = 0; v < s.W; ++v) {
            if (mask[std::size_t(u * s.W + v)] == 0) continue;
            Wide sum = 0;
            for (int h = 0; h < s.H; ++h)
              for (int w = 0; w < s.W; ++w) {
                Wide value = setup.complex ? Wide(pixel(n, 2 * c, h, w), pixel(n, 2 * c + 1, h, w))
                                           : Wide(pixel(n, c, h, w));
                if (setup.coils > 0)
                  value *= Wide(map[std::size_t((2 * k * s.H + h) * s.W + w)],
                                map[std::size_t(((2 * k + 1) * s.H + h) * s.W + w)]);
                sum += value * std::polar(1.0, -2 * std::numbers::pi *
                                                   (double(u - s.H / 2) * (h - s.H / 2) / s.H +
                                                    double(v - s.W / 2) * (w - s.W / 2) / s.W));
              }
            sum /= std::sqrt(double(s.H * s.W));
            const int channel = 2 * (setup.channels() * k + c);
            y[std::size_t(((n * m.C + channel) * s.H + u) * s.W + v)] = sum.real();
            y[std::size_t(((n * m.C + channel + 1) * s.H + u) * s.W + v)] = sum.imag();
          }
  return y;
}

double inner(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += double(a[i]) * b[i];
  return sum;
}

Sampling sampling(const std::string& pattern, double acceleration, double centre, std::uint64_t seed = 0) {
  return {pattern, acceleration, centre, seed};
}

const std::vector<std::string> patterns{"uniform1d", "gaussian1d", "equispaced1d", "uniform2d", "gaussian2d"};

}  // namespace

TEST_CASE("MRI: the centred, masked transform of each coil's image, by its definition") {
  for (const Device device : backends())
    for (const Setup& setup : setups) {
      CAPTURE(std::string(name(device)));
      CAPTURE(setup.image);
      CAPTURE(setup.coils);
      Context context(device, 1, true);
      const auto op = make_operator(context, setup.settings(), setup.data(context));
      CHECK(op->output_shape(setup.image) == setup.measured());
      const std::vector<float> x = random_values(setup.image.size(), 1);
      const Tensor y = op->forward(context.upload(setup.image, x));
      REQUIRE(y.shape() == setup.measured());
      // An FFT in float of some 70 values, and phases rounded to 6e-8.
      check_close("k-space", context.download(y), measured_by_definition(setup, x), 1e-6);
      const std::vector<float> values = context.download(y), mask = setup.mask();
      for (std::size_t i = 0; i < values.size(); ++i)
        if (mask[i % mask.size()] == 0) CHECK(values[i] == 0);
      CHECK(context.pool.damaged_guards() == 0);
    }
}

TEST_CASE("MRI: the pseudo-inverse holds to all four of Penrose's conditions") {
  for (const Device device : backends())
    for (const Setup& setup : setups) {
      if (setup.coils > 0) continue;
      Context context(device, 1, true);
      const auto op = make_operator(context, setup.settings(), setup.data(context));
      auto& linear = dynamic_cast<LinearOperator&>(*op);
      REQUIRE(linear.has_pseudo_inverse());
      const auto forward = [&](const std::vector<float>& x) {
        return context.download(linear.forward(context.upload(setup.image, x)));
      };
      const auto inverse = [&](const std::vector<float>& y) {
        return context.download(linear.pseudo_inverse(context.upload(setup.measured(), y), setup.image));
      };
      // Measurements no image has: also where nothing was measured, and without symmetry.
      const std::vector<float> x = random_values(setup.image.size(), 1),
                               z = random_values(setup.image.size(), 2),
                               y = random_values(setup.measured().size(), 3),
                               v = random_values(setup.measured().size(), 4);
      check_close("A A^+ A", forward(inverse(forward(x))), forward(x), 1e-6);
      check_close("A^+ A A^+", inverse(forward(inverse(y))), inverse(y), 1e-6);
      const double scale = std::sqrt(double(y.size()));
      CHECK(std::abs(inner(forward(inverse(y)), v) - inner(y, forward(inverse(v)))) < 1e-5 * scale);
      CHECK(std::abs(inner(inverse(forward(x)), z) - inner(x, inverse(forward(z)))) < 1e-5 * scale);
    }
}

TEST_CASE("MRI: what was not measured is discarded, what was is kept") {
  for (const Device device : backends()) {
    Context context(device, 1, true);
    const Setup& setup = setups[3];
    const auto op = make_operator(context, setup.settings(), setup.data(context));
    const std::vector<float> values = random_values(setup.measured().size(), 1), mask = setup.mask();
    Tensor y = context.upload(setup.measured(), values);
    op->discard_unmeasured(y);
    std::vector<float> expected = values;
    for (std::size_t i = 0; i < expected.size(); ++i) expected[i] *= mask[i % mask.size()];
    check_equal(name(device), context.download(y), expected);
  }
}

TEST_CASE("MRI: a mask by settings is that of the image's size, and images may change") {
  Context context(Device::cpu, 1, true);
  const auto op = make_operator(
      context, {{"name", "mri"}, {"mask", "gaussian2d"}, {"acceleration", 3}, {"centre", 0.2}, {"seed", 7}},
      {});
  for (const auto& [H, W] : {std::pair{12, 17}, {17, 12}, {12, 17}}) {
    const Shape measured{1, 2, H, W};
    Tensor y = context.upload(measured, std::vector<float>(std::size_t(measured.size()), 1.f));
    op->discard_unmeasured(y);
    std::vector<float> expected = sampling_mask(H, W, sampling("gaussian2d", 3, 0.2, 7));
    expected.insert(expected.end(), expected.begin(), expected.end());
    check_equal("mask", context.download(y), std::vector<float>(expected));
  }
}

TEST_CASE("sampling masks: exact counts, the centre, the same for the same seed") {
  for (const std::string& pattern : patterns)
    for (const auto& [H, W] : {std::pair{40, 56}, {33, 29}, {1, 64}, {64, 320}})
      for (const double acceleration : {1.0, 2.0, 4.0, 5.5}) {
        CAPTURE(pattern);
        CAPTURE(W);
        CAPTURE(acceleration);
        const bool planar = pattern.back() == 'd' && pattern[pattern.size() - 2] == '2';
        const std::vector<float> mask = sampling_mask(H, W, sampling(pattern, acceleration, 0.08, 3));
        REQUIRE(mask.size() == std::size_t(H * W));
        const auto at = [&](int h, int w) { return mask[std::size_t(h * W + w)]; };
        int count = 0;
        for (int h = 0; h < (planar ? H : 1); ++h)
          for (int w = 0; w < W; ++w) count += at(h, w) == 1;
        CHECK(count == int(std::lround((planar ? H * W : W) / acceleration)));
        // The middle 8 % of W, and of H, around frequency 0.
        const int wide = int(std::lround(0.08 * W)), high = planar ? int(std::lround(0.08 * H)) : H;
        for (int h = 0; h < H; ++h)
          for (int w = 0; w < W; ++w) {
            CHECK((at(h, w) == 0 || at(h, w) == 1));
            if (!planar) CHECK(at(h, w) == at(0, w));
            if (w >= W / 2 - wide / 2 && w < W / 2 - wide / 2 + wide &&
                (!planar || (h >= H / 2 - high / 2 && h < H / 2 - high / 2 + high)))
              CHECK(at(h, w) == 1);
          }
        CHECK(mask == sampling_mask(H, W, sampling(pattern, acceleration, 0.08, 3)));
        if (acceleration == 4 && W > 29)
          CHECK(mask != sampling_mask(H, W, sampling(pattern, acceleration, 0.08, 9)));
      }
}

TEST_CASE("sampling masks: uniform ones are, Gaussian ones fall off, equispaced ones keep their distance") {
  const int H = 24, W = 48, seeds = 600;
  for (const std::string& pattern : {std::string("uniform1d"), std::string("uniform2d")}) {
    std::vector<int> counts(std::size_t(H * W), 0);
    for (int seed = 0; seed < seeds; ++seed) {
      const std::vector<float> mask = sampling_mask(H, W, sampling(pattern, 4, 0, std::uint64_t(seed)));
      for (std::size_t i = 0; i < mask.size(); ++i) counts[i] += mask[i] == 1;
    }
    // Binomial: 150 of 600, standard deviation 10.6; 1152 entries stay within 5 of them.
    CHECK(*std::min_element(counts.begin(), counts.end()) > 150 - 53);
    CHECK(*std::max_element(counts.begin(), counts.end()) < 150 + 53);
  }
  for (const std::string& pattern : {std::string("gaussian1d"), std::string("gaussian2d")}) {
    double squares_w = 0, squares_h = 0, count = 0;
    for (int seed = 0; seed < seeds; ++seed) {
      const std::vector<float> mask = sampling_mask(H, W, sampling(pattern, 24, 0, std::uint64_t(seed)));
      for (int h = 0; h < H; ++h)
        for (int w = 0; w < W; ++w) {
          if (mask[std::size_t(h * W + w)] == 0) continue;
          squares_w += (w - 24) * (w - 24);
          squares_h += (h - 12) * (h - 12);
          count += 1;
        }
    }
    // So few are drawn that none being drawn twice matters little: a standard deviation of a sixth (cut off
    // at three of them, and a little wider since neighbours are taken).
    CHECK(std::sqrt(squares_w / count) == doctest::Approx(8).epsilon(0.06));
    const double flat = 24 / std::sqrt(12.0);
    CHECK(std::sqrt(squares_h / count) == doctest::Approx(pattern == "gaussian2d" ? 4 : flat).epsilon(0.06));
  }
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const std::vector<float> mask = sampling_mask(1, 320, sampling("equispaced1d", 4, 0.08, seed));
    // 26 of 80 columns are the centre; the 54 others share 294: every 5th or 6th, the centre cut out.
    std::vector<int> places;
    for (int w = 0, outside = 0; w < 320; ++w) {
      if (w >= 147 && w < 173) continue;
      if (mask[std::size_t(w)] == 1) places.push_back(outside);
      ++outside;
    }
    REQUIRE(places.size() == 54);
    CHECK(places.front() < 6);
    for (std::size_t i = 1; i < places.size(); ++i) {
      const int gap = places[i] - places[i - 1];
      CHECK((gap == 5 || gap == 6));
    }
  }
}

TEST_CASE("MRI: what makes no sense is refused by name") {
  Context context(Device::cpu);
  const auto refuses = [](const std::function<void()>& call, const char* text) {
    CHECK_THROWS_WITH_AS(call(), doctest::Contains(text), Error);
  };
  const auto mask = [](const Sampling& s) { return [s] { sampling_mask(10, 20, s); }; };
  refuses(mask(sampling("radial", 4, 0)), "MRI: mask 'radial'; expected uniform1d, gaussian1d, equispaced1d");
  refuses(mask(sampling("uniform1d", 0.5, 0)), "MRI: an acceleration of 0.5; expected 1 or more");
  refuses(mask(sampling("uniform1d", 4, 1.5)), "MRI: a centre of 1.5; expected a fraction");
  refuses(mask(sampling("uniform1d", 4, 0.5)),
          "MRI: a centre of 10 columns is more than the 5 that an acceleration of 4 leaves of 20");
  refuses(mask(sampling("uniform2d", 4, 0.8)), "MRI: a centre of 128 entries is more than the 50");
  refuses(mask(sampling("uniform1d", 100, 0)), "MRI: an acceleration of 100 leaves nothing of 20 columns");

  const auto make = [&](json settings, const OperatorData& data) {
    settings["name"] = "mri";
    return make_operator(context, settings, data);
  };
  const auto floats = [&](Shape s, float value) {
    return context.upload(s, std::vector<float>(std::size_t(s.size()), value));
  };
  const Tensor x = floats({1, 1, 4, 6}, 1);
  OperatorData data;
  data["mask"] = floats({1, 1, 1, 6}, 1);
  refuses([&] { make({{"complex", true}}, data)->forward(x); }, "MRI: a complex image of 1 channels");
  refuses(
      [&] {
        make(json::object(), data)->forward(floats({1, 1, 6, 5}, 1));
      },
      "MRI: a mask of 1x6 entries for images of 6x5");
  data["mask"] = floats({1, 1, 4, 6}, 0.5f);
  refuses([&] { make(json::object(), data)->forward(x); },
          "MRI: the mask holds 0.5; expected zeros and ones");
  data["mask"] = floats({2, 1, 4, 6}, 1);
  refuses([&] { make(json::object(), data); }, "MRI: a mask of shape (2, 1, 4, 6); expected (1, 1, H, W)");
  data["mask"] = {};
  data["sensitivity"] = floats({3, 1, 4, 6}, 1);
  refuses([&] { make(json::object(), data); },
          "MRI: sensitivities of shape (3, 1, 4, 6); expected (coils, 2, H, W)");
  data["sensitivity"] = floats({3, 2, 4, 4}, 1);
  refuses([&] { make(json::object(), data)->forward(x); },
          "MRI: sensitivities of 4x4 pixels for images of 4x6");
  data["sensitivity"] = floats({3, 2, 4, 6}, 1);
  const auto op = make(json::object(), data);
  refuses(
      [&] {
        dynamic_cast<LinearOperator&>(*op).adjoint(x, {1, 1, 4, 6});
      },
      "MRI: measurement (1, 1, 4, 6) for images (1, 1, 4, 6); expected (1, 6, 4, 6)");
}
