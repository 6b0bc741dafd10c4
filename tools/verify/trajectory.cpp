// Replays a recorded run of a sampler with its own noise, step by step.
#include <algorithm>
#include <cmath>
#include <optional>

#include "engine/solvers/guided.hpp"
#include "kernels/elementwise.hpp"
#include "operators/factory.hpp"
#include "operators/noise.hpp"
#include "tools/verify/checks.hpp"
#include "tools/verify/recording.hpp"

namespace tweedie::verify {
namespace {

// The guidance of a recorded task, computed as the DPS repository does unless the task says "compat": false.
// Null: the prior alone.
std::unique_ptr<Guidance> task_guidance(Context& context, const nlohmann::json& task,
                                        Likelihood& likelihood) {
  const std::string method = task.at("method").get<std::string>();
  if (method == "vanilla" || method == "none") return nullptr;
  const SolverKind& kind = solver_kind(method == "ps" ? "dps" : method);
  Settings settings("task", kind.settings);
  if (settings.knows("zeta")) settings.set("zeta", task.value("scale", 0.0));
  if (settings.knows("compat")) settings.set("compat", task.value("compat", true));
  if (settings.knows("factor"))
    settings.set("factor", std::int64_t(task.at("operator").value("scale_factor", 0)));
  return guidance_of(kind, settings, context, likelihood);
}

NoiseModel task_noise(const nlohmann::json& task) {
  NoiseModel noise;
  if (task.contains("noise") && parse_noise_kind(task["noise"].value("name", "none")) == NoiseKind::poisson)
    noise.photon_rate = task["noise"].at("rate").get<double>();
  return noise;
}

/// Our states at the steps a recording holds.
struct Replay {
  std::vector<float> x, x0;
  std::vector<double> distance;
};

/// A recorded run with everything that is needed to repeat it.
class Trajectory {
 public:
  Trajectory(const Setup& setup, const ArrayFile& file)
      : setup_(setup),
        context_(setup.context),
        diffusion_(read_diffusion(file)),
        noise_(context_, file),
        x_(file, "x"),
        x0_(file, "x0_hat"),
        start_(context_, file, "x_T"),
        distance_(file.doubles("distance")) {
    const nlohmann::json task = file.json_attribute("task");
    for (const int step : x_.steps)
      require(step >= 0 && std::size_t(step) < distance_.size(), file.path(), ": x holds step ", step,
              ", the run has ", distance_.size());
    operator_ = make_operator(context_, task.at("operator"), operator_data(setup, file));
    likelihood_.emplace(context_, *operator_, load(context_, file, "measurement"), task_noise(task));
    guidance_ = task_guidance(context_, task, *likelihood_);
  }

  ForwardOperator& op() { return *operator_; }
  const Schedule& schedule() const { return diffusion_.schedule; }

  /// The run from x_T.
  Replay run() {
    Tensor x = context_.upload(start_.shape, start_.values);
    const TimeScale scaled(*setup_.network, diffusion_.time_scale);
    Replay replay;
    sample(context_, *setup_.network, diffusion_.schedule, diffusion_.options, std::move(x), guidance_.get(),
           noise_, [&](const Step& step, const Tensor& next) {
             keep(replay, step, next);
             return replay.distance.size() < distance_.size();  // a recording may stop early
           });
    return replay;
  }

  /// Every recorded step whose predecessor is recorded too, each from that predecessor.
  Replay run_steps(std::vector<int>& steps) {
    const TimeScale scaled(*setup_.network, diffusion_.time_scale);
    Replay replay;
    for (const int executed : x_.steps) {
      if (executed > 0 && !x_.has(executed - 1)) continue;
      const Tensor x = context_.upload(
          x_.shape, executed == 0 ? std::span<const float>(start_.values) : x_.at(executed - 1));
      Step step(context_, diffusion_.schedule, diffusion_.options, noise_,
                diffusion_.schedule.steps() - 1 - executed, executed, x);
      const Tensor next = sample_step(step, *setup_.network, guidance_.get());
      keep(replay, step, next);
      steps.push_back(executed);
    }
    return replay;
  }

  /// Reported beside the steps: a run may amplify rounding errors without bound, and says little then.
  std::vector<Check> compare_run(const Replay& replay) const {
    std::vector<Check> checks{compare<float>("x, free run", replay.x, x_.values, setup_.tolerance),
                              compare<float>("x0_hat, free run", replay.x0, x0_.values, setup_.tolerance)};
    if (has_distance())
      checks.push_back(compare<double>("distance, free run", replay.distance, distance_, setup_.tolerance));
    for (Check& check : checks) check.judged = false;
    return checks;
  }

