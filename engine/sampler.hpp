// Samplers: from noise to an image, a step at a time, with room for guidance in each.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/evaluation.hpp"
#include "engine/schedule.hpp"

namespace tweedie {

/// ddpm: ancestral (Ho et al. 2020); ddim (Song et al. 2021a). From the score, see engine/score_sde.hpp: the
/// reverse SDE by Euler-Maruyama; the probability-flow ODE by Heun's method; predictor-corrector; annealed
/// Langevin. The probability flow by multistep methods of second and third order: see engine/multistep.hpp.
enum class Method { ddpm, ddim, sde, ode, pc, langevin, dpmpp2, dpmpp3 };
/// Coordinates in which sde, ode and pc take their steps: x_t itself (variance-preserving), or
/// x_t / sqrt(abar_t), the image plus noise of variance (1 - abar) / abar (variance-exploding). ddim and
/// langevin are ve in their nature, ddpm is exact in both: they have no choice.
enum class Parameterisation { vp, ve };
/// Variance of an ancestral step: the posterior's, beta's, or what the network learned between the two.
enum class Variance { fixed_small, fixed_large, learned_range };

struct SamplerOptions {
  Method method = Method::ddpm;
  Variance variance = Variance::learned_range;
  double eta = 0;             ///< DDIM: 0 deterministic, 1 as noisy as DDPM
  bool clip_denoised = true;  ///< clip x0_hat to [-1, 1], inside the gradient and the score too
  Parameterisation parameterisation = Parameterisation::vp;  ///< of sde, ode and pc
  int corrections = 1;  ///< pc, langevin: Langevin updates at every noise level
  double snr = 0.16;    ///< pc, langevin: their signal-to-noise ratio r, which sets the step size
};

/// Errors: eta outside [0, 1]; ve where there is no choice; corrections below 0 (langevin: below 1); an snr
/// that is not positive.
void require_valid(const SamplerOptions& options);
/// ddpm, ddim, sde, ode, pc, langevin, dpmpp2, dpmpp3.
std::vector<std::string> sampler_names();
/// The names with a line each, for --help.
std::string describe_samplers();
/// Errors: an unknown name (the known ones are listed).
Method parse_method(const std::string& name);
/// "vp" or "ve". Errors: another name.
Parameterisation parse_parameterisation(const std::string& name);

/// What a standard normal is drawn for: the state before the first step; the noise that a step adds; a second
/// draw of the same step; a Markov chain inside a step, its velocities, and the noise after it.
enum class Draw { initial, step, second, chain, velocity, renoise };

/// Where a sampler's noise comes from: the context's stream, or a recording that is replayed.
class NoiseSource {
 public:
  virtual ~NoiseSource() = default;
  /// Standard normals for the ancestral step `executed` (0 is the first one executed); pc and langevin ask
  /// once for every update of the step.
  virtual void ancestral(View<float> out, int executed) = 0;
  /// Standard normals for re-noised measurements, in the image's shape or the measurement's.
  virtual void measurement(View<float> out, int executed) = 0;
  /// The draw-th uniform [0, 1) perturbation of this step.
  virtual void uniform(View<float> out, int executed, int draw) = 0;
  /// Standard normals for any purpose, in the image's shape; `k` counts the draws of one purpose in a step. A
  /// source that has nothing but ancestral noise throws for the others.
  virtual void normal(View<float> out, Draw what, int executed, int k = 0) {
    (void)k;
    require(what == Draw::step, "noise source: this one has ancestral noise alone");
    ancestral(out, executed);
  }
};

/// Draws from the context.
class ContextNoise : public NoiseSource {
 public:
  explicit ContextNoise(Context& context) : context_(context) {}
  void ancestral(View<float> out, int) override { context_.normal(out); }
  void measurement(View<float> out, int) override { context_.normal(out); }
  void uniform(View<float> out, int, int) override { context_.uniform(out); }
  void normal(View<float> out, Draw, int, int) override { context_.normal(out); }

 private:
  Context& context_;
};

/// Draws for every sample of a batch from a stream of its own (`Context::start_stream`): what one gets is
/// what it would get alone. Batches hold as many samples as there are streams, or a multiple, so many each,
/// one after another. The context's own stream stays where it is.
class StreamNoise : public NoiseSource {
 public:
  StreamNoise(Context& context, std::span<const std::uint64_t> streams);
  void ancestral(View<float> out, int) override { draw(out, &Context::normal); }
  void measurement(View<float> out, int) override { draw(out, &Context::normal); }
  void uniform(View<float> out, int, int) override { draw(out, &Context::uniform); }
  void normal(View<float> out, Draw, int, int) override { draw(out, &Context::normal); }

