// Guidance that replaces what was measured: each step against its definition, on both backends, for batches.
#include "engine/projection.hpp"
#include "engine/guidance_poisson.hpp"
#include "engine/solvers/solver.hpp"

#include "tests/engine/guidance_case.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

/// y[h, w] = 2 x[h, w + 1] - x[h + 1, w], around the edges: of the image's size, and not its own adjoint.
class Skewed : public LinearOperator {
 public:
  explicit Skewed(Context& context) : context_(context) {}
  static Wide skewed(const Wide& x, const Shape& s, bool transposed) {
    Wide y(x.size(), 0.0);
    for (int plane = 0; plane < s.N * s.C; ++plane)
      for (int h = 0; h < s.H; ++h)
        for (int w = 0; w < s.W; ++w) {
          const auto at = [&](int row, int column) {
            return std::size_t((plane * s.H + row % s.H) * s.W + column % s.W);
          };
          for (const auto& [to, weight] : {std::pair(at(h, w + 1), 2.0), {at(h + 1, w), -1.0}})
            (transposed ? y[to] : y[at(h, w)]) += weight * (transposed ? x[at(h, w)] : x[to]);
        }
    return y;
  }
  Shape output_shape(const Shape& s) const override { return s; }
  Tensor apply(const Tensor& x) override { return skew(x, false); }
  Tensor adjoint(const Tensor& y, const Shape&) override { return skew(y, true); }

 private:
  Tensor skew(const Tensor& x, bool transposed) {
    return context_.upload(x.shape(), narrow(skewed(wide(context_.download(x)), x.shape(), transposed)));
  }
  Context& context_;
};

/// The same operator, with its linearity out of sight.
class Hidden : public ImageOperator {
 public:
  explicit Hidden(Context& context) : op_(context) {}
  Shape output_shape(const Shape& s) const override { return op_.output_shape(s); }
  std::unique_ptr<Saved> make_saved() const override { return op_.make_saved(); }
  Tensor forward(const Tensor& x, Saved* saved = nullptr) override { return op_.forward(x, saved); }
  Tensor backward(const Tensor& dy, Saved& saved) override { return op_.backward(dy, saved); }

 private:
  EvenPixels op_;
};

}  // namespace

TEST_CASE("at the last step projection leaves exactly the images that measure y, nothing else changed") {
  for (const Device device : backends()) {
    GuidanceCase c(device, 0);
    const Tensor x = c.context.normal(c.image);
    Step step = c.at(x);
    const std::vector<float> start = random_values(c.image.size(), 5);
    ProjectionGuidance guidance(c.context, "projection", *c.likelihood, Lift::pseudo_inverse);
    const Tensor next = guidance.apply(step, c.context.upload(c.image, start));
    // One rounding of a sum of values below 4.
    check_close("A x = y", c.context.download(c.op.forward(next)), c.context.download(c.y), 1e-6);
    const std::vector<float> got = c.context.download(next);
    for (int i = 0; i < int(got.size()); ++i)
      if (i % 2 == 1 || (i / c.image.W) % 2 == 1) CHECK(got[std::size_t(i)] == start[std::size_t(i)]);
  }
}

TEST_CASE("projection brings the measurement to the noise level of the state it makes") {
  for (const Device device : backends())
    for (const bool stays : {false, true}) {
      GuidanceCase c(device);
      const Shape& s = c.image;
      const std::vector<float> start = random_values(s.size(), 5);
      const Tensor x = c.context.normal(s);
      Step step = c.at(x);
      step.stays = stays;  // a correction, which leaves the noise level as it is
      ProjectionGuidance guidance(c.context, "projection", *c.likelihood, Lift::pseudo_inverse);
      CHECK(!guidance.needs_gradient());
      const Tensor next = guidance.apply(step, c.context.upload(s, start));
      const Wide y = wide(c.context.download(c.y)), from = wide(start);
      const double bar = stays ? c.schedule.alphas_cumprod[3] : c.next_bar();
      const Wide level = c.renoised(y, bar, [&](const Wide& v) { return EvenPixels::kept(v, s); });
      const Wide part = EvenPixels::spread(minus(level, EvenPixels::kept(from, s)), s, 0.5);
      // A few roundings of values below 6.
      check_close("x' + A^+ (y_t - A x')", c.context.download(next), plus(from, part), 1e-6);
      const Wide x0 = wide(c.context.download(step.x0));
      const Wide misfit = squares(minus(y, EvenPixels::kept(x0, s)), s.N);
      for (std::size_t n = 0; n < 2; ++n)
        CHECK(c.context.download(guidance.distance_squared())[n] == doctest::Approx(misfit[n]).epsilon(1e-5));
    }
}

