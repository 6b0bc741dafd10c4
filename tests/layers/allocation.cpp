// From the second sampler step on, nothing is allocated any more: a program of its own, as it replaces
// malloc.
#include <cstdio>
#include <cstdlib>

#include "engine/chart.hpp"
#include "engine/guidance.hpp"
#include "engine/joint.hpp"
#include "engine/solvers/solver.hpp"
#include "engine/spectrum_prior.hpp"
#include "operators/blind.hpp"
#include "operators/factory.hpp"
#include "operators/fast_em.hpp"
#include "operators/inpainting.hpp"
#include "tests/layers/allocation_count.hpp"
#include "tests/layers/small_unets.hpp"

using namespace tweedie;
using namespace tweedie::test;

namespace {

// Keeps the compiler from leaving an allocation out.
void* kept(void* p) {
  asm volatile("" : "+r"(p));
  return p;
}

constexpr int steps = 7;
constexpr Shape image{1, 3, 16, 24};

std::unique_ptr<ForwardOperator> make(Context& context, const nlohmann::json& settings) {
  OperatorData data;
  data["mask"] = context.upload({1, 1, image.H, image.W}, random_mask(image.H, image.W, 0.5, 3));
  return make_operator(context, settings, data);
}

const nlohmann::json inpainting{{"name", "inpainting"}};
const nlohmann::json gaussian_blur{{"name", "gaussian_blur"}, {"kernel_size", 9}, {"intensity", 2.0}};
const nlohmann::json super_resolution{{"name", "super_resolution"}, {"scale_factor", 2}};

struct Counts {
  Allocations ours;        ///< by this project's code, from the end of the first step to the end of the last
  std::size_t driver = 0;  ///< of device memory, in the same time
};

Counts count_after_first_step(Context& context, Denoiser& denoiser, Guidance* guidance, Method method) {
  const Schedule schedule = make_schedule("linear", 1000, std::to_string(steps));
  SamplerOptions options;
  options.method = method;
  options.eta = method == Method::ddim ? 0.5 : 0.0;
  options.variance = denoiser.learns_variance() ? Variance::learned_range : Variance::fixed_small;
  ContextNoise noise(context);
  Tensor x = context.normal(image);
  std::size_t before = 0, after = 0;
  // Nothing here may allocate: the observer fits into std::function's own buffer.
  struct Marks {
    MemoryMeter& meter;
    std::size_t &before, &after;
  } marks{context.queue.meter(), before, after};
  const Observer observer = [&marks](const Step& step, const Tensor&) {
    if (step.executed == 0) {
      marks.before = marks.meter.calls;
      start_counting();
    }
    if (step.executed == steps - 1) {
      stop_counting();
      marks.after = marks.meter.calls;
    }
    return true;
  };
  sample(context, denoiser, schedule, options, std::move(x), guidance, noise, observer);
  return {counted(), after - before};
}

constexpr Method methods[] = {Method::ddpm, Method::ddim,     Method::sde,    Method::ode,
                              Method::pc,   Method::langevin, Method::dpmpp2, Method::dpmpp3};

/// What a run of a solver allocates after its first step.
Counts count_solver(Context& context, Denoiser& denoiser, Likelihood& likelihood, const SolverKind& kind,
                    Settings settings) {
  const Schedule schedule = make_schedule("linear", 1000, std::to_string(steps));
  ContextNoise noise(context);
  Posterior posterior{context, denoiser, schedule, likelihood, image, noise};
  if (settings.knows("zeta")) settings.set("zeta", 0.3);
  const std::unique_ptr<Solver> solver = kind.make(settings, posterior);
  std::size_t before = 0, after = 0;
  struct Marks {
    MemoryMeter& meter;
    std::size_t &before, &after;
  } marks{context.queue.meter(), before, after};
  const SolverObserver observer = [&marks](int executed, const Tensor&) {
    if (executed == 0) {
      marks.before = marks.meter.calls;
      start_counting();
    }
    if (executed == steps - 1) {
      stop_counting();
      marks.after = marks.meter.calls;
    }
    return true;
  };
  solve(*solver, posterior, observer);
  return {counted(), after - before};
}

void check(Context& context, const Counts& counts) {
  CHECK(counts.driver == 0);
  // On CUDA the device's memory alone is looked at: the libraries, real or simulated, are not ours.
  if (context.device() == Device::cuda) return;
  CHECK_MESSAGE(counts.ours.count == 0, counts.ours.count, " allocations, the first of ",
                counts.ours.bytes_of_first, " bytes:\n", counts.ours.first);
}

void check_none(Context& context, Denoiser& denoiser, const nlohmann::json& settings) {
  CAPTURE(settings.dump());
  const SolverKind& dps = solver_kind("dps");
  for (const std::string& sampler : sampler_names()) {
    CAPTURE(sampler);
    const auto op = make(context, settings);
    Likelihood likelihood(context, *op, op->forward(context.normal(image)));
    Settings values("dps", dps.settings);
    values.set("sampler", sampler);
    if (sampler == "ddim") values.set("eta", 0.5);
    check(context, count_solver(context, denoiser, likelihood, dps, values));
  }
}

/// What the steps of image, kernel and, of turbulence, tilt allocate from the third on. The states at the
/// start lie elsewhere than those that a step leaves: the pool's own list of blocks has its final length
/// after the second step only.
Counts count_joint(Context& context, ForwardOperator& op, const Shape& measured) {
  SpectrumPrior of_image(context), of_kernel(context);
  SimplexChart chart(context);
  JointMisfit misfit(context, op, context.normal(measured));
  const Schedule schedule = make_schedule("linear", 1000, std::to_string(steps));
  SamplerOptions options;
  options.variance = Variance::fixed_small;
  ContextNoise noise(context);
  WalkerOptions walker;
  std::vector<Walker> walkers;
  walkers.reserve(3);
  const auto add = [&](const char* name, Denoiser* prior, Chart* its, const Shape& shape) {
    walker.name = name;
    walkers.emplace_back(context, walker, prior, its, schedule, options, noise);
    walkers.back().x = context.normal(shape);
  };
  add("image", &of_image, nullptr, image);
  walker.sparsity.weight = 0.1;
  add("kernel", &of_kernel, &chart, {1, 1, 8, 8});
  if (op.unknowns() == 3) add("tilt", nullptr, nullptr, {1, 2, image.H, image.W});
  std::size_t before = 0;
  for (int executed = 0; executed < steps; ++executed) {
    misfit.step(walkers, steps - 1 - executed, executed);
    if (executed != 1) continue;
    before = context.queue.meter().calls;
    start_counting();
  }
  stop_counting();
  return {counted(), context.queue.meter().calls - before};
}

/// An operator that does what no operator may.
class Wasteful : public Identity {
 public:
  using Identity::Identity;
  Tensor apply(const Tensor& x) override {
    std::vector<float> values(100);
    kept(values.data());
    return Identity::apply(x);
  }
};

struct alignas(64) Wide {  // takes the aligned operator new
  float values[64];
};

}  // namespace