  std::vector<Check> compare_steps() {
    std::vector<int> steps;
    const Replay replay = run_steps(steps);
    std::vector<float> x, x0;
    std::vector<bool> clipped_x, clipped_x0;  // whether an estimate lies beside a clip
    std::vector<double> distance;
    for (const int step : steps) {
      const auto state = x_.at(step);
      x.insert(x.end(), state.begin(), state.end());
      distance.push_back(distance_.at(std::size_t(step)));
      if (!x0_.has(step)) {
        clipped_x.insert(clipped_x.end(), state.size(), false);
        continue;
      }
      const auto estimate = x0_.at(step);
      x0.insert(x0.end(), estimate.begin(), estimate.end());
      for (const float value : estimate) {
        clipped_x.push_back(beside_clip(value));
        clipped_x0.push_back(beside_clip(value));
      }
    }
    std::vector<Check> checks{compare_beside_clips("x, step by step", replay.x, x, clipped_x),
                              compare_beside_clips("x0_hat, step by step", replay.x0, x0, clipped_x0)};
    if (has_distance())
      checks.push_back(
          compare<double>("distance, step by step", replay.distance, distance, setup_.tolerance));
    return checks;
  }

 private:
  struct Start {
    Shape shape;
    std::vector<float> values;
    Start(Context&, const ArrayFile& file, const std::string& name)
        : shape(shape_of(file, name)), values(file.floats(name)) {}
  };

  // The slope of a clip at +-1 is 1 on one side and 0 on the other, and rounding decides on which an estimate
  // within 1e-4 of it lies. Such elements are looked at apart where all of them together do not agree.
  bool beside_clip(float recorded) const {
    return diffusion_.options.clip_denoised && std::abs(std::abs(double(recorded)) - 1) <= 1e-4;
  }

  Check compare_beside_clips(const std::string& name, const std::vector<float>& ours,
                             const std::vector<float>& theirs, const std::vector<bool>& clipped) const {
    const Check all = compare<float>(name, ours, theirs, setup_.tolerance);
    if (all.passed() || !diffusion_.options.clip_denoised) return all;
    return compare_rest(name, ours, theirs, setup_.tolerance, clipped,
                        "their recorded estimate lies within 1e-4 of the clip at +-1");
  }

  // Projection alone measures no misfit in the recorded code, which notes 0.
  bool has_distance() const { return guidance_ && guidance_->needs_gradient(); }

  void keep(Replay& replay, const Step& step, const Tensor& next) {
    if (x_.has(step.executed)) {
      const std::vector<float> values = context_.download(next);
      replay.x.insert(replay.x.end(), values.begin(), values.end());
    }
    if (x0_.has(step.executed)) {
      const std::vector<float> values = context_.download(step.x0);
      replay.x0.insert(replay.x0.end(), values.begin(), values.end());
    }
    double sum = 0;  // the recorded distance is over the whole batch
    if (guidance_)
      for (const double squared : context_.download(guidance_->distance_squared())) sum += squared;
    replay.distance.push_back(std::sqrt(sum));
  }

  const Setup& setup_;
  Context& context_;
  Diffusion diffusion_;
  RecordedNoise noise_;
  Recording x_, x0_;
  Start start_;
  std::vector<double> distance_;
  std::unique_ptr<ForwardOperator> operator_;
  std::optional<Likelihood> likelihood_;
  std::unique_ptr<Guidance> guidance_;
};

}  // namespace

std::vector<Check> check_trajectory(const Setup& setup, const ArrayFile& file) {
  require(setup.network, file.path(), ": a trajectory; give the network's weights with --weights");
  Trajectory trajectory(setup, file);
  std::vector<Check> checks;
  const std::vector<float> clean =
      setup.context.download(trajectory.op().forward(load(setup.context, file, "x_true")));
  const std::vector<float> their_clean = file.floats("measurement_clean");
  checks.push_back(compare<float>("measurement_clean", clean, their_clean, setup.tolerance));
  if (file.has_attribute("timesteps")) {
    const std::vector<int>& kept = trajectory.schedule().timesteps;
    const std::vector<double> executed(kept.rbegin(), kept.rend()),
        theirs = file.number_attribute("timesteps");
    checks.push_back(compare<double>("timesteps", executed, theirs, setup.tolerance));
  }
  for (Check& check : trajectory.compare_steps()) checks.push_back(std::move(check));
  const std::vector<Check> whole = trajectory.compare_run(trajectory.run());
  checks.insert(checks.end(), whole.begin(), whole.end());
  return checks;
}

}  // namespace tweedie::verify