TEST_CASE("the published projection of super-resolution repeats pixels, at the level of the state before") {
  for (const Device device : backends()) {
    GuidanceCase c(device);
    const Shape& s = c.image;
    const std::vector<float> start = random_values(s.size(), 5);
    const Tensor x = c.context.normal(s);
    Step step = c.at(x);
    ProjectionGuidance guidance(c.context, "projection", *c.likelihood, Lift::nearest);
    const Tensor next = guidance.apply(step, c.context.upload(s, start));
    const double bar = c.schedule.alphas_cumprod[3];
    const std::vector<float> y = c.context.download(c.y), n = Recorded::normals(c.measured.size(), 6);
    Wide expected = wide(start);
    const Wide kept = EvenPixels::kept(expected, s);
    for (int i = 0; i < int(expected.size()); ++i) {
      const int plane = i / int(s.plane()), h = i / s.W % s.H, w = i % s.W;
      const std::size_t from = std::size_t((plane * c.measured.H + h / 2) * c.measured.W + w / 2);
      expected[std::size_t(i)] += std::sqrt(bar) * y[from] + std::sqrt(1 - bar) * n[from] - kept[from];
    }
    check_close("published", c.context.download(next), expected, 1e-6);
  }
}

namespace {

/// Cubic interpolation with a = -1/2 (Keys 1981).
double cubic(double d) {
  d = std::abs(d);
  if (d <= 1) return (1.5 * d - 2.5) * d * d + 1;
  return d < 2 ? ((-0.5 * d + 2.5) * d - 4) * d + 2 : 0;
}

/// Planes twice as large along both axes, pixel centres in line, edges mirrored with repetition.
Wide enlarged(const Wide& y, const Shape& s) {
  const auto mirrored = [](int i, int n) { return i < 0 ? -1 - i : i < n ? i : 2 * n - 1 - i; };
  Wide x;
  for (int plane = 0; plane < s.N * s.C; ++plane)
    for (int h = 0; h < 2 * s.H; ++h)
      for (int w = 0; w < 2 * s.W; ++w) {
        double sum = 0;
        for (int i = -2; i < s.H + 2; ++i)
          for (int j = -2; j < s.W + 2; ++j)
            sum += cubic(h / 2.0 - 0.25 - i) * cubic(w / 2.0 - 0.25 - j) *
                   y[std::size_t((plane * s.H + mirrored(i, s.H)) * s.W + mirrored(j, s.W))];
        x.push_back(sum);
      }
  return x;
}

}  // namespace

TEST_CASE("ilvr with a reduction: x' + U y_t - U A x', U the cubic enlargement") {
  for (const Device device : backends()) {
    GuidanceCase c(device);
    const Shape& s = c.image;
    const std::vector<float> start = random_values(s.size(), 5);
    const Tensor x = c.context.normal(s);
    Step step = c.at(x);
    ProjectionGuidance guidance(c.context, "ilvr", *c.likelihood, Lift::low_pass);
    const Tensor next = guidance.apply(step, c.context.upload(s, start));
    const auto kept = [&](const Wide& v) { return EvenPixels::kept(v, s); };
    const Wide level = c.renoised(wide(c.context.download(c.y)), c.next_bar(), kept), from = wide(start);
    const Wide added = enlarged(level, c.measured), removed = enlarged(kept(from), c.measured);
    // Sums of 16 products of values below 6.
    check_close("ilvr", c.context.download(next), plus(minus(from, removed), added), 2e-6);
  }
}

