#include "operators/noise.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/elementwise.hpp"
#include "operators/settings.hpp"

namespace tweedie {

Noise parse_noise(const nlohmann::json& json) {
  JsonSettings settings(json, "noise");
  Noise noise;
  noise.name = settings.text("name");
  if (noise.name == "clean") noise.name = "none";
  if (noise.name == "gaussian") {
    noise.sigma = settings.number("sigma");
    const std::string unit = settings.text("unit", "pm1");
    require(unit == "pm1" || unit == "unit", "noise: unit '", unit,
            "' of sigma; expected pm1 (images in [-1, 1]) or unit (in [0, 1])");
    if (unit == "unit") noise.sigma *= 2;
    require(noise.sigma >= 0 && noise.sigma <= largest_sigma, "noise: sigma ", noise.sigma,
            "; expected 0 to ", largest_sigma);
  } else if (noise.name == "poisson") {
    noise.rate = settings.number("rate");
    require(noise.rate > 0, "noise: a Poisson rate of ", noise.rate, "; expected a positive number");
  } else {
    require(noise.name == "none", "noise '", noise.name, "': expected gaussian, poisson or none");
  }
  noise.compat = settings.flag("compat", false);
  settings.require_all_used();
  return noise;
}

nlohmann::json to_json(const Noise& noise) {
  nlohmann::json json{{"name", noise.name}};
  if (noise.name == "gaussian") json["sigma"] = noise.sigma;
  if (noise.name == "poisson") json["rate"] = noise.rate;
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
  if (noise.name == "none" || (noise.name == "gaussian" && noise.sigma == 0)) return y;
  if (noise.name == "poisson") {
    y = add_poisson(context, noise, y);
  } else {
    const Tensor n = context.normal(y.shape());
    axpby(context.queue, y, 1.f, y, float(noise.sigma), n);
  }
  if (!noise.compat) op.discard_unmeasured(y);
  return y;
}

}  // namespace tweedie
