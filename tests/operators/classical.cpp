// Wiener's filter and total variation with the operators of tasks: against dense solves in double, and
// against the neighbourhood of what was found.
#include "engine/solvers/classical.hpp"
#include "engine/solvers/wiener.hpp"

#include <cmath>
#include <numbers>

#include "operators/factory.hpp"
#include "operators/inpainting.hpp"
#include "tests/support/support.hpp"

using namespace tweedie;
using namespace tweedie::test;
using nlohmann::json;

namespace {

using Matrix = std::vector<std::vector<double>>;

// The covariance of the spectrum prior between the pixels of one image, from its definition.
Matrix covariance(SpectrumPrior& prior, const Shape& s) {
  const std::vector<double> spectrum = prior.spectrum(s);
  const double l = 1 / std::sqrt(3.0), y = 1 / std::sqrt(6.0), r = 1 / std::sqrt(2.0);
  const double colours[3][3] = {{l, l, l}, {y, y, -2 * y}, {r, -r, 0}};
  const int half = s.W / 2 + 1, pixels = s.H * s.W;
  Matrix C(std::size_t(s.sample()), std::vector<double>(std::size_t(s.sample()), 0.0));
  for (int k = 0; k < s.C; ++k)
    for (int dh = 0; dh < s.H; ++dh)
      for (int dw = 0; dw < s.W; ++dw) {
        double value = 0;
        for (int u = 0; u < s.H; ++u)
          for (int v = 0; v < s.W; ++v) {
            const bool mirrored = v >= half;
            const int a = mirrored ? (s.H - u) % s.H : u, b = mirrored ? s.W - v : v;
            value += spectrum[std::size_t((k * s.H + a) * half + b)] / pixels *
                     std::cos(2 * std::numbers::pi * (double(u * dh) / s.H + double(v * dw) / s.W));
          }
        for (int i = 0; i < s.C; ++i)
          for (int j = 0; j < s.C; ++j)
            for (int h = 0; h < s.H; ++h)
              for (int w = 0; w < s.W; ++w) {
                const int from = (i * s.H + h) * s.W + w;
                const int to = (j * s.H + (h + dh) % s.H) * s.W + (w + dw) % s.W;
                C[std::size_t(from)][std::size_t(to)] +=
                    value * (s.C == 1 ? 1 : colours[k][i] * colours[k][j]);
              }
      }
  return C;
}

// Solves M u = b by elimination with pivoting.
std::vector<double> solved(Matrix M, std::vector<double> b) {
  const std::size_t n = b.size();
  for (std::size_t k = 0; k < n; ++k) {
    std::size_t pivot = k;
    for (std::size_t i = k; i < n; ++i)
      if (std::abs(M[i][k]) > std::abs(M[pivot][k])) pivot = i;
    std::swap(M[k], M[pivot]);
    std::swap(b[k], b[pivot]);
    for (std::size_t i = k + 1; i < n; ++i) {
      const double f = M[i][k] / M[k][k];
      for (std::size_t j = k; j < n; ++j) M[i][j] -= f * M[k][j];
      b[i] -= f * b[k];
    }
  }
  for (std::size_t k = n; k-- > 0;) {
    for (std::size_t j = k + 1; j < n; ++j) b[k] -= M[k][j] * b[j];
    b[k] /= M[k][k];
  }
  return b;
}

// A's rows that measure something, from what it makes of each pixel alone, and which of y's entries they are.
std::pair<Matrix, std::vector<std::size_t>> rows_of(Context& context, LinearOperator& op, const Shape& s) {
  const std::size_t pixels = std::size_t(s.sample()), values = std::size_t(op.output_shape(s).sample());
  Matrix A(values, std::vector<double>(pixels, 0.0));
  for (std::size_t i = 0; i < pixels; ++i) {
    std::vector<float> one(pixels, 0.f);
    one[i] = 1;
    const std::vector<float> column = context.download(op.forward(context.upload(s, one)));
    for (std::size_t j = 0; j < values; ++j) A[j][i] = column[j];
  }
  std::pair<Matrix, std::vector<std::size_t>> kept;
  for (std::size_t j = 0; j < values; ++j)
    for (const double value : A[j])
      if (value != 0) {
        kept.first.push_back(A[j]);
        kept.second.push_back(j);
        break;
      }
  return kept;
}

std::vector<double> dense_wiener(Context& context, LinearOperator& op, SpectrumPrior& prior,
                                 const std::vector<float>& y, const Shape& s, double sigma) {
  const auto [A, entries] = rows_of(context, op, s);
  const Matrix C = covariance(prior, s);
  const std::size_t n = A.size(), pixels = C.size();
  Matrix AC(n, std::vector<double>(pixels, 0.0)), M(n, std::vector<double>(n, 0.0));
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t k = 0; k < pixels; ++k)
      for (std::size_t j = 0; j < pixels; ++j) AC[i][j] += A[i][k] * C[k][j];
  std::vector<double> b, x(pixels, 0.0);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j)
      for (std::size_t k = 0; k < pixels; ++k) M[i][j] += AC[i][k] * A[j][k];
    M[i][i] += sigma * sigma;
    b.push_back(y[entries[i]]);
  }
  const std::vector<double> u = solved(M, b);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < pixels; ++j) x[j] += AC[i][j] * u[i];
  return x;
}

