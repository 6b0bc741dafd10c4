// What operators compute, against loops in double written from their definitions.
#include "operators/composed.hpp"
#include "operators/factory.hpp"
#include "operators/inpainting.hpp"
#include "operators/separable.hpp"
#include "tests/support/support.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

// Sums of up to a few hundred products, each rounded to 24 bits: measured 3e-7 at most.
constexpr double rounding = 1e-6;
constexpr Shape shape{2, 3, 33, 46};

using Pixel = std::function<double(int n, int c, int h, int w)>;

std::vector<double> image(Shape s, const Pixel& at) {
  std::vector<double> values;
  for (int n = 0; n < s.N; ++n)
    for (int c = 0; c < s.C; ++c)
      for (int h = 0; h < s.H; ++h)
        for (int w = 0; w < s.W; ++w) values.push_back(at(n, c, h, w));
  return values;
}

struct Input {
  std::vector<float> values = random_values(shape.size(), 5);
  double operator()(int n, int c, int h, int w) const {
    return values[std::size_t(View<const float>(values.data(), shape).offset(n, c, h, w))];
  }
};

void check_forward(const nlohmann::json& settings, Shape measured, const Pixel& expected) {
  const Input x;
  for (const Device device : backends()) {
    CAPTURE(std::string(name(device)));
    Context context(device, 1, true);
    {
      const auto op = make_operator(context, settings, {});
      CHECK(op->output_shape(shape) == measured);
      const Tensor y = op->forward(context.upload(shape, x.values));
      REQUIRE(y.shape() == measured);
      check_close(settings.dump(), context.download(y), image(measured, expected), rounding);
    }
    CHECK(context.pool.damaged_guards() == 0);
  }
}

// scipy.ndimage.gaussian_filter1d of a unit impulse: a Gaussian of radius int(4 sigma + 1/2), normalised,
// applied to the impulse mirrored at both ends with the edge repeated.
std::vector<double> filtered_impulse(int size, double sigma) {
  std::vector<double> impulse(std::size_t(size), 0.0), padded;
  impulse[std::size_t(size / 2)] = 1;
  for (int copy = -3; copy <= 3; ++copy)
    if (copy % 2 == 0)
      padded.insert(padded.end(), impulse.begin(), impulse.end());
    else
      padded.insert(padded.end(), impulse.rbegin(), impulse.rend());
  const int radius = int(4 * sigma + 0.5);
  REQUIRE(radius <= 3 * size);
  double total = 0;
  for (int k = -radius; k <= radius; ++k) total += std::exp(-k * k / (2 * sigma * sigma));
  std::vector<double> result;
  for (int i = 0; i < size; ++i) {
    double sum = 0;
    for (int k = -radius; k <= radius; ++k)
      sum += std::exp(-k * k / (2 * sigma * sigma)) / total * padded[std::size_t(3 * size + i + k)];
    result.push_back(sum);
  }
  return result;
}

// MATLAB's bicubic kernel (Keys 1981, a = -1/2).
double cubic(double t) {
  t = std::abs(t);
  if (t < 1) return (1.5 * t - 2.5) * t * t + 1;
  if (t < 2) return ((-0.5 * t + 2.5) * t - 4) * t + 2;
  return 0;
}

// One axis of a reduction by `factor`: weights of all input pixels of result o. The results' centres are
// spread evenly about the middle of the input; the kernel is as wide as the factor asks; outside, the input
// is mirrored with its edge repeated.
std::vector<double> bicubic_weights(int pixels, int factor, int o) {
  const int results = (pixels + factor - 1) / factor;
  const double centre = (pixels - 1) / 2.0 + (o - (results - 1) / 2.0) * factor;
  std::vector<double> weights(std::size_t(pixels), 0.0);
  double total = 0;
  for (int i = -pixels; i < 2 * pixels; ++i) {
    const double weight = cubic((i - centre) / factor);
    weights[std::size_t(i < 0 ? -1 - i : i >= pixels ? 2 * pixels - 1 - i : i)] += weight;
    total += weight;
  }
  for (double& weight : weights) weight /= total;
  return weights;
}

double applied(const SparseRows& m, int row, const std::vector<double>& x) {
  double sum = 0;
  for (int k = m.start[std::size_t(row)]; k < m.start[std::size_t(row) + 1]; ++k)
    sum += m.weight[std::size_t(k)] * x[std::size_t(m.index[std::size_t(k)])];
  return sum;
}

}  // namespace

