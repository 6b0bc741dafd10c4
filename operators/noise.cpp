#include "operators/noise.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/elementwise.hpp"
#include "weights/settings_json.hpp"

namespace tweedie {

namespace {

constexpr Setting gaussian_settings[] = {
    Setting::number("sigma", 0.05, 0, largest_sigma, "standard deviation; 0: none").stated_in_files(),
    Setting::text("unit", "pm1", "pm1, unit", "of sigma: for images in [-1, 1] or in [0, 1]"),
    Setting::flag("compat", "as the DPS repository has it"),
};
constexpr Setting poisson_settings[] = {
    Setting::positive("rate", 1, "white is 255 times so many photons").stated_in_files(),
    Setting::flag("compat", "as the DPS repository has it"),
};
constexpr Setting no_settings[] = {Setting::flag("compat", "as the DPS repository has it")};

}  // namespace

const char* name_of(NoiseKind kind) {
  switch (kind) {
    case NoiseKind::gaussian:
      return "gaussian";
    case NoiseKind::poisson:
      return "poisson";
    case NoiseKind::none:
      break;
  }
  return "none";
}

NoiseKind parse_noise_kind(const std::string& name) {
  for (const NoiseKind kind : {NoiseKind::none, NoiseKind::gaussian, NoiseKind::poisson})
    if (name == name_of(kind)) return kind;
  require(name == "clean", "noise '", name, "': expected gaussian, poisson or none");
  return NoiseKind::none;
}

Noise parse_noise(const nlohmann::json& json) {
  Noise noise;
  noise.kind = parse_noise_kind(text_member(json, "name", "noise"));
  const bool gaussian = noise.kind == NoiseKind::gaussian, poisson = noise.kind == NoiseKind::poisson;
  const std::string_view besides[] = {"name"};
  const std::span<const Setting> rows = gaussian  ? std::span<const Setting>(gaussian_settings)
                                        : poisson ? std::span<const Setting>(poisson_settings)
                                                  : no_settings;
  const Settings settings = settings_from_json(json, message("noise ", name_of(noise.kind)), rows, besides);
  if (gaussian) noise.sigma = settings.number("sigma") * (settings.text("unit") == "unit" ? 2 : 1);
  require(noise.sigma <= largest_sigma, "noise: sigma ", noise.sigma,
          " in units of [-1, 1] images; expected 0 to ", largest_sigma);
  if (poisson) noise.rate = settings.number("rate");
  noise.compat = settings.flag("compat");
  return noise;
}

nlohmann::json to_json(const Noise& noise) {
  nlohmann::json json{{"name", name_of(noise.kind)}};
  if (noise.kind == NoiseKind::gaussian) json["sigma"] = noise.sigma;
  if (noise.kind == NoiseKind::poisson) json["rate"] = noise.rate;
  if (noise.compat) json["compat"] = true;
  return json;
}

double poisson_count(double mean, double u) {
  if (!(mean > 0)) return 0;
  // The unit interval is laid out mode first, then one above, one below, two above, ...
  const double mode = std::floor(mean);
  double below = mode, above = mode;
  double p_below = std::exp(mode * std::log(mean) - mean - std::lgamma(mode + 1)), p_above = p_below;
  u -= p_below;
  while (u >= 0 && (p_above > 0 || p_below > 0)) {
    above += 1;
    p_above *= mean / above;
    u -= p_above;
    if (u < 0) return above;
    p_below = below > 0 ? p_below * below / mean : 0;
    if (below > 0) below -= 1;
    u -= p_below;
    if (u < 0) return below;
  }
  return u < 0 ? mode : above;  // rounding may leave a trace of the interval over
}

namespace {

Tensor add_poisson(Context& context, const Noise& noise, const Tensor& y) {
  // A float's uniform has 24 bits; two of them reach the tails.
  Tensor coarse = context.planar(y.shape()), fine = context.planar(y.shape());
  context.uniform(coarse);
  context.uniform(fine);
  const std::vector<float> u = context.download(coarse), v = context.download(fine);
  std::vector<float> values = context.download(y);
  const double photons = 127.5 * noise.rate;  // per unit of [-1, 1]
  for (std::size_t i = 0; i < values.size(); ++i) {
    require(std::isfinite(values[i]), "Poisson noise: a measured value is not finite");
    double mean = photons * (double(values[i]) + 1);
    if (noise.compat) mean = std::min(mean, 2 * photons);
    const double count = poisson_count(mean, double(u[i]) + 0x1p-24 * double(v[i]));
    values[i] = float(count / photons - 1);
    if (noise.compat) values[i] = std::min(values[i], 1.f);
  }
  return context.upload(y.shape(), values);
}

}  // namespace

Tensor add_noise(Context& context, const Noise& noise, Tensor y, ForwardOperator& op) {
  if (noise.kind == NoiseKind::none || (noise.kind == NoiseKind::gaussian && noise.sigma == 0)) return y;
  if (noise.kind == NoiseKind::poisson) {
    y = add_poisson(context, noise, y);
  } else {
    const Tensor n = context.normal(y.shape());
    axpby(context.queue, y, 1.f, y, float(noise.sigma), n);
  }
  if (!noise.compat) op.discard_unmeasured(y);
  return y;
}

}  // namespace tweedie