TEST_CASE("the counter counts what this program allocates, and nothing else") {
  const auto count = [](auto&& body) {
    start_counting();
    body();
    stop_counting();
    return counted().count;
  };
  CHECK(count([] {}) == 0);
  CHECK(count([&] {
          std::vector<float> values(100, 1.f);
          kept(values.data());
        }) == 1);
  CHECK(count([&] {
          std::string text(100, 'x');  // allocated by libstdc++, on our behalf
          kept(text.data());
        }) == 1);
  CHECK(count([&] { std::free(kept(std::malloc(100))); }) == 1);
  CHECK(count([&] { std::free(kept(std::aligned_alloc(256, 512))); }) == 1);
  CHECK(count([&] { std::free(kept(std::realloc(kept(std::calloc(2, 50)), 400))); }) == 2);
  CHECK(count([&] {
          void* p = nullptr;
          if (posix_memalign(&p, 64, 100) == 0) std::free(kept(p));
        }) == 1);
  CHECK(count([&] {
          auto* p = new Wide;
          kept(p);
          delete p;
        }) == 1);
  CHECK(count([] { std::fclose(std::fopen("/dev/null", "r")); }) == 0);  // the C library's own
  std::vector<float> values(100);
  start_counting();
  values.resize(1000);
  stop_counting();
  CHECK(counted().bytes_of_first == 4000);
  CHECK(counted().first.find("0x") != std::string::npos);
  Context context(Device::cpu);
  CHECK(count([&] { const Tensor x = context.planar({1, 1, 100, 100}); }) > 0);  // the pool's first slab
  CHECK(count([&] { const Tensor x = context.planar({1, 1, 100, 100}); }) == 0);
}

TEST_CASE("an operator that allocates is noticed at every step after the first") {
  Context context(Device::cpu, 1);
  SpectrumPrior prior(context);
  Wasteful op(context);
  Likelihood likelihood(context, op, context.normal(image));
  DpsGuidance guidance(context, likelihood, 0.3);
  // Once forward and, as the identity's adjoint is itself, once backward.
  CHECK(count_after_first_step(context, prior, &guidance, Method::ddpm).ours.count == 2 * (steps - 1));
}