TEST_CASE("Gaussian taps are scipy's filtered impulse, narrow and cut off") {
  for (const auto& [size, sigma] : {std::pair{61, 3.0}, {9, 1.7}, {5, 3.0}, {3, 2.0}}) {
    CAPTURE(size);
    CAPTURE(sigma);
    const std::vector<double> taps = gaussian_taps(size, sigma), expected = filtered_impulse(size, sigma);
    REQUIRE(taps.size() == expected.size());
    double sum = 0;
    for (std::size_t i = 0; i < taps.size(); ++i) {
      CHECK(taps[i] == doctest::Approx(expected[i]).epsilon(1e-14));
      sum += taps[i];
    }
    CHECK(sum == doctest::Approx(1).epsilon(1e-14));
  }
}

TEST_CASE("Gaussian blur is the 2-D correlation, mirrored without repeating the edge, or circular") {
  const int size = 11, radius = 5;
  const std::vector<double> taps = filtered_impulse(size, 1.7);
  const Input x;
  const auto mirrored = [](int i, int n) { return i < 0 ? -i : i >= n ? 2 * n - 2 - i : i; };
  const auto wrapped = [](int i, int n) { return (i + n) % n; };
  const auto blurred = [&](auto&& fold_index) {
    return [&, fold_index](int n, int c, int h, int w) {
      double sum = 0;
      for (int i = 0; i < size; ++i)
        for (int j = 0; j < size; ++j)
          sum += taps[std::size_t(i)] * taps[std::size_t(j)] *
                 x(n, c, fold_index(h + i - radius, shape.H), fold_index(w + j - radius, shape.W));
      return sum;
    };
  };
  nlohmann::json settings{{"name", "gaussian_blur"}, {"kernel_size", size}, {"intensity", 1.7}};
  check_forward(settings, shape, blurred(mirrored));
  settings["boundary"] = "circular";
  check_forward(settings, shape, blurred(wrapped));
}

TEST_CASE("super-resolution is the bicubic reduction of MATLAB, for sizes that divide and that do not") {
  const Input x;
  for (const int factor : {1, 2, 3, 4}) {
    const Shape measured{shape.N, shape.C, (shape.H + factor - 1) / factor, (shape.W + factor - 1) / factor};
    std::vector<std::vector<double>> along_h, along_w;
    for (int o = 0; o < measured.H; ++o) along_h.push_back(bicubic_weights(shape.H, factor, o));
    for (int o = 0; o < measured.W; ++o) along_w.push_back(bicubic_weights(shape.W, factor, o));
    check_forward({{"name", "super_resolution"}, {"scale_factor", factor}}, measured,
                  [&](int n, int c, int h, int w) {
                    double sum = 0;
                    for (int i = 0; i < shape.H; ++i)
                      for (int j = 0; j < shape.W; ++j)
                        sum += along_h[std::size_t(h)][std::size_t(i)] *
                               along_w[std::size_t(w)][std::size_t(j)] * x(n, c, i, j);
                    return sum;
                  });
  }
}

TEST_CASE("bicubic rows sum to 1, and keep a ramp where no edge is near") {
  for (const int factor : {1, 2, 3, 4, 8}) {
    CAPTURE(factor);
    const int pixels = 96;
    const SparseRows m = bicubic_rows(pixels, factor);
    REQUIRE(m.rows == pixels / factor);
    std::vector<double> ramp;
    for (int i = 0; i < pixels; ++i) ramp.push_back(0.25 * i - 3);
    for (int o = 0; o < m.rows; ++o) {
      CAPTURE(o);
      // Weights are stored as floats, 24 bits each.
      CHECK(applied(m, o, std::vector<double>(std::size_t(pixels), 1.0)) == doctest::Approx(1).epsilon(1e-6));
      const double centre = factor * (o + 0.5) - 0.5;
      if (centre - 2 * factor < 0 || centre + 2 * factor > pixels - 1) continue;
      CHECK(applied(m, o, ramp) == doctest::Approx(0.25 * centre - 3).epsilon(1e-5));
    }
  }
}