std::unique_ptr<LinearOperator> make(Context& context, const Shape& s, const std::string& name) {
  if (name == "inpainting")
    return std::make_unique<Inpainting>(context,
                                        context.upload({1, 1, s.H, s.W}, random_mask(s.H, s.W, 0.5, 3)));
  const json settings =
      name == "colourisation" ? json{{"name", name}}
      : name == "composed"
          ? json{{"name", name},
                 {"operators",
                  {{{"name", "super_resolution"}, {"scale_factor", 2}}, {{"name", "colourisation"}}}}}
      : name == "ct"  ? json{{"name", name}, {"angles", 5}}
      : name == "mri" ? json{{"name", name}, {"mask", "uniform2d"}, {"acceleration", 2}, {"centre", 0.2}}
      : name == "super_resolution" ? json{{"name", name}, {"scale_factor", 2}}
                                   : json{{"name", name}, {"kernel_size", 7}, {"intensity", 1.5}};
  auto op = make_operator(context, settings, {});
  auto* const linear = dynamic_cast<LinearOperator*>(op.get());
  REQUIRE(linear);
  op.release();
  return std::unique_ptr<LinearOperator>(linear);
}

// Flat patches: the kind of image total variation is made for.
std::vector<float> patches(const Shape& s) {
  std::vector<float> x;
  for (int plane = 0; plane < s.N * s.C; ++plane)
    for (int h = 0; h < s.H; ++h)
      for (int w = 0; w < s.W; ++w)
        x.push_back((h > s.H / 3 && h < s.H - 4 && w > 5 && w < s.W / 2 ? 0.6f : -0.3f) +
                    (w > s.W - 7 + plane ? 0.5f : 0.f));
  return x;
}

double squared_error(const std::vector<float>& x, const std::vector<float>& truth) {
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) sum += std::pow(double(x[i]) - truth[i], 2);
  return sum;
}

}  // namespace

TEST_CASE("Wiener: a dense solve of the normal equations agrees") {
  for (const Device device : backends())
    for (const Shape one : {Shape{1, 1, 7, 6}, Shape{1, 3, 6, 4}})
      for (const char* name :
           {"inpainting", "super_resolution", "gaussian_blur", "colourisation", "composed", "ct", "mri"})
        for (const double sigma : {0.05, 0.0}) {
          // Deconvolution without noise amplifies whatever is rounded: no float can agree about it.
          if (sigma == 0 && std::string(name) == "gaussian_blur") continue;
          const bool gray = std::string(name) == "colourisation" || std::string(name) == "composed";
          if (one.C == 1 && gray) continue;
          const bool of_pictures = std::string(name) != "ct" && std::string(name) != "mri";
          CAPTURE(std::string(name));
          CAPTURE(sigma);
          Context context(device, 1, true);
          SpectrumPrior prior(context);
          const auto op = make(context, one, name);
          const Shape s{2, one.C, one.H, one.W};
          // Two samples, one of a thousandth the size; both with values where nothing is measured.
          const Shape measured = op->output_shape(s);
          std::vector<float> y = random_values(measured.size(), 4);
          for (std::size_t i = 0; i < y.size() / 2; ++i) y[i] *= 1e-3f;
          std::vector<double> expected;
          for (std::int64_t n = 0; n < 2; ++n) {
            const std::vector<float> sample(y.begin() + n * measured.sample(),
                                            y.begin() + (n + 1) * measured.sample());
            const std::vector<double> x = dense_wiener(context, *op, prior, sample, one,
                                                       of_pictures ? sigma : std::max(sigma, least_sigma));
            expected.insert(expected.end(), x.begin(), x.end());
          }
          const Estimate got = wiener(context, *op, prior, context.upload(measured, y), s, sigma);
          CHECK(got.iterations > 1);
          if (gray) CHECK(got.iterations < 30);  // the system that does not mix colours
          CHECK(got.residual.size() == 2);
          // Without noise an image several times as large as its measurement: its rounding is what is left.
          // In image space, of a y that is itself noise, rounding at the strongest mode (S 5000 at most)
          // beside sigma: 6e-8 sqrt(S) / sigma.
          const bool in_images = !of_pictures || std::string(name) == "gaussian_blur";
          const double rounding = 6e-8 * std::sqrt(5000) / std::max(sigma, least_sigma);
          for (const double residual : got.residual)
            CHECK(residual <= (in_images ? std::max(rounding, 1e-6) : sigma > 0 ? 1e-6 : 5e-6));
          const std::vector<float> x = context.download(got.x);
          const std::size_t half = x.size() / 2;
          // What a residual of 1e-6 leaves in the image: more along modes the measurement hardly sees, and
          // with no measured part of its own colour keeps the rounding of S A^T u, whose modes range over
          // 10^6.
          const double tolerance = gray ? 2e-3 : 2e-4;
          check_close("first sample", {x.data(), half}, {expected.data(), half}, tolerance);
          check_close("second sample", {x.data() + half, half}, {expected.data() + half, half}, tolerance);
          CHECK(context.pool.damaged_guards() == 0);
        }
}

