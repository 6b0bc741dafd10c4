// Guidance beside plain DPS: each step against its definition, on both backends, for batches.
#include "engine/projection.hpp"

#include "engine/guidance_poisson.hpp"
#include "engine/spectrum_prior.hpp"
#include "kernels/elementwise.hpp"
#include "tests/support/support.hpp"

using namespace tweedie;

namespace {

/// y = the even pixels along both axes, doubled: A^+ = A^T / 4.
class EvenPixels : public LinearOperator {
 public:
  explicit EvenPixels(Context& context) : context_(context) {}
  Shape output_shape(const Shape& s) const override { return {s.N, s.C, s.H / 2, s.W / 2}; }
  Tensor forward(const Tensor& x) override {
    const Shape s = x.shape(), m = output_shape(s);
    const std::vector<float> from = context_.download(x);
    std::vector<float> to;
    for (int plane = 0; plane < m.N * m.C; ++plane)
      for (int h = 0; h < m.H; ++h)
        for (int w = 0; w < m.W; ++w)
          to.push_back(2 * from[std::size_t((plane * s.H + 2 * h) * s.W + 2 * w)]);
    return context_.upload(m, to);
  }
  Tensor adjoint(const Tensor& y, const Shape& s) override { return spread(y, s, 2.f); }
  bool has_pseudo_inverse() const override { return true; }
  Tensor pseudo_inverse(const Tensor& y, const Shape& s) override { return spread(y, s, 0.5f); }

 private:
  Tensor spread(const Tensor& y, const Shape& s, float factor) {
    const Shape m = y.shape();
    const std::vector<float> from = context_.download(y);
    std::vector<float> to(std::size_t(s.size()), 0.f);
    for (int plane = 0; plane < m.N * m.C; ++plane)
      for (int h = 0; h < m.H; ++h)
        for (int w = 0; w < m.W; ++w)
          to[std::size_t((plane * s.H + 2 * h) * s.W + 2 * w)] =
              factor * from[std::size_t((plane * m.H + h) * m.W + w)];
    return context_.upload(s, to);
  }
  Context& context_;
};

/// The same operator, with its linearity out of sight.
class Hidden : public ForwardOperator {
 public:
  explicit Hidden(Context& context) : op_(context) {}
  Shape output_shape(const Shape& s) const override { return op_.output_shape(s); }
  Tensor forward(const Tensor& x) override { return op_.forward(x); }
  Vjp<Tensor> vjp(const Tensor& x) override { return op_.vjp(x); }

 private:
  EvenPixels op_;
};

struct Case {
  explicit Case(Device device, int steps_left = 3)
      : context(device, 9), prior(context), op(context), noise(context), index(steps_left) {
    y = context.upload(measured, test::random_values(measured.size(), 1));
  }
  Step at(const Tensor& x) {
    Step step(context, schedule, options, noise, index, 9 - index, x);
    step.denoise(prior, true);
    return step;
  }
  Context context;
  SpectrumPrior prior;
  EvenPixels op;
  ContextNoise noise;
  int index;
  const Schedule schedule = make_schedule("linear", 1000, "10");
  const SamplerOptions options{Method::ddpm, Variance::fixed_small, 0, true};
  const Shape image{2, 3, 6, 8}, measured{2, 3, 3, 4};
  Tensor y;
};

}  // namespace

TEST_CASE("at the last step projection leaves exactly the images that measure y, nothing else changed") {
  for (const Device device : test::backends()) {
    Case c(device, 0);
    const Tensor x = c.context.normal(c.image);
    Step step = c.at(x);
    const std::vector<float> start = test::random_values(c.image.size(), 5);
    const auto guidance = make_guidance(c.context, {"projection"}, c.op, c.y);
    const Tensor next = guidance->apply(step, c.context.upload(c.image, start));
    // One rounding of a sum of values below 4.
    test::check_close("A x = y", c.context.download(c.op.forward(next)), c.context.download(c.y), 1e-6);
    const std::vector<float> got = c.context.download(next);
    for (int i = 0; i < int(got.size()); ++i)
      if (i % 2 == 1 || (i / c.image.W) % 2 == 1) CHECK(got[std::size_t(i)] == start[std::size_t(i)]);
  }
}

TEST_CASE("projection with a nonlinear operator, or without a pseudo-inverse, is refused with the reason") {
  Case c(Device::cpu);
  Hidden hidden(c.context);
  for (const char* name : {"projection", "mcg", "ilvr"})
    CHECK_THROWS_WITH_AS(make_guidance(c.context, {name}, hidden, c.y), doctest::Contains("not linear"),
                         Error);
  CHECK_THROWS_WITH_AS(make_guidance(c.context, {"guess"}, c.op, c.y), doctest::Contains("not known"), Error);
  CHECK_THROWS_WITH_AS(make_guidance(c.context, {"dps-poisson"}, c.op, c.y),
                       doctest::Contains("must be Poisson"), Error);
}

TEST_CASE("the Poisson step is zeta times the gradient of the weighted misfit, for each sample") {
  for (const Device device : test::backends()) {
    Case c(device);
    const std::vector<float> x = test::random_values(c.image.size(), 2, -2, 2);
    const auto step_at = [&](const std::vector<float>& at, std::vector<double>* misfit) {
      const Tensor state = c.context.upload(c.image, at);
      Step step = c.at(state);
      PoissonGuidance guidance(c.context, c.op, c.y, 0.5, 0.1);
      Tensor zero = c.context.planar(c.image);
      fill(c.context.queue, zero, 0);
      const Tensor next = guidance.apply(step, std::move(zero));
      if (misfit) *misfit = c.context.download(guidance.distance_squared());
      return c.context.download(next);
    };
    std::vector<double> misfit;
    const std::vector<float> moved = step_at(x, &misfit);
    {  // r' Lambda r by its definition, in photons
      const Tensor state = c.context.upload(c.image, x);
      Step step = c.at(state);
      const std::vector<float> a = c.context.download(c.op.forward(step.x0)), y = c.context.download(c.y);
      double sum = 0;
      for (std::size_t i = 0; i < a.size() / 2; ++i) {
        const double counted = 12.75 * (double(y[i]) + 1), expected = 12.75 * (double(a[i]) + 1);
        sum += (counted - expected) * (counted - expected) / (2 * std::max(counted, 1.0));
      }
      CHECK(misfit[0] == doctest::Approx(sum).epsilon(1e-5));
    }
    for (const std::size_t pixel : {std::size_t(144), std::size_t(200), std::size_t(287)}) {
      const double h = 1e-2;
      std::vector<float> up = x, down = x;
      up[pixel] += float(h);
      down[pixel] -= float(h);
      std::vector<double> high, low;
      step_at(up, &high);
      step_at(down, &low);
      const double gradient = (std::sqrt(high[1]) - std::sqrt(low[1])) / (2 * h);
      // Curvature and clipped pixels that cross within h.
      CHECK(moved[pixel] == doctest::Approx(-0.5 * gradient).epsilon(0.02).scale(0.1));
    }
  }
}
