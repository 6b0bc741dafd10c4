#include "tools/restore/noise_option.hpp"

namespace tweedie {

Noise noise_of(const Options& o, const std::optional<Noise>& stored) {
  const bool compat = stored ? stored->compat : o.measurement.empty() && o.compat;
  const Noise otherwise{NoiseKind::gaussian, 0.05, 1, compat};
  Noise noise = stored ? *stored : o.file_noise.value_or(otherwise);
  noise.compat = compat;
  if (o.noise && *o.noise != noise.kind) {
    noise = otherwise;
    noise.kind = *o.noise;
  }
  if (!o.noise && o.sigma && noise.kind == NoiseKind::none) noise.kind = NoiseKind::gaussian;
  require(!o.sigma || noise.kind == NoiseKind::gaussian, "--sigma means nothing to noise ",
          name_of(noise.kind), ", only to gaussian");
  require(!o.rate || noise.kind == NoiseKind::poisson, "--rate means nothing to noise ", name_of(noise.kind),
          ", only to poisson");
  if (o.sigma) noise.sigma = *o.sigma * (o.unit == "unit" ? 2 : 1);
  if (o.rate) noise.rate = *o.rate;
  require(noise.sigma <= largest_sigma, "--sigma: ", noise.sigma, " in [-1, 1] units; expected at most ",
          largest_sigma);
  if (noise.kind == NoiseKind::gaussian && noise.sigma == 0) noise.kind = NoiseKind::none;
  return noise;
}

}  // namespace tweedie