TEST_CASE("ilvr with an operator that keeps the size: x' + A^T (y_t - A x')") {
  for (const Device device : backends()) {
    GuidanceCase c(device);
    const Shape& s = c.image;
    Skewed op(c.context);
    const std::vector<float> start = random_values(s.size(), 5), y = random_values(s.size(), 6);
    const Tensor x = c.context.normal(s);
    Step step = c.at(x);
    Likelihood likelihood(c.context, op, c.context.upload(s, y));
    ProjectionGuidance guidance(c.context, "ilvr", likelihood, Lift::low_pass);
    const Tensor next = guidance.apply(step, c.context.upload(s, start));
    const auto skewed = [&](const Wide& v) { return Skewed::skewed(v, s, false); };
    const Wide from = wide(start), level = c.renoised(wide(y), c.next_bar(), skewed);
    const Wide part = Skewed::skewed(minus(level, skewed(from)), s, true);
    check_close("ilvr", c.context.download(next), plus(from, part), 1e-6);  // a few roundings
  }
}

TEST_CASE("mcg is a gradient step of dps, then the projection of what it gives") {
  for (const Device device : backends()) {
    GuidanceCase c(device);
    const Shape& s = c.image;
    const std::vector<float> start = random_values(s.size(), 5);
    const Tensor x = c.context.upload(s, random_values(s.size(), 2, -2, 2));
    const auto stepped = [&](bool projects, Wide* misfit) {
      Step step = c.at(x);
      DpsGuidance dps(c.context, *c.likelihood, 3);
      McgGuidance mcg(
          std::make_unique<DpsGuidance>(c.context, *c.likelihood, 3),
          std::make_unique<ProjectionGuidance>(c.context, "mcg", *c.likelihood, Lift::pseudo_inverse));
      Guidance& guidance = projects ? static_cast<Guidance&>(mcg) : dps;
      CHECK(guidance.needs_gradient());
      const Tensor next = guidance.apply(step, c.context.upload(s, start));
      *misfit = c.context.download(guidance.distance_squared());
      return c.context.download(next);
    };
    Wide dps_misfit, misfit;
    const Wide moved = wide(stepped(false, &dps_misfit));
    const auto kept = [&](const Wide& v) { return EvenPixels::kept(v, s); };
    const Wide level = c.renoised(wide(c.context.download(c.y)), c.next_bar(), kept);
    const Wide part = EvenPixels::spread(minus(level, kept(moved)), s, 0.5);
    check_close("mcg", stepped(true, &misfit), plus(moved, part), 1e-6);  // a few roundings
    CHECK(misfit == dps_misfit);
  }
}

TEST_CASE("projection with a nonlinear operator, or without a pseudo-inverse, is refused with the reason") {
  GuidanceCase c(Device::cpu);
  Hidden hidden(c.context);
  Likelihood likelihood(c.context, hidden, c.y);
  CHECK_THROWS_WITH_AS(ProjectionGuidance(c.context, "projection", likelihood, Lift::low_pass),
                       doctest::Contains("not linear"), Error);
  for (const char* name : {"projection", "mcg", "ilvr"}) {
    const auto reason = refusal(solver_kind(name), hidden, {}, c.image);
    REQUIRE(reason);
    CHECK(reason->find("linear operator") != std::string::npos);
    CHECK(!refusal(solver_kind(name), c.likelihood->op(), {}, c.image));
  }
  for (const char* name : {"dps", "ps+", "noisy-gradient"})
    CHECK(!refusal(solver_kind(name), hidden, {}, c.image));
  CHECK_THROWS_WITH_AS(solver_kind("guess"), doctest::Contains("not known; expected one of dps, "), Error);
  CHECK_THROWS_WITH_AS(PoissonGuidance(c.context, *c.likelihood, 1), doctest::Contains("must be Poisson"),
                       Error);
}
