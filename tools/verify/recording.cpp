#include "tools/verify/recording.hpp"

#include <algorithm>

#include "kernels/elementwise.hpp"
#include "weights/settings_json.hpp"

namespace tweedie::verify {

RecordedNoise::RecordedNoise(Context& context, const ArrayFile& file, const std::string& prefix)
    : context_(context), ancestral_(file.floats(prefix + "noise")) {
  if (file.has(prefix + "measurement_noise")) measurement_ = file.floats(prefix + "measurement_noise");
  if (file.has(prefix + "uniform_noise")) uniform_ = file.floats(prefix + "uniform_noise");
}

void RecordedNoise::put(View<float> out, const std::vector<float>& recorded, int index) {
  const std::size_t count = std::size_t(out.size()), begin = count * std::size_t(index);
  require(begin + count <= recorded.size(), "trajectory: the recorded noise ends before the run does");
  copy_from_host(context_.queue, out.data, recorded.data() + begin, count * sizeof(float));
}

Diffusion read_diffusion(const ArrayFile& file) {
  const nlohmann::json json = file.json_attribute("diffusion");
  const auto text = [&](const char* key) { return text_member(json, key, file.path() + ": diffusion"); };
  const nlohmann::json steps = json.value("steps", nlohmann::json());
  require(steps.is_number_integer() && steps > 0 && steps < 1 << 20, file.path(), ": diffusion: 'steps' is ",
          steps.dump(), ", expected a whole number above 0");
  // The BlindDPS repository's is a number.
  const nlohmann::json respacing = json.value("timestep_respacing", nlohmann::json());
  Diffusion d;
  d.schedule = make_schedule(text("noise_schedule"), steps.get<int>(),
                             respacing.is_number_integer() ? respacing.dump() : text("timestep_respacing"));
  const std::string sampler = text("sampler"), variance = text("model_var_type");
  require(sampler == "ddpm" || sampler == "ddim" || sampler == "blind_dps", file.path(), ": sampler '",
          sampler, "'; expected ddpm, ddim or blind_dps");
  d.options.method = sampler == "ddim" ? Method::ddim : Method::ddpm;
  require(variance == "learned_range" || variance == "fixed_small" || variance == "fixed_large", file.path(),
          ": model_var_type '", variance, "'; expected learned_range, fixed_small or fixed_large");
  d.options.variance = variance == "learned_range" ? Variance::learned_range
                       : variance == "fixed_small" ? Variance::fixed_small
                                                   : Variance::fixed_large;
  d.options.clip_denoised = json.value("clip_denoised", true);
  require(text("model_mean_type") == "epsilon", file.path(), ": only model_mean_type epsilon is supported");
  require(!json.value("dynamic_threshold", false), file.path(), ": dynamic_threshold is not supported");
  if (json.value("rescale_timesteps", false)) d.time_scale = 1000.0 / steps.get<int>();
  return d;
}

Recording::Recording(const ArrayFile& file, const std::string& dataset)
    : name(dataset), values(file.floats(dataset)) {
  const Extents e = file.extents(dataset);
  require(e.size() == 5, file.path(), ": ", dataset, " has shape ", to_string(e),
          ", expected five dimensions");
  shape = {int(e[1]), int(e[2]), int(e[3]), int(e[4])};
  const std::string of_file = dataset + "_steps";
  if (file.has_attribute("steps", dataset)) {
    for (const double step : file.number_attribute("steps", dataset)) steps.push_back(int(step));
  } else if (file.has_attribute(of_file)) {
    for (const double step : file.number_attribute(of_file)) steps.push_back(int(step));
  } else {
    for (int i = 0; i < int(e[0]); ++i) steps.push_back(i);
  }
  require(std::int64_t(steps.size()) == e[0], file.path(), ": ", dataset, ": attribute steps lists ",
          steps.size(), " steps of ", e[0]);
}

bool Recording::has(int step) const { return std::find(steps.begin(), steps.end(), step) != steps.end(); }

std::span<const float> Recording::at(int step) const {
  const std::size_t count = std::size_t(shape.size());
  const std::size_t index = std::size_t(std::find(steps.begin(), steps.end(), step) - steps.begin());
  return std::span(values).subspan(index * count, count);
}

Tensor perturbed(Context& context, const Shape& shape, std::span<const float> values, double perturbation,
                 std::uint64_t stream) {
  Tensor x = context.upload(shape, values);
  if (perturbation == 0) return x;
  context.start_stream(stream);
  Tensor u = context.planar(shape);
  context.uniform(u);
  axpby(context.queue, u, float(2 * perturbation), u, 0.f, u);
  Tensor change = context.planar(shape);
  multiply(context.queue, change, x, u);
  axpby(context.queue, x, float(1 - perturbation), x, 1.f, change);
  return x;
}

}  // namespace tweedie::verify
