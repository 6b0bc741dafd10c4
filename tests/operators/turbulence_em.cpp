// Seeing through turbulent air: the moving operator, displacements by proximal steps, the walks.
#include "operators/turbulence_em.hpp"

#include <array>
#include <cmath>

#include "engine/solvers/conjugate_gradients.hpp"
#include "engine/spectrum_prior.hpp"
#include "kernels/elementwise.hpp"
#include "operators/blind.hpp"
#include "operators/moving_turbulence.hpp"
#include "operators/turbulence.hpp"
#include "tests/operators/unknowns.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

using Values = std::vector<float>;

/// A prior of displacements that are all alike: estimates are `share` of what it is given.
class Shrinking : public Denoiser {
 public:
  Shrinking(Context& context, double share) : context_(context), share_(share) {}
  std::unique_ptr<Saved> make_saved() const override { return std::make_unique<Saved>(); }
  Prediction forward(const Tensor& x, const NoiseLevel& level, Saved*) override {
    bars.push_back(level.alphas_cumprod);
    // x0 = (x - sqrt(1 - bar) eps) / sqrt(bar) is to be share x / sqrt(bar).
    Tensor eps = context_.planar(x.shape());
    axpby(context_.queue, eps, float((1 - share_) / std::sqrt(1 - level.alphas_cumprod)), x, 0.f, x);
    return {std::move(eps), {}};
  }
  Tensor backward(const Tensor&, Saved&) override { throw Error("no way back"); }
  bool learns_variance() const override { return false; }
  std::vector<double> bars;

 private:
  Context& context_;
  double share_;
};

/// A smooth picture through smooth displacements of about half a pixel, blurred, with noise of 0.01.
struct Scene {
  explicit Scene(Device device)
      : context(device, 3), prior(context), noise(context), op(context, Padding::circular) {
    const Schedule fine = make_schedule("linear", 1000, "50");
    const SamplerOptions options{Method::ddpm, Variance::fixed_small, 0, false};
    image = sample(context, prior, fine, options, context.normal(shape), nullptr, noise);
    kernel = context.upload({1, 1, 9, 9}, gaussian_kernel(9, 1.2));
    Values field;
    for (int c = 0; c < 2; ++c)
      for (int i = 0; i < shape.H; ++i)
        for (int j = 0; j < shape.W; ++j)
          field.push_back(0.7f * std::sin(0.4f * float(i) + float(c)) * std::cos(0.3f * float(j)));
    tilt = context.upload({1, 2, shape.H, shape.W}, field);
    y = op.forward(std::array{image, kernel, tilt});
    axpby(context.queue, y, 1.f, y, 0.01f, context.normal(shape));
  }
  Tensor zero() {
    Tensor still = context.planar(tilt.shape());
    fill(context.queue, still, 0);
    return still;
  }
  double misfit(const Tensor& x, const Tensor& phi) {
    const Values at = context.download(op.forward(std::array{x, kernel, phi})), of_y = context.download(y);
    double sum = 0;
    for (std::size_t i = 0; i < at.size(); ++i) sum += std::pow(double(at[i]) - of_y[i], 2);
    return std::sqrt(sum / double(at.size()));
  }
  double error(const Tensor& phi) {
    const Values found = context.download(phi), truth = context.download(tilt);
    double sum = 0;
    for (std::size_t i = 0; i < found.size(); ++i) sum += std::pow(double(found[i]) - truth[i], 2);
    return std::sqrt(sum / double(found.size()));
  }
  static constexpr Shape shape{1, 3, 32, 40};
  Context context;
  SpectrumPrior prior;
  ContextNoise noise;
  Turbulence op;
  Tensor image, kernel, tilt, y;
};

}  // namespace

TEST_CASE("moving turbulence is turbulence of joined edges, has its adjoint and solves its dual system") {
  for (const Device device : backends()) {
    CAPTURE(std::string(name(device)));
    Scene s(device);
    Context& context = s.context;
    MovingTurbulence op(context, Scene::shape, s.kernel, s.zero());
    const Values x = random_values(Scene::shape.size(), 1), v = random_values(Scene::shape.size(), 2);
    const auto dot = [](const Values& a, const Values& b) {
      double sum = 0;
      for (std::size_t i = 0; i < a.size(); ++i) sum += double(a[i]) * b[i];
      return sum;
    };
    for (const bool moved : {false, true}) {
      if (moved) op.set_tilt(s.tilt);
      const Tensor at = context.upload(Scene::shape, x), dy = context.upload(Scene::shape, v);
      const Values y = context.download(op.apply(at));
      check_close("the same operator", y, context.download(s.op.forward(std::array{at, s.kernel, op.tilt()})),
                  1e-6);
      CHECK(dot(y, v) ==
            doctest::Approx(dot(x, context.download(op.adjoint(dy, Scene::shape)))).epsilon(1e-5));
      // What is left of v is measured in the norm of the blur's inverse, of condition r2 / s2.
      const double r2 = 0.3, s2 = 0.01;
      Tensor w = op.own_dual_solve(dy, Scene::shape, r2, s2);
      Tensor Mw = op.apply(op.adjoint(w, Scene::shape));
      axpby(context.queue, Mw, float(r2), Mw, float(s2), w);
      check_close("the dual system", context.download(Mw), v, 1e-4 * std::sqrt(1 + r2 / s2));
    }
  }
}

