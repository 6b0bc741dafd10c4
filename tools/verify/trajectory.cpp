// Replays a recorded run of a sampler with its own noise, step by step.
#include <algorithm>
#include <cmath>

#include "engine/guidance.hpp"
#include "engine/sampler.hpp"
#include "kernels/reduce.hpp"
#include "operators/factory.hpp"
#include "operators/settings.hpp"
#include "tools/verify/checks.hpp"

namespace tweedie::verify {
namespace {

/// The recorded draws, in the order of execution.
class RecordedNoise : public NoiseSource {
 public:
  RecordedNoise(Context& context, const ArrayFile& file) : context_(context) {
    ancestral_ = file.floats("noise");
    if (file.has("measurement_noise")) measurement_ = file.floats("measurement_noise");
    if (file.has("uniform_noise")) uniform_ = file.floats("uniform_noise");
  }
  void ancestral(View<float> out, int executed) override { put(out, ancestral_, executed); }
  void measurement(View<float> out, int executed) override { put(out, measurement_, executed); }
  void uniform(View<float> out, int executed, int draw) override { put(out, uniform_, 5 * executed + draw); }

 private:
  void put(View<float> out, const std::vector<float>& recorded, int index) {
    const std::size_t count = std::size_t(out.size()), begin = count * std::size_t(index);
    require(begin + count <= recorded.size(), "trajectory: the recorded noise ends before the run does");
    copy_from_host(context_.queue, out.data, recorded.data() + begin, count * sizeof(float));
  }
  Context& context_;
  std::vector<float> ancestral_, measurement_, uniform_;
};

struct Diffusion {
  Schedule schedule;
  SamplerOptions options;
};

Diffusion read_diffusion(const ArrayFile& file) {
  const nlohmann::json json = file.json_attribute("diffusion");
  Settings s(json, file.path() + ": diffusion");
  Diffusion d;
  d.schedule = make_schedule(s.text("noise_schedule"), s.integer("steps"), s.text("timestep_respacing"));
  const std::string sampler = s.text("sampler"), variance = s.text("model_var_type");
  require(sampler == "ddpm" || sampler == "ddim", file.path(), ": sampler '", sampler,
          "'; expected ddpm or ddim");
  d.options.method = sampler == "ddpm" ? Method::ddpm : Method::ddim;
  require(variance == "learned_range" || variance == "fixed_small" || variance == "fixed_large", file.path(),
          ": model_var_type '", variance, "'; expected learned_range, fixed_small or fixed_large");
  d.options.variance = variance == "learned_range" ? Variance::learned_range
                       : variance == "fixed_small" ? Variance::fixed_small
                                                   : Variance::fixed_large;
  d.options.clip_denoised = json.value("clip_denoised", true);
  require(s.text("model_mean_type") == "epsilon", file.path(), ": only model_mean_type epsilon is supported");
  require(!json.value("dynamic_threshold", false), file.path(), ": dynamic_threshold is not supported");
  require(!json.value("rescale_timesteps", false), file.path(), ": rescale_timesteps is not supported here");
  return d;
}

/// Which executed steps an array of states holds: all, or those its attribute `steps` lists.
std::vector<int> recorded_steps(const ArrayFile& file, const std::string& name) {
  std::vector<int> steps;
  if (file.has_attribute("steps", name)) {
    for (const double step : file.number_attribute("steps", name)) steps.push_back(int(step));
  } else {
    for (int i = 0; i < int(file.extents(name).at(0)); ++i) steps.push_back(i);
  }
  return steps;
}

/// Collects the recorded ones of the states a sampler passes through.
class Recording {
 public:
  Recording(const ArrayFile& file, const std::string& name)
      : name_(name), steps_(recorded_steps(file, name)), theirs_(file.floats(name)) {}
  void add(Context& context, int executed, const Tensor& state) {
    if (std::find(steps_.begin(), steps_.end(), executed) == steps_.end()) return;
    const std::vector<float> values = context.download(state);
    ours_.insert(ours_.end(), values.begin(), values.end());
  }
  Check check(double tolerance) const { return compare<float>(name_, ours_, theirs_, tolerance); }

 private:
  std::string name_;
  std::vector<int> steps_;
  std::vector<float> ours_, theirs_;
};

}  // namespace

std::vector<Check> check_trajectory(const Setup& setup, const ArrayFile& file) {
  require(setup.network, file.path(), ": a trajectory; give the network's weights with --weights");
  Context& context = setup.context;
  const nlohmann::json task = file.json_attribute("task");
  const Diffusion diffusion = read_diffusion(file);
  OperatorData data;
  if (file.has("mask")) data.mask = load(context, file, "mask");
  const auto op = make_operator(context, task.at("operator"), data);
  const auto guidance = make_guidance(context, task.at("method").get<std::string>(), *op,
                                      load(context, file, "measurement"), task.value("scale", 0.0));
  std::vector<Check> checks;
  const std::vector<float> clean = context.download(op->forward(load(context, file, "x_true")));
  const std::vector<float> their_clean = file.floats("measurement_clean");
  checks.push_back(compare<float>("measurement_clean", clean, their_clean, setup.tolerance));

  Recording states(file, "x"), estimates(file, "x0_hat");
  std::vector<double> distances;
  const std::vector<double> their_distances = file.doubles("distance");
  RecordedNoise noise(context, file);
  sample(context, *setup.network, diffusion.schedule, diffusion.options, load(context, file, "x_T"),
         guidance.get(), noise, [&](const Step& step, const Tensor& next) {
           states.add(context, step.executed, next);
           estimates.add(context, step.executed, step.x0);
           double sum = 0;  // the recorded distance is over the whole batch
           if (guidance)
             for (const double squared : context.download(guidance->distance_squared())) sum += squared;
           distances.push_back(std::sqrt(sum));
           return distances.size() < their_distances.size();  // a recording may stop early
         });
  std::vector<double> executed(diffusion.schedule.timesteps.rbegin(), diffusion.schedule.timesteps.rend());
  if (file.has_attribute("timesteps")) {
    const std::vector<double> theirs = file.number_attribute("timesteps");
    checks.push_back(compare<double>("timesteps", executed, theirs, setup.tolerance));
  }
  checks.push_back(states.check(setup.tolerance));
  checks.push_back(estimates.check(setup.tolerance));
  if (guidance) checks.push_back(compare<double>("distance", distances, their_distances, setup.tolerance));
  return checks;
}

}  // namespace tweedie::verify
