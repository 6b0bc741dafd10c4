// Noise of a measurement.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "engine/context.hpp"
#include "engine/forward_operator.hpp"

namespace tweedie {

enum class NoiseKind { none, gaussian, poisson };

/// The kind's name in files and on command lines.
const char* name_of(NoiseKind kind);
/// The kind by its name; "clean" is the DPS repository's word for none. Errors: an unknown name.
NoiseKind parse_noise_kind(const std::string& name);

/// A noise model:
/// - gaussian, of standard deviation sigma;
/// - poisson: a measured value v is a count of mean 127.5 rate (v + 1), none where that is negative, mapped
///   back to units of [-1, 1] images; so white is 255 rate photons, and a count may exceed white. `compat`
///   limits the mean and the result to [-1, 1]: right for dim images, wrong for measurements that leave that
///   range, such as magnitudes of a Fourier transform;
/// - none.
/// `compat`: as the DPS repository has it, Poisson noise limited and any noise also where nothing is
/// measured.
struct Noise {
  NoiseKind kind = NoiseKind::none;
  double sigma = 0;  ///< gaussian: in units of [-1, 1] images
  double rate = 1;   ///< poisson
  bool compat = false;
};

/// Far beyond any image, far below where squares leave float.
inline constexpr double largest_sigma = 1e6;

/// Reads {"name": "gaussian", "sigma": 0.05, "unit": "pm1"}, unit being that of sigma: of images in [-1, 1]
/// ("pm1", the default) or in [0, 1] ("unit"); {"name": "poisson", "rate": 1.0, "compat": false}; or {"name":
/// "none"}, which the DPS repository calls "clean". Errors: an unknown name or setting, a sigma below 0 or
/// above `largest_sigma`, a rate of 0 or less.
Noise parse_noise(const nlohmann::json& json);
/// The same settings, sigma in units of [-1, 1] images.
nlohmann::json to_json(const Noise& noise);

/// y + noise from the context's stream, on measured entries only unless `compat` (the published code also
/// adds it where pixels are masked, which inflates the misfit). Errors: Poisson noise of a value that is not
/// finite.
Tensor add_noise(Context& context, const Noise& noise, Tensor y, ForwardOperator& op);

/// The count that the uniform u in [0, 1) picks of the Poisson distribution of this mean: exact inversion,
/// from the mode outwards, in O(sqrt(mean)).
double poisson_count(double mean, double u);

}  // namespace tweedie