TEST_CASE(
    "displacements: a step goes up the likelihood of what is left, then to what the prior makes of it") {
  for (const Device device : backends()) {
    CAPTURE(std::string(name(device)));
    Scene s(device);
    Context& context = s.context;
    Shrinking prior(context, 0.9);
    const double sigma = 0.05, step = 0.3, r2 = 0.2, s2 = step * sigma * sigma;
    TiltSearch map(context, prior, make_schedule("linear", 1000),
                   {.sigma = sigma, .step = step, .iterations = 1});
    Values half = context.download(s.tilt);
    for (float& d : half) d *= 0.5f;
    const Tensor at = context.upload(s.tilt.shape(), half);
    MovingTurbulence op(context, Scene::shape, s.kernel, at);
    map.update(op, s.image, r2, s.y);
    const Values found = context.download(op.tilt());
    // The gradient by the operator that its own test holds to differences, the system by plain iterations.
    const auto saved = s.op.make_saved();
    Tensor residual = s.op.forward(std::array{s.image, s.kernel, at}, saved.get()), gradient, w;
    axpby(context.queue, residual, 1.f, s.y, -1.f, residual);
    op.set_tilt(at);
    const auto M = [&](const Tensor& v) {
      Tensor Mv = op.apply(op.adjoint(v, Scene::shape));
      axpby(context.queue, Mv, float(r2), Mv, float(sigma * sigma), v);
      return Mv;
    };
    conjugate_gradients(context, w, M, residual, 1e-6, 500);
    s.op.backward(std::array<Tensor*, 3>{nullptr, nullptr, &gradient}, w, *saved);
    const Values g = context.download(gradient);
    Values expected;
    for (std::size_t i = 0; i < half.size(); ++i) expected.push_back(0.9f * (half[i] + float(s2) * g[i]));
    // The system is solved to 1e-4 in the norm of the blur's inverse, of condition r2 / sigma^2 = 80.
    check_close("a step", found, expected, 1e-3);
    REQUIRE(prior.bars.size() == 1);
    CHECK(prior.bars[0] == doctest::Approx(1 / (1 + s2)));
  }
  Context context(Device::cpu, 1);
  Shrinking prior(context, 1);
  CHECK_THROWS_WITH_AS(TiltSearch(context, prior, make_schedule("linear", 1000), {.step = 0}),
                       doctest::Contains("steps of 0"), Error);
}

TEST_CASE("displacements of a picture that is known are found") {
  Scene s(Device::cpu);
  Shrinking prior(s.context, 1);  // no prior at all
  TiltSearch map(s.context, prior, make_schedule("linear", 1000),
                 {.sigma = 0.01, .step = 1.5, .iterations = 1000});
  MovingTurbulence op(s.context, Scene::shape, s.kernel, s.zero());
  map.update(op, s.image, 0, s.y);
  CHECK(s.misfit(s.image, s.zero()) > 0.02);
  CHECK(s.misfit(s.image, op.tilt()) < 0.0105);          // of 0.01 of noise
  CHECK(s.error(op.tilt()) < 0.95 * s.error(s.zero()));  // the blur hides most of them
}

TEST_CASE("turbulence EM: displacements follow the walks of all rounds, the last one keeps them") {
  Scene s(Device::cpu);
  Shrinking prior(s.context, 0.999);
  const Schedule schedule = make_schedule("linear", 1000, "8");
  const auto run = [&](TiltSearch* map, int rounds) {
    s.context.start_stream(7);
    int steps = 0;
    TurbulenceEmResult result =
        turbulence_em(s.context, solver_kind("pigdm"), s.prior, schedule, s.kernel, s.y, 0.01, rounds, map,
                      s.noise, [&](int executed, const Solver&) { CHECK(executed == steps++); });
    CHECK(steps == 8 * (map ? rounds + 1 : 1));
    return result;
  };
  const TurbulenceEmResult still = run(nullptr, 2);
  CHECK(s.context.download(still.tilt) == s.context.download(s.zero()));
  TiltSearch map(s.context, prior, make_schedule("linear", 1000),
                 {.sigma = 0.01, .step = 0.3, .iterations = 10});
  prior.bars.clear();
  const TurbulenceEmResult moved = run(&map, 2);
  CHECK(prior.bars.size() == 2 * 8 * 10);
  CHECK(s.context.download(moved.tilt) != s.context.download(s.zero()));
  CHECK(moved.image.shape() == Scene::shape);
  // The last walk is with the displacements found: by the same draws, another image than without them.
  CHECK(s.context.download(moved.image) != s.context.download(still.image));
}
