#include "engine/solvers/guided.hpp"

#include <cmath>

#include "engine/guidance_poisson.hpp"
#include "engine/projection.hpp"

namespace tweedie {

Tensor GuidedSolver::start(Posterior& p) {
  step_.emplace(p.context, p.schedule, options_, p.noise);
  Tensor x = p.context.planar(p.image);
  p.noise.normal(x, Draw::initial, 0);
  return x;
}

Tensor GuidedSolver::step(Posterior& p, Tensor x, int executed) {
  if (!step_) step_.emplace(p.context, p.schedule, options_, p.noise);
  step_->start(p.schedule.steps() - 1 - executed, executed, std::move(x));
  return sample_step(*step_, p.prior, guidance_.get());
}

namespace {

constexpr Setting fixed_zeta =
    Setting::number("zeta", Setting::none, 0, Setting::unbounded, "step size of the guidance");
/// auto: see `MeasurementGuidance::adapt_steps`.
constexpr Setting zeta =
    Setting::number("zeta", Setting::none, 0, Setting::unbounded,
                    "step size of the guidance; auto: each step finds its own, however many there are")
        .or_word("auto");
constexpr Setting compat = Setting::flag("compat", "as the published code computes it, where that differs");
constexpr Setting factor =
    Setting::whole("factor", 0, 0, 1 << 20, "image pixels along a measured one; 0: the ratio of the shapes")
        .spelled("");
// What a step of the reverse process is made of.
constexpr Setting sampler = Setting::text(
    "sampler", "ddpm", "ddpm, ddim, sde, ode, pc, langevin, dpmpp2, dpmpp3", "how steps are taken");
constexpr Setting variance =
    Setting::text("variance", "auto", "auto, learned_range, fixed_small, fixed_large",
                  "of ddpm; auto: what the prior learned, else fixed_small")
        .spelled("");
constexpr Setting eta = Setting::number("eta", 0, 0, 1, "ddim: 0 is deterministic, 1 as noisy as ddpm");
constexpr Setting parameterisation =
    Setting::text("parameterisation", "vp", "vp, ve", "sde, ode, pc: steps in x_t or x_t / sqrt(abar_t)");
constexpr Setting corrections =
    Setting::whole("corrections", 1, 0, 1000000, "pc, langevin: Langevin updates at every noise level");
constexpr Setting snr = Setting::positive("snr", 0.16, "pc, langevin: signal-to-noise ratio of an update");
constexpr Setting no_clip =
    Setting::flag("no_clip", "do not clip the estimate of the image to [-1, 1] inside the sampler");

constexpr Setting step_limit = Setting::text(
    "step_limit", "auto", "auto, on, off",
    "no guidance step beyond where the misfit would be 0; auto: ode, dpmpp2 and 3, and ddim of eta below 1");

constexpr Setting gradient_settings[] = {zeta, step_limit,       compat,      sampler, variance,
                                         eta,  parameterisation, corrections, snr,     no_clip};
constexpr Setting naive_settings[] = {fixed_zeta,       compat,      sampler, variance, eta,
                                      parameterisation, corrections, snr,     no_clip};
constexpr Setting replacing_settings[] = {compat,           factor,      sampler, variance, eta,
                                          parameterisation, corrections, snr,     no_clip};
constexpr Setting mcg_settings[] = {zeta, step_limit,       compat,      factor, sampler, variance,
                                    eta,  parameterisation, corrections, snr,    no_clip};

Variance variance_of(const Settings& s, const Denoiser& prior) {
  const std::string name = s.text("variance");
  if (name == "fixed_large") return Variance::fixed_large;
  if (name == "learned_range" || (name == "auto" && prior.learns_variance())) return Variance::learned_range;
  return Variance::fixed_small;
}

SamplerOptions sampler_of(const Settings& s, const Denoiser& prior) {
  SamplerOptions o;
  o.method = parse_method(s.text("sampler"));
  o.variance = variance_of(s, prior);
  o.eta = s.number("eta");
  o.clip_denoised = !s.flag("no_clip");
  o.parameterisation = parse_parameterisation(s.text("parameterisation"));
  o.corrections = s.integer("corrections");
  o.snr = s.number("snr");
  require_valid(o);
  return o;
}

/// Without the sampler's noise nothing repairs a step that goes too far. The published code has no limit.
bool limits_steps(const Settings& s) {
  const std::string limit = s.text("step_limit");
  if (limit != "auto") return limit == "on";
  if (s.flag("compat")) return false;
  const Method method = parse_method(s.text("sampler"));
  return method == Method::ode || method == Method::dpmpp2 || method == Method::dpmpp3 ||
         (method == Method::ddim && s.number("eta") < 1);
}

template <class Guided>
std::unique_ptr<Guidance> descent(const Settings& s, Context& context, Likelihood& likelihood) {
  const bool adapts = s.worded("zeta");
  auto guidance = std::make_unique<Guided>(context, likelihood, adapts ? 0 : s.number("zeta"));
  const NoiseModel& noise = likelihood.noise();
  // Of photons, residuals are weighted so that each has a variance of 1/2.
  if (adapts)
    guidance->adapt_steps(noise.photon_rate > 0 ? std::sqrt(0.5) : noise.sigma);
  else if (limits_steps(s))
    guidance->limit_steps();
  return guidance;
}

std::unique_ptr<Guidance> gradient(const Settings& s, Context& context, Likelihood& likelihood) {
  if (likelihood.noise().photon_rate == 0) return descent<DpsGuidance>(s, context, likelihood);
  if (s.flag("compat")) return std::make_unique<CompatPoissonGuidance>(context, likelihood, s.number("zeta"));
  return descent<PoissonGuidance>(s, context, likelihood);
}

std::unique_ptr<Guidance> noisy_gradient(const Settings& s, Context& context, Likelihood& likelihood) {
  return std::make_unique<NoisyGradientGuidance>(context, likelihood, s.number("zeta"));
}

std::unique_ptr<ProjectionGuidance> replacing(const char* name, Lift lift, const Settings& s,
                                              Context& context, Likelihood& likelihood) {
  if (lift == Lift::pseudo_inverse && s.flag("compat")) lift = Lift::nearest;
  return std::make_unique<ProjectionGuidance>(context, name, likelihood, lift, s.integer("factor"));
}

std::unique_ptr<Guidance> projection(const Settings& s, Context& context, Likelihood& likelihood) {
  return replacing("projection", Lift::pseudo_inverse, s, context, likelihood);
}

std::unique_ptr<Guidance> low_pass(const Settings& s, Context& context, Likelihood& likelihood) {
  return replacing("ilvr", Lift::low_pass, s, context, likelihood);
}

std::unique_ptr<Guidance> gradient_and_projection(const Settings& s, Context& context,
                                                  Likelihood& likelihood) {
  return std::make_unique<McgGuidance>(gradient(s, context, likelihood),
                                       replacing("mcg", Lift::pseudo_inverse, s, context, likelihood));
}

using MakeGuidance = std::unique_ptr<Guidance> (*)(const Settings&, Context&, Likelihood&);

template <MakeGuidance make>
std::unique_ptr<Solver> guided(const Settings& s, Posterior& p) {
  return std::make_unique<GuidedSolver>(sampler_of(s, p.prior), make(s, p.context, p.likelihood));
}

constexpr const Need* inverse_needs[] = {&needs::pseudo_inverse};
constexpr const Need* picture_needs[] = {&needs::linear, &needs::same_picture};

}  // namespace

const SolverKind dps_kind{
    "dps",
    "diffusion posterior sampling: the gradient of |y - A x0_hat|; with Poisson noise, weighted",
    {},
    gradient_settings,
    guided<gradient>};
const SolverKind perturbed_kind{"ps+",
                                "the same, averaged over perturbed estimates",
                                {},
                                gradient_settings,
                                guided<descent<PerturbedGuidance>>};
const SolverKind noisy_gradient_kind{"noisy-gradient",
                                     "the gradient of |y - A x_t|, which fails: to compare with",
                                     {},
                                     naive_settings,
                                     guided<noisy_gradient>};
const SolverKind mcg_kind{"mcg", "a gradient step, then projection onto the images of that measurement",
                          inverse_needs, mcg_settings, guided<gradient_and_projection>};
const SolverKind projection_kind{"projection",
                                 "the measured part of the state replaced by the re-noised measurement",
                                 inverse_needs, replacing_settings, guided<projection>};
const SolverKind ilvr_kind{"ilvr", "low frequencies of the state replaced by the measurement's",
                           picture_needs, replacing_settings, guided<low_pass>};

std::unique_ptr<Guidance> guidance_of(const SolverKind& kind, const Settings& settings, Context& context,
                                      Likelihood& likelihood) {
  const std::pair<const SolverKind*, MakeGuidance> rows[] = {{&dps_kind, gradient},
                                                             {&perturbed_kind, descent<PerturbedGuidance>},
                                                             {&noisy_gradient_kind, noisy_gradient},
                                                             {&mcg_kind, gradient_and_projection},
                                                             {&projection_kind, projection},
                                                             {&ilvr_kind, low_pass}};
  for (const auto& [row, make] : rows)
    if (row == &kind) return make(settings, context, likelihood);
  throw Error(message("method ", kind.name, " is no guidance of a sampler"));
}

}  // namespace tweedie