TEST_CASE("a U-Net guided by an inpainting mask or a blur allocates nothing after the first step") {
  for (const Device device : backends())
    for (const std::size_t which : {0, 1}) {  // residual blocks or convolutions change the resolution
      CAPTURE(std::string(name(device)));
      const NamedConfig each = small_unets()[which];
      CAPTURE(each.name);
      Context context(device, 1);
      TestSource source;
      UNet unet(context, WeightScope(source), each.config);
      for (const nlohmann::json& settings : {inpainting, gaussian_blur}) check_none(context, unet, settings);
    }
}

TEST_CASE("the spectrum prior allocates nothing after the first step, whatever is measured") {
  for (const Device device : backends()) {
    CAPTURE(std::string(name(device)));
    Context context(device, 1);
    SpectrumPrior prior(context);
    for (const nlohmann::json& settings :
         {inpainting, gaussian_blur, super_resolution, nlohmann::json{{"name", "noise"}},
          nlohmann::json{{"name", "motion_blur"}, {"kernel_size", 9}},
          nlohmann::json{{"name", "phase_retrieval"}}, nlohmann::json{{"name", "ct"}},
          nlohmann::json{{"name", "mri"}}, nlohmann::json{{"name", "colourisation"}},
          nlohmann::json{{"name", "composed"}, {"operators", {gaussian_blur, super_resolution}}}})
      check_none(context, prior, settings);
  }
}

TEST_CASE("no solver allocates after the first step") {
  for (const Device device : backends()) {
    CAPTURE(std::string(name(device)));
    Context context(device, 1);
    SpectrumPrior prior(context);
    for (const SolverKind* kind : solver_kinds()) {
      const std::string method = kind->name;
      for (const double photon_rate : {0.0, 1.0}) {
        if (photon_rate > 0 && method != "dps") continue;
        CAPTURE(method);
        CAPTURE(photon_rate);
        const auto op = make(context, super_resolution);
        Likelihood likelihood(context, *op, op->forward(context.normal(image)), {0.05, photon_rate});
        if (refusal(*kind, *op, likelihood.noise(), image)) continue;
        check(context, count_solver(context, prior, likelihood, *kind, Settings(kind->name, kind->settings)));
      }
    }
  }
}

TEST_CASE("image, kernel and tilt in parallel allocate nothing after the second step, cropped or whole") {
  for (const Device device : backends())
    for (const char* name : {"blind_blur", "turbulence"}) {
      CAPTURE(std::string(tweedie::name(device)));
      CAPTURE(std::string(name));
      Context context(device, 1);
      const BlindOperator whole = make_blind_operator(context, name);
      check(context, count_joint(context, *whole.op, image));
      const Shape inner{1, 3, 15, 23};
      std::vector<Shape> sides{inner, {1, 1, 7, 7}};
      if (whole.op->unknowns() == 3) sides.push_back(inner);
      const auto cropped = on_crops(context, *whole.op, sides);
      check(context, count_joint(context, *cropped, inner));
    }
}

// Each walk begins with a solver of its own: its second step is the first that may not allocate, and the
// pool's list of blocks has its length after one more.
TEST_CASE("Fast EM allocates nothing after the second step of a walk") {
  for (const Device device : backends()) {
    CAPTURE(std::string(name(device)));
    Context context(device, 1);
    SpectrumPrior prior(context);
    ContextNoise noise(context);
    const Schedule schedule = make_schedule("linear", 1000, std::to_string(steps));
    KernelMapOptions kernel;
    kernel.rows = kernel.columns = 5;
    const std::vector<KernelScale> scales{{context.normal(image), kernel}};
    for (const char* expectation : {"pigdm", "diffpir"}) {
      CAPTURE(expectation);
      std::size_t before = 0, after = 0;
      const FastEmWalkObserver observer = [&](int executed, const Solver&, const Tensor&) {
        if (executed == 1) {
          before = context.queue.meter().calls;
          start_counting();
        }
        if (executed != steps - 1) return;
        stop_counting();
        after = context.queue.meter().calls;
      };
      const Tensor start = KernelMap(context, kernel).delta();
      fast_em_walks(context, solver_kind(expectation), prior, schedule, {}, scales, start, noise, observer);
      check(context, {counted(), after - before});
    }
  }
}

TEST_CASE("unguided sampling allocates nothing after the first step") {
  for (const Device device : backends()) {
    CAPTURE(std::string(name(device)));
    Context context(device, 1);
    TestSource source;
    UNet unet(context, WeightScope(source), small_unets()[1].config);
    for (const Method method : methods) {
      CAPTURE(int(method));
      const Counts counts = count_after_first_step(context, unet, nullptr, method);
      CHECK(counts.driver == 0);
      if (device == Device::cpu) CHECK_MESSAGE(counts.ours.count == 0, counts.ours.first);
    }
  }
}