TEST_CASE("zero-filled: the pseudo-inverse where there is one, else the adjoint") {
  for (const Device device : backends()) {
    Context context(device);
    const Shape s{2, 3, 12, 8};
    for (const char* name : {"inpainting", "super_resolution", "gaussian_blur"}) {
      const auto op = make(context, s, name);
      const Tensor y = context.upload(op->output_shape(s), random_values(op->output_shape(s).size(), 5));
      const Tensor expected =
          std::string(name) == "gaussian_blur" ? op->adjoint(y, s) : op->pseudo_inverse(y, s);
      check_equal(name, context.download(zero_filled(*op, y, s)), context.download(expected));
    }
  }
}

TEST_CASE("ADMM-TV: nothing near the result is better, and it is nearer the truth than the adjoint") {
  for (const Device device : backends())
    for (const char* name : {"inpainting", "super_resolution", "gaussian_blur"}) {
      CAPTURE(std::string(name));
      Context context(device, 2, true);
      const Shape s{2, 1, 24, 20};
      const auto op = make(context, s, name);
      const std::vector<float> truth = patches(s);
      Tensor y = op->forward(context.upload(s, truth));
      std::vector<float> noisy = context.download(y);
      const std::vector<float> noise = random_values(y.shape().size(), 6, -0.1f, 0.1f);
      for (std::size_t i = 0; i < noisy.size(); ++i) noisy[i] += noise[i];
      y = context.upload(y.shape(), noisy);

      AdmmTvOptions options;
      options.rho = 0.1;
      options.iterations = 3000;
      options.tolerance = 1e-4;
      double first = 0, last = 0;
      const Estimate estimate = admm_tv(context, *op, y, s, options, [&](int k, double residual) {
        if (k == 1) first = residual;
        last = residual;
        return true;
      });
      CHECK(estimate.iterations < 3000);
      CHECK(last <= 1e-4);
      CHECK(first > 100 * last);
      const std::vector<float> x = context.download(estimate.x);
      const std::vector<double> least = tv_objective(context, *op, estimate.x, y, options.lambda);
      // Random directions, one towards the truth and one towards the start: the objective is convex, so that
      // what is not better near by is not better anywhere.
      const std::vector<float> start = context.download(zero_filled(*op, y, s));
      for (unsigned k = 0; k < 8; ++k)
        for (const float step : {0.3f, 0.01f}) {
          const std::vector<float> random = random_values(s.size(), 10 + k);
          std::vector<float> moved = x;
          for (std::size_t i = 0; i < x.size(); ++i)
            moved[i] += step * (k == 0   ? truth[i] - x[i]
                                : k == 1 ? start[i] - x[i]
                                : k == 2 ? 1.f
                                         : random[i]);
          const std::vector<double> there =
              tv_objective(context, *op, context.upload(s, moved), y, options.lambda);
          for (std::size_t n = 0; n < 2; ++n) CHECK(there[n] >= least[n] * (1 - 1e-5));
        }
      CHECK(squared_error(x, truth) < 0.5 * squared_error(start, truth));
      CHECK(admm_tv(context, *op, y, s, options, [](int, double) { return false; }).iterations == 1);
      CHECK(context.pool.damaged_guards() == 0);
    }
}

TEST_CASE("ADMM-TV: the objective is what its formula says") {
  for (const Device device : backends()) {
    Context context(device);
    const Shape s{2, 3, 5, 4};
    const auto op = make(context, s, "inpainting");
    const std::vector<float> x = random_values(s.size(), 7), y = random_values(s.size(), 8);
    const std::vector<float> mask = context.download(static_cast<Inpainting&>(*op).mask());
    const std::vector<double> got =
        tv_objective(context, *op, context.upload(s, x), context.upload(s, y), 0.3);
    for (std::size_t n = 0; n < 2; ++n) {
      double expected = 0;
      for (int c = 0; c < 3; ++c)
        for (int h = 0; h < 5; ++h)
          for (int w = 0; w < 4; ++w) {
            const std::size_t i = n * 60 + std::size_t(c * 20 + h * 4 + w);
            const double dh = h < 4 ? double(x[i + 4]) - x[i] : 0, dw = w < 3 ? double(x[i + 1]) - x[i] : 0;
            expected += mask[std::size_t(h * 4 + w)] * std::pow(double(y[i]) - x[i], 2) / 2 +
                        0.3 * std::hypot(dh, dw);
          }
      CHECK(got[n] == doctest::Approx(expected).epsilon(1e-6));
    }
  }
}