TEST_CASE("average pooling, crop, and one after the other") {
  const Input x;
  const Shape even{2, 3, 33 / 3, 45 / 3};
  for (const Device device : backends()) {
    CAPTURE(std::string(name(device)));
    Context context(device, 1, true);
    {
      Composed op(
          make_crop(context, 33, 45),
          make_operator(context, {{"name", "super_resolution"}, {"scale_factor", 3}, {"kernel", "average"}},
                        {}));
      CHECK(op.output_shape(shape) == even);
      const std::vector<float> y = context.download(op.forward(context.upload(shape, x.values)));
      const auto mean = [&](int n, int c, int h, int w) {
        double sum = 0;
        for (int i = 0; i < 3; ++i)
          for (int j = 0; j < 3; ++j) sum += x(n, c, 3 * h + i, 3 * w + j) / 9;
        return sum;
      };
      check_close("mean of a crop", y, image(even, mean), rounding);
      const auto crop = make_crop(context, 20, 31);
      check_close("crop", context.download(crop->forward(context.upload(shape, x.values))),
                  image({2, 3, 20, 31}, x), 0);
      CHECK_THROWS_WITH_AS(make_crop(context, 34, 20)->output_shape(shape), doctest::Contains("34 of 33"),
                           Error);
    }
    CHECK(context.pool.damaged_guards() == 0);
  }
}

TEST_CASE("inpainting multiplies by its mask; the identity copies") {
  const Input x;
  std::vector<float> mask = random_values(shape.plane(), 4);
  for (float& m : mask) m = m > 0 ? 1.f : 0.f;
  for (const Device device : backends()) {
    CAPTURE(std::string(name(device)));
    Context context(device, 1, true);
    const Tensor input = context.upload(shape, x.values);
    OperatorData data;
    data["mask"] = context.upload({1, 1, shape.H, shape.W}, mask);
    const auto inpainting = make_operator(context, {{"name", "inpainting"}}, data);
    check_close("masked", context.download(inpainting->forward(input)),
                image(shape, [&](int n, int c, int h,
                                 int w) { return mask[std::size_t(h * shape.W + w)] * x(n, c, h, w); }),
                0);
    Tensor y = context.upload(shape, x.values);
    inpainting->discard_unmeasured(y);
    check_equal("discarded", context.download(y), context.download(inpainting->forward(input)));
    for (const char* identity : {"noise", "identity"})
      check_equal(identity,
                  context.download(make_operator(context, {{"name", identity}}, {})->forward(input)),
                  x.values);
    CHECK_THROWS_WITH_AS(inpainting->forward(context.planar({1, 3, 20, 46})),
                         doctest::Contains("a mask of 33x46 pixels for images of 20x46"), Error);
    CHECK(context.pool.damaged_guards() == 0);
  }
}

TEST_CASE("colourisation measures luma; its pseudo-inverse is the smallest colour image of that gray") {
  const Input x;
  const double w[3] = {0.299, 0.587, 0.114}, squared = w[0] * w[0] + w[1] * w[1] + w[2] * w[2];
  const Pixel gray = [&](int n, int, int h, int v) {
    return w[0] * x(n, 0, h, v) + w[1] * x(n, 1, h, v) + w[2] * x(n, 2, h, v);
  };
  const Shape measured{shape.N, 1, shape.H, shape.W};
  check_forward({{"name", "colourisation"}}, measured, gray);
  for (const Device device : backends()) {
    Context context(device, 1, true);
    const auto op = make_operator(context, {{"name", "colourisation"}}, {});
    auto& linear = dynamic_cast<LinearOperator&>(*op);
    const Tensor y = linear.forward(context.upload(shape, x.values));
    check_close("pseudo-inverse", context.download(linear.pseudo_inverse(y, shape)),
                image(shape, [&](int n, int c, int h, int v) { return w[c] * gray(n, 0, h, v) / squared; }),
                rounding);
    CHECK_THROWS_WITH_AS(linear.output_shape({1, 1, 4, 4}), doctest::Contains("channels"), Error);
  }
}

TEST_CASE("a composed operator is one after the other, linear where both are") {
  Context context(Device::cpu);
  const nlohmann::json blur{{"name", "gaussian_blur"}, {"kernel_size", 9}, {"intensity", 1.5}},
      smaller{{"name", "super_resolution"}, {"scale_factor", 2}},
      magnitude{{"name", "phase_retrieval"}, {"oversample", 2}};
  const auto x = context.upload(shape, Input().values);
  for (const bool linear : {true, false}) {
    const nlohmann::json last = linear ? smaller : magnitude;
    const auto op = make_operator(context, {{"name", "composed"}, {"operators", {blur, last}}}, {});
    const auto first = make_operator(context, blur, {}), second = make_operator(context, last, {});
    CHECK((as_linear(*op) != nullptr) == linear);
    check_equal("composed", context.download(op->forward(x)),
                context.download(second->forward(first->forward(x))));
  }
  CHECK_THROWS_WITH_AS(
      make_operator(context, {{"name", "composed"}, {"operators", nlohmann::json::array()}}, {}),
      doctest::Contains("empty"), Error);
}