 private:
  void draw(View<float> out, void (Context::*fill)(View<float>));

  Context& context_;
  std::vector<std::uint64_t> positions_;
};

/// One step as guidance sees it: an evaluation of the prior at x_t, at its place in the schedule. One object
/// serves all steps of a run.
class Step : public Evaluation {
 public:
  Step(Context& ctx, const Schedule& diffusion, const SamplerOptions& settings, NoiseSource& source)
      : Evaluation(ctx), schedule(diffusion), options(settings), noise(source) {}
  /// The same, at a step.
  Step(Context& ctx, const Schedule& diffusion, const SamplerOptions& settings, NoiseSource& source, int i,
       int count, Tensor state)
      : Step(ctx, diffusion, settings, source) {
    start(i, count, std::move(state));
  }
  const Schedule& schedule;
  const SamplerOptions& options;
  NoiseSource& noise;
  int index = 0;     ///< schedule index, steps - 1 down to 0
  int executed = 0;  ///< 0, 1, 2, ...
  /// What multistep methods keep of the last steps, the latest first.
  struct History {
    Tensor x0[2];
    double lambda[2] = {};
    int count = 0;
  } history;
  bool stays = false;  ///< true while pc and langevin move x at its noise level

  /// Goes to another step, at x_t = `state`.
  void start(int i, int count, Tensor state) {
    index = i;
    executed = count;
    level = schedule.level(i);
    x = std::move(state);
  }
  /// abar of the state this step makes: what guidance brings the measurement's noise to.
  double next_alphas_cumprod() const {
    return stays ? alphas_cumprod() : schedule.alphas_cumprod_prev[std::size_t(index)];
  }
  /// `evaluate` as the options say.
  void denoise(Denoiser& denoiser, bool with_gradient) {
    evaluate(denoiser, options.clip_denoised ? 1 : 0, with_gradient);
  }
};

/// Turns the unguided sample of a step into the guided one.
class Guidance {
 public:
  virtual ~Guidance() = default;
  /// True when `apply` calls `pull_back`.
  virtual bool needs_gradient() const = 0;
  /// `next` is the unguided sample x'_{t-1}; returns x_{t-1}. In x_t's coordinates, whatever the
  /// parameterisation.
  virtual Tensor apply(Step& step, Tensor next) = 0;
  /// The square of the misfit of the last step, as each guidance defines it (most: |y - A x0_hat|), per
  /// sample, (N,1,1,1); one value for the batch where the published form has one; or empty.
  virtual const TensorOf<double>& distance_squared() const = 0;
};

/// Called after every step with the new state; return false to stop early.
using Observer = std::function<bool(const Step& step, const Tensor& next)>;

/// True for methods whose step is one evaluation of the denoiser and one draw, and looks at no other step.
bool is_single_step(Method method);
/// The unguided x'_{t-1} from an evaluated step and its draw (empty where the method needs none). For methods
/// of a single step that is all; multistep ones keep the estimate in the step. Errors: learned variance asked
/// of a prediction without.
Tensor propose(Step& step, const Tensor& draw);

/// One step: denoises step.x, draws the step's noise, moves on and applies the guidance (null: none).
/// Returns x_{t-1}. No noise is added at schedule index 0 on the way to x_{-1}. Evaluations of the denoiser,
/// each guided unless it says otherwise: ddpm, ddim, sde, dpmpp2 and dpmpp3 1; ode 2, the second unguided, 1
/// at index 0; pc 1 + corrections; langevin corrections, at index 0 one more. Errors: those of
/// `require_valid`; learned variance asked of a denoiser that predicts none.
Tensor sample_step(Step& step, Denoiser& denoiser, Guidance* guidance);

/// Runs all steps of the schedule from x_T (planar, any N) and returns the last state: the guided, unclamped
/// x_{-1}.
Tensor sample(Context& context, Denoiser& denoiser, const Schedule& schedule, const SamplerOptions& options,
              Tensor x, Guidance* guidance, NoiseSource& noise, const Observer& observer = {});

}  // namespace tweedie
